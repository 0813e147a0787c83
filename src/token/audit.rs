//! The audit of an extension: what is wrong is an error, what is worth knowing is measured.

use crate::token::tokenizer::Encoding;
use crate::token::{Tokenizer, script};
use crate::{Error, Result, bail};
use tokenizers::Model;

const WHO: &str = "audit";

/// What was measured on texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audit {
    pub before: usize,
    pub after: usize,
    /// New pieces that their own text reaches (all, or the audit fails).
    pub reachable: usize,
    /// New pieces that occur in the texts.
    pub used: usize,
    pub bytes: usize,
    pub tokens_before: usize,
    pub tokens_after: usize,
    /// Uses of new pieces, and how many of them begin or end inside a word of a script with spaces.
    pub hits: usize,
    pub hits_inside: usize,
    /// Texts that did not come back from the old tokenizer either, as with WordPiece.
    pub lossy: usize,
    pub general_before: usize,
    pub general_after: usize,
}

/// One text: tokens before and after, the new pieces in it, hits inside words, and whether it was lossy before.
struct Look {
    before: usize,
    after: usize,
    fresh: Vec<u32>,
    inside: usize,
    lossy: bool,
}

impl Tokenizer {
    /// What holds without any text: old ids and special pieces as they were, and every new piece reachable.
    pub(super) fn check_against(&self, old: &Tokenizer) -> Result<()> {
        if let Some(id) = (0..old.len()).find(|id| self.pieces().get(*id) != Some(&old.pieces()[*id])) {
            let now = self.piece(id as u32).unwrap_or_default();
            bail!(WHO, "the id {id} was `{}` and is now `{now}`", old.pieces()[id]);
        }
        if let Some(id) = old.specials().into_iter().find(|id| !self.is_special(*id)) {
            bail!(WHO, "`{}` (id {id}) was special and is not any more", old.pieces()[id as usize]);
        }
        if let Some(hole) = self.pieces().iter().position(|piece| piece.is_empty()) {
            bail!(WHO, "the ids are not contiguous: {hole} is missing");
        }
        let dead: Vec<&str> =
            (old.len()..self.len()).filter(|id| !self.reaches(*id)).map(|id| self.pieces()[id].as_str()).collect();
        if let Some(first) = dead.first() {
            let error = Error::new(WHO, format!("{} new pieces can never be written, as `{first}`", dead.len()));
            return Err(error.help("older merges take their letters first; let `continue_bpe` propose the merges"));
        }
        Ok(())
    }

    /// Whether the model makes this piece of its own letters.
    fn reaches(&self, id: usize) -> bool {
        let Ok(tokens) = self.engine().get_model().tokenize(&self.pieces()[id]) else { return false };
        self.is_special(id as u32) || (tokens.len() == 1 && tokens[0].id == id as u32)
    }

    /// Compares with the tokenizer that this one grew from. Every text has to come back byte for byte, where it did
    /// before. `general` is text that the extension was not made for.
    pub fn audit<S: AsRef<str> + Sync>(&self, old: &Tokenizer, texts: &[S], general: &[S]) -> Result<Audit> {
        self.check_against(old)?;
        let looks = self.batch(texts, |text| self.look(old, text))?;
        let mut used = vec![false; self.len()];
        let mut audit =
            Audit { before: old.len(), after: self.len(), reachable: self.len() - old.len(), ..Audit::default() };
        for look in &looks {
            audit.tokens_before += look.before;
            audit.tokens_after += look.after;
            audit.hits += look.fresh.len();
            audit.hits_inside += look.inside;
            audit.lossy += usize::from(look.lossy);
            look.fresh.iter().for_each(|id| used[*id as usize] = true);
        }
        audit.used = used.iter().filter(|used| **used).count();
        audit.bytes = texts.iter().map(|text| text.as_ref().len()).sum();
        let lengths = |tokenizer: &Tokenizer| {
            self.batch(general, |text| Ok(tokenizer.ids(text, false)?.len())).map(|lengths| lengths.iter().sum())
        };
        audit.general_before = lengths(old)?;
        audit.general_after = lengths(self)?;
        Ok(audit)
    }

    fn look(&self, old: &Tokenizer, text: &str) -> Result<Look> {
        let before = old.ids(text, false)?;
        let encoding = self.encode(text, false)?;
        let lossy = old.decode(&before, false)? != text;
        let back = self.decode(&encoding.ids, false)?;
        if !lossy && back != text {
            let at = back.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
            let place: String = text[floor(text, at.saturating_sub(20))..].chars().take(40).collect();
            bail!(WHO, "a text does not come back as it was, from its byte {at}: …{place}…");
        }
        let fresh: Vec<usize> = (0..encoding.ids.len()).filter(|at| encoding.ids[*at] as usize >= old.len()).collect();
        let inside = fresh.iter().filter(|at| inside(text, &encoding, **at)).count();
        let fresh = fresh.into_iter().map(|at| encoding.ids[at]).collect();
        Ok(Look { before: before.len(), after: encoding.ids.len(), fresh, inside, lossy })
    }
}

/// Whether a piece has letters of a script with spaces on both sides of one of its ends.
fn inside(text: &str, encoding: &Encoding, at: usize) -> bool {
    let (start, end) = encoding.offsets[at];
    let joined = |border: usize| {
        let (Some(left), Some(right)) = (text.get(..border), text.get(border..)) else { return false };
        let (left, right) = (left.chars().next_back(), right.chars().next());
        let letter = |character: Option<char>| {
            character.is_some_and(|letter| script::is_spaced(letter.encode_utf8(&mut [0; 4])))
        };
        letter(left) && letter(right)
    };
    joined(start) || joined(end)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
