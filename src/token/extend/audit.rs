//! The audit of an extension: violations are errors, the rest is measured.

use crate::token::tokenizer::Encoding;
use crate::token::{Tokenizer, readable, script};
use crate::{Error, Result, bail};
use rayon::prelude::*;
use std::collections::HashSet;
use tokenizers::Model;

const WHO: &str = "audit";

/// Difficult text: combining marks, emoji, mixed scripts, white space.
const STUMBLES: [&str; 6] = [
    "  Hello  world,\n\n\tit's 1234.50€ and \u{3000}wide ",
    "为了保护专利权人的合法权益，鼓励发明创造。",
    "Größe naïve e\u{301} — “quoted” Ⅳ ½",
    "👩\u{200d}👩\u{200d}👧 🇩🇪 한국어 日本語 हिन्दी ไทย عربي",
    "\u{0}\u{1}\u{7f}\r\n\u{10ffff}",
    "x<|y|>[Z]{1}\\n",
];

/// Measurements on texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audit {
    pub before: usize,
    pub after: usize,
    /// New tokens that are reachable from their own text (the audit fails unless all are).
    pub reachable: usize,
    /// New tokens that occur in the texts.
    pub used: usize,
    pub bytes: usize,
    pub tokens_before: usize,
    pub tokens_after: usize,
    /// Occurrences of new tokens, and how many of them begin or end inside a word of a script with spaces.
    pub hits: usize,
    pub hits_inside: usize,
    /// Texts that the old tokenizer does not round-trip either, as with WordPiece.
    pub lossy: usize,
    pub general_before: usize,
    pub general_after: usize,
}

/// One text: tokens before and after, its new tokens, occurrences inside words, and whether it was lossy before.
struct TextAudit {
    before: usize,
    after: usize,
    fresh: Vec<u32>,
    inside: usize,
    lossy: bool,
}

impl Tokenizer {
    /// Checks that need no texts: unchanged old ids and special tokens, reachable new tokens, and the round trip of difficult
    /// text.
    pub(super) fn check_against(&self, old: &Tokenizer) -> Result<()> {
        let replaced: &[u32] = self.extension().map(|extension| extension.replaced.as_slice()).unwrap_or_default();
        let replaced: HashSet<usize> = replaced.iter().map(|id| *id as usize).collect();
        let moved = |id: &usize| self.tokens().get(*id) != Some(&old.tokens()[*id]) && !replaced.contains(id);
        if let Some(id) = (0..old.len()).find(moved) {
            let now = self.token(id as u32).unwrap_or_default();
            bail!(WHO, "the id {id} was `{}` and is now `{now}`", old.tokens()[id]);
        }
        if let Some(id) = old.specials().into_iter().find(|id| !self.is_special(*id)) {
            bail!(WHO, "`{}` (id {id}) was special and is not any more", old.tokens()[id as usize]);
        }
        if let Some(hole) = self.tokens().iter().position(|token| token.is_empty()) {
            bail!(WHO, "the ids are not contiguous: {hole} is missing");
        }
        let fresh: Vec<usize> = (0..self.len()).filter(|id| *id >= old.len() || replaced.contains(id)).collect();
        let dead: Vec<&str> =
            fresh.par_iter().filter(|id| !self.reaches(**id)).map(|id| self.tokens()[*id].as_str()).collect();
        if let Some(first) = dead.first() {
            let error = Error::new(WHO, format!("{} new tokens can never be written, as `{first}`", dead.len()));
            return Err(error.help("older merges take their letters first; let `continue_bpe` propose the merges"));
        }
        let shown = fresh.iter().map(|id| readable(&self.tokens()[*id]));
        let texts: Vec<String> = STUMBLES.iter().map(|text| text.to_string()).chain(shown).collect();
        self.batch(&texts, |text| self.look(old, text)).map(|_| ())
    }

    /// Whether the model merges this token from its own letters, or matches it as an added token.
    pub(super) fn reaches(&self, id: usize) -> bool {
        let token = &self.tokens()[id];
        let id = id as u32;
        if self.is_special(id) {
            return true;
        }
        if self.engine().get_added_tokens_decoder().contains_key(&id) {
            return self.ids(token, false).is_ok_and(|ids| ids.contains(&id));
        }
        self.engine().get_model().tokenize(token).is_ok_and(|tokens| tokens.len() == 1 && tokens[0].id == id)
    }

    /// Compares with the tokenizer that this one extends. Every text must decode to itself, byte for byte, if it did so before.
    /// `general` is text from outside the domain.
    pub fn audit<S: AsRef<str> + Sync>(&self, old: &Tokenizer, texts: &[S], general: &[S]) -> Result<Audit> {
        self.check_against(old)?;
        let looks = self.batch(texts, |text| self.look(old, text))?;
        let mut used = vec![false; self.len()];
        let mut audit =
            Audit { before: old.len(), after: self.len(), reachable: self.new_ids(old).len(), ..Audit::default() };
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

    fn look(&self, old: &Tokenizer, text: &str) -> Result<TextAudit> {
        let before = old.ids(text, false)?;
        let encoding = self.encode(text, false)?;
        let lossy = old.decode(&before, false)? != text;
        let back = self.decode(&encoding.ids, false)?;
        if !lossy && back != text {
            let at = back.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
            let place: String = text[floor(text, at.saturating_sub(20))..].chars().take(40).collect();
            bail!(WHO, "a text does not decode to itself, from byte {at}: …{place}…");
        }
        let replaced: &[u32] = self.extension().map(|extension| extension.replaced.as_slice()).unwrap_or_default();
        let new = |id: u32| id as usize >= old.len() || replaced.binary_search(&id).is_ok();
        let fresh: Vec<usize> = (0..encoding.ids.len()).filter(|at| new(encoding.ids[*at])).collect();
        let inside = fresh.iter().filter(|at| inside(text, &encoding, **at)).count();
        let fresh = fresh.into_iter().map(|at| encoding.ids[at]).collect();
        Ok(TextAudit { before: before.len(), after: encoding.ids.len(), fresh, inside, lossy })
    }
}

/// Whether one end of a token is between two letters of a script with spaces.
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
