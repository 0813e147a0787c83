//! New pieces for an old tokenizer: old ids stay, special pieces stay where they are, and what is wrong is an error.

use crate::token::continued::Limits;
use crate::token::engine::{self, told};
use crate::token::grow::Proposal;
use crate::token::{Kind, Tokenizer, alphabet, script, words};
use crate::{Error, Result, bail};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use tokenizers::Model;

const WHO: &str = "extend";

/// What an extension did beside adding pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Growth {
    /// How many pieces there were before: new ids begin here.
    pub before: usize,
    /// Pieces that only help to make others.
    pub intermediate: usize,
    /// Words that were left out, and why.
    pub skipped: Vec<(String, String)>,
}

/// A new piece, and for Unigram its score.
struct Entry {
    piece: String,
    score: f64,
}

impl Tokenizer {
    /// Appends what continued BPE proposes: a piece for each merge, and single characters that were lacking.
    pub fn extend_by_merges(&self, proposal: &Proposal) -> Result<Tokenizer> {
        self.need_bpe(WHO)?;
        if proposal.merges.is_empty() && proposal.pieces.is_empty() {
            return Err(Error::new(WHO, "there is nothing to extend by: no merges"));
        }
        let mut made: HashSet<String> = HashSet::new();
        let wholes: HashSet<String> = proposal.merges.iter().map(|(left, right)| format!("{left}{right}")).collect();
        let singles: Vec<&String> = proposal.pieces.iter().filter(|piece| !wholes.contains(*piece)).collect();
        if let Some(long) = singles.iter().find(|piece| piece.chars().count() != 1) {
            bail!(WHO, "no merge makes the piece `{long}`");
        }
        made.extend(singles.iter().map(|piece| piece.to_string()));
        for (rank, (left, right)) in proposal.merges.iter().enumerate() {
            if let Some(unknown) =
                [left, right].into_iter().find(|half| self.id(half).is_none() && !made.contains(*half))
            {
                bail!(
                    WHO,
                    "merge {rank} (`{left}` + `{right}`) names the piece `{unknown}`, which is not there before it"
                );
            }
            if !made.insert(format!("{left}{right}")) {
                bail!(WHO, "two merges make the piece `{left}{right}`");
            }
        }
        let order = match proposal.pieces.is_empty() {
            true => proposal.merges.iter().map(|(left, right)| format!("{left}{right}")).collect(),
            false => proposal.pieces.clone(),
        };
        let growth = Growth { before: self.len(), ..Growth::default() };
        let entries = order.into_iter().map(|piece| Entry { piece, score: 0.0 }).collect();
        self.append(entries, &proposal.merges, growth)
    }

    /// Makes each word one piece. In byte-level BPE a word of a script that is written with spaces gets two: as it
    /// stands after a space, and as it stands alone. What cannot be or already is one piece is skipped, and told.
    pub fn extend_by_words<S: AsRef<str>>(&self, list: &[S]) -> Result<Tokenizer> {
        if list.is_empty() {
            return Err(Error::new(WHO, "the list of words is empty"));
        }
        let mut growth = Growth { before: self.len(), ..Growth::default() };
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        let mut order = Vec::new();
        for word in list.iter().map(AsRef::as_ref) {
            check_word(word)?;
            match self.forms(word)? {
                Ok(forms) => order.extend(forms.into_iter().filter(|form| wanted.insert(form.clone()))),
                Err(why) => growth.skipped.push((word.to_string(), why)),
            }
        }
        match self.kind() {
            Kind::ByteLevel | Kind::ByteFallback | Kind::Bpe => self.join_words(order, growth),
            Kind::Unigram => {
                let entries = order.into_iter().map(|piece| self.scored(piece)).collect::<Result<_>>()?;
                self.append(entries, &[], growth)
            }
            Kind::WordPiece | Kind::WordLevel => {
                let entries = order.into_iter().map(|piece| Entry { piece, score: 0.0 }).collect();
                self.append(entries, &[], growth)
            }
        }
    }

    /// The forms in which a word reaches the model and that are not one piece yet, or why there is none.
    fn forms(&self, word: &str) -> Result<std::result::Result<Vec<String>, String>> {
        let found = words::of_text(self, word)?;
        let [form] = found.as_slice() else {
            let parts = found.join(" | ");
            return Ok(Err(format!("it is {} words to this tokenizer: {parts}", found.len())));
        };
        let mut forms = vec![form.clone()];
        let spaced = script::is_spaced(word);
        match self.kind() {
            Kind::ByteLevel if spaced => forms.insert(0, format!("{}{form}", alphabet::spell(" "))),
            Kind::ByteFallback | Kind::Unigram if !spaced => forms = vec![form.trim_start_matches('▁').to_string()],
            _ => {}
        }
        forms.retain(|form| !self.is_whole(form));
        Ok(if forms.is_empty() { Err("it is one piece already".to_string()) } else { Ok(forms) })
    }

    fn is_whole(&self, form: &str) -> bool {
        self.engine()
            .get_model()
            .tokenize(form)
            .is_ok_and(|tokens| tokens.len() == 1 && self.id(form) == Some(tokens[0].id))
    }

    /// BPE over nothing but these words, until each is one piece.
    fn join_words(&self, order: Vec<String>, mut growth: Growth) -> Result<Tokenizer> {
        let counted: Vec<(String, u64)> = order.iter().map(|form| (form.clone(), 1)).collect();
        let limits = Limits { count: usize::MAX, least: 1, longest: usize::MAX };
        let proposal = self.continue_on(&counted, &limits)?;
        let made: HashSet<&String> = proposal.pieces.iter().collect();
        for form in order.iter().filter(|form| !made.contains(form)) {
            growth.skipped.push((form.clone(), "its parts meet only in pieces that are there already".to_string()));
        }
        let wanted: HashSet<&String> = order.iter().collect();
        growth.intermediate = proposal.pieces.iter().filter(|piece| !wanted.contains(piece)).count();
        let entries = proposal.pieces.iter().map(|piece| Entry { piece: piece.clone(), score: 0.0 }).collect();
        self.append(entries, &proposal.merges, growth)
    }

    /// A piece that is a little likelier than the pieces that it was written with, so that it is preferred.
    fn scored(&self, piece: String) -> Result<Entry> {
        const PREFERRED: f64 = 0.5;
        let spec = serde_json::to_value(self.engine().get_model()).map_err(told)?;
        let scores = spec["vocab"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lowest = scores.iter().filter_map(|row| row[1].as_f64()).fold(0.0, f64::min);
        let tokens = self.engine().get_model().tokenize(&piece).map_err(told)?;
        let unknown = self.unk();
        let score = |id: u32| match scores.get(id as usize).and_then(|row| row[1].as_f64()) {
            Some(score) if Some(id) != unknown => score,
            _ => lowest,
        };
        let sum: f64 = tokens.iter().map(|token| score(token.id)).sum();
        Ok(Entry { piece, score: sum + PREFERRED })
    }

    /// The one place where a vocabulary grows.
    fn append(&self, entries: Vec<Entry>, merges: &[(String, String)], growth: Growth) -> Result<Tokenizer> {
        if let Some(hole) = self.pieces().iter().position(|piece| piece.is_empty()) {
            bail!(WHO, "the ids of this tokenizer are not contiguous: {hole} is missing");
        }
        let mut fresh = HashSet::new();
        for entry in &entries {
            if let Some(id) = self.id(&entry.piece) {
                bail!(WHO, "the piece `{}` is there already, with the id {id}", entry.piece);
            }
            if !fresh.insert(&entry.piece) {
                bail!(WHO, "the piece `{}` is there twice", entry.piece);
            }
        }
        let mut spec = engine::describe(self.engine())?;
        let mut next = self.len();
        let pieces = self.pieces().to_vec();
        match &mut spec["model"]["vocab"] {
            Value::Object(vocab) => {
                for entry in &entries {
                    vocab.insert(entry.piece.clone(), json!(next));
                    next += 1;
                }
            }
            Value::Array(rows) => {
                if rows.len() != pieces.len() {
                    bail!(
                        WHO,
                        "added tokens of this Unigram model lie outside its vocabulary ({} pieces, {} ids)",
                        rows.len(),
                        pieces.len()
                    );
                }
                rows.extend(entries.iter().map(|entry| json!([entry.piece, entry.score])));
            }
            _ => bail!(WHO, "this kind of tokenizer cannot be extended"),
        }
        if let Some(list) = spec["model"]["merges"].as_array_mut() {
            list.extend(merges.iter().map(|(left, right)| json!([left, right])));
        }
        let grown = self.rebuilt(engine::build(spec)?, growth);
        grown.check_against(self)?;
        Ok(grown)
    }
}

fn check_word(word: &str) -> Result<()> {
    if word.trim().is_empty() {
        bail!(WHO, "a word is empty");
    }
    if let Some(control) = word.chars().find(|character| character.is_control()) {
        return Err(Error::new(WHO, format!("the word {word:?} holds the control character {control:?}"))
            .help("clean the list first: a word is one line without tabs"));
    }
    Ok(())
}
