//! New pieces for an old tokenizer: old ids stay, special pieces stay where they are, and what is wrong is an error.

use crate::token::continued::Limits;
use crate::token::engine::{self, told};
use crate::token::grow::Proposal;
use crate::token::{Growth, Kind, Tokenizer, alphabet, script, words};
use crate::{Error, Result, bail};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use tokenizers::Model;
use tokenizers::models::ModelWrapper;

const WHO: &str = "extend";

/// How words become pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// As the model does it best: BPE by merges, or whole where it looks words up first; the others whole.
    #[default]
    Usual,
    /// BPE over nothing but these words, with the pieces in between.
    Merges,
    /// One entry each, which BPE takes when it is the whole of a word.
    Whole,
    /// Added tokens: found before all else, anywhere, and never split.
    Symbols,
}

impl How {
    pub fn named(name: &str) -> Result<How> {
        Ok(match name {
            "usual" => How::Usual,
            "merges" => How::Merges,
            "whole" => How::Whole,
            "symbols" => How::Symbols,
            other => bail!(WHO, "`how` is `{other}`, not one of usual, merges, whole, symbols"),
        })
    }
}

/// A new piece, and for Unigram its score.
pub struct Entry {
    piece: String,
    score: f64,
}

/// An extension before it is made.
pub struct Plan {
    pub entries: Vec<Entry>,
    pub merges: Vec<(String, String)>,
    pub growth: Growth,
    /// Words are looked up before they are merged.
    whole: bool,
    /// The entries are added tokens.
    symbols: bool,
}

impl Plan {
    fn new(pieces: Vec<String>, growth: Growth) -> Plan {
        let entries = pieces.into_iter().map(|piece| Entry { piece, score: 0.0 }).collect();
        Plan { entries, merges: Vec::new(), growth, whole: false, symbols: false }
    }
}

impl Tokenizer {
    /// Appends what continued BPE proposes: a piece for each merge, and single characters that were lacking.
    pub fn extend_by_merges(&self, proposal: &Proposal) -> Result<Tokenizer> {
        self.append(self.plan_merges(proposal)?)
    }

    /// Makes each word one piece. In byte-level BPE a word of a script that is written with spaces gets two: as it
    /// stands after a space, and as it stands alone. What cannot be or already is one piece is skipped, and told.
    pub fn extend_by_words<S: AsRef<str>>(&self, list: &[S], how: How) -> Result<Tokenizer> {
        self.append(self.plan_words(list, how)?)
    }

    /// Like [`Tokenizer::extend_by_merges`], at the ids of pieces that the counted texts never use.
    pub fn replace_by_merges(&self, proposal: &Proposal, counter: words::Counter) -> Result<Tokenizer> {
        self.replace(self.plan_merges(proposal)?, counter)
    }

    /// Like [`Tokenizer::extend_by_words`], at the ids of pieces that neither the counted texts nor the words use.
    pub fn replace_by_words<S: AsRef<str> + Sync>(
        &self,
        list: &[S],
        how: How,
        mut counter: words::Counter,
    ) -> Result<Tokenizer> {
        if counter.is_empty() {
            return Err(Error::new(
                "replace",
                "there are no words in the texts: nothing says which pieces are not used",
            ));
        }
        let plan = self.plan_words(list, how)?;
        let mut forms: Vec<String> = list.iter().map(|word| word.as_ref().to_string()).collect();
        forms.extend(list.iter().map(|word| format!(" {}", word.as_ref())));
        counter.add(&forms)?;
        self.replace(plan, counter)
    }

    fn plan_merges(&self, proposal: &Proposal) -> Result<Plan> {
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
        Ok(Plan { merges: proposal.merges.clone(), ..Plan::new(order, growth) })
    }

    fn plan_words<S: AsRef<str>>(&self, list: &[S], how: How) -> Result<Plan> {
        if list.is_empty() {
            return Err(Error::new(WHO, "the list of words is empty"));
        }
        list.iter().try_for_each(|word| check_word(word.as_ref()))?;
        let mut growth = Growth { before: self.len(), ..Growth::default() };
        if how == How::Symbols {
            return Ok(self.plan_symbols(list, growth));
        }
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        let mut order = Vec::new();
        for word in list.iter().map(AsRef::as_ref) {
            match self.forms(word)? {
                Ok(forms) => {
                    let fresh: Vec<String> = forms.into_iter().filter(|form| wanted.insert(form.clone())).collect();
                    if fresh.is_empty() {
                        let why = "to this tokenizer it is the same as a word before it";
                        growth.skipped.push((word.to_string(), why.to_string()));
                    }
                    order.extend(fresh);
                }
                Err(why) => growth.skipped.push((word.to_string(), why)),
            }
        }
        match (self.kind(), how) {
            (Kind::ByteLevel | Kind::ByteFallback | Kind::Bpe, How::Whole) => self.plan_whole(order, growth),
            (Kind::ByteLevel | Kind::ByteFallback | Kind::Bpe, How::Usual) if self.looks_up() => {
                // of running text no piece is the whole of a word: it has to be merged
                let spaced = |form: &String| script::is_spaced(crate::token::readable(form).trim_start());
                let (whole, running): (Vec<String>, Vec<String>) = order.into_iter().partition(spaced);
                let mut plan = self.join_words(running, growth)?;
                plan.entries.extend(Plan::new(whole, Growth::default()).entries);
                Ok(plan)
            }
            (Kind::ByteLevel | Kind::ByteFallback | Kind::Bpe, _) => self.join_words(order, growth),
            (kind, How::Merges) => {
                let error = Error::new(WHO, format!("merges are of BPE; this tokenizer is of the kind {kind}"));
                Err(error.help("leave `how` out: here each word is one entry"))
            }
            (Kind::Unigram, _) => Ok(Plan { entries: self.scored(order)?, ..Plan::new(Vec::new(), growth) }),
            _ => Ok(Plan::new(order, growth)),
        }
    }

    fn plan_symbols<S: AsRef<str>>(&self, list: &[S], mut growth: Growth) -> Plan {
        let mut fresh: Vec<String> = Vec::new();
        let mut known: HashSet<&str> = HashSet::new();
        for word in list.iter().map(AsRef::as_ref) {
            if self.id(word).is_some() {
                growth.skipped.push((word.to_string(), "a piece is written like this already".into()));
            } else if !known.insert(word) {
                growth.skipped.push((word.to_string(), "it is there twice".into()));
            } else {
                fresh.push(word.to_string());
            }
        }
        Plan { symbols: true, ..Plan::new(fresh, growth) }
    }

    /// Entries without merges, and words looked up before they are merged. Old pieces that no merge reaches can be
    /// written from then on: they are counted.
    fn plan_whole(&self, order: Vec<String>, mut growth: Growth) -> Result<Plan> {
        if !self.looks_up() {
            let asleep = |id: &usize| !self.pieces()[*id].is_empty() && !self.reaches(*id);
            growth.awakened = (0..self.len()).into_par_iter().filter(asleep).count();
        }
        Ok(Plan { whole: true, ..Plan::new(order, growth) })
    }

    /// Whether its BPE takes a word that is a piece as it is, as Llama 3's.
    fn looks_up(&self) -> bool {
        matches!(self.engine().get_model(), ModelWrapper::BPE(bpe) if bpe.ignore_merges)
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
    fn join_words(&self, order: Vec<String>, mut growth: Growth) -> Result<Plan> {
        let limits = Limits { count: usize::MAX, least: 1, longest: usize::MAX };
        let proposal = self.continue_on(words::Counted::once(&order), &limits)?;
        let made: HashSet<&String> = proposal.pieces.iter().collect();
        for form in order.iter().filter(|form| !made.contains(form)) {
            growth.skipped.push((form.clone(), "its parts meet only in pieces that are there already".to_string()));
        }
        let wanted: HashSet<&String> = order.iter().collect();
        growth.intermediate = proposal.pieces.iter().filter(|piece| !wanted.contains(piece)).count();
        Ok(Plan { merges: proposal.merges, ..Plan::new(proposal.pieces, growth) })
    }

    /// Pieces that are a little likelier than the pieces that they were written with, so that they are preferred.
    fn scored(&self, pieces: Vec<String>) -> Result<Vec<Entry>> {
        const PREFERRED: f64 = 0.5;
        let spec = serde_json::to_value(self.engine().get_model()).map_err(told)?;
        let scores = spec["vocab"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lowest = scores.iter().filter_map(|row| row[1].as_f64()).fold(0.0, f64::min);
        let unknown = self.unk();
        let score = |id: u32| match scores.get(id as usize).and_then(|row| row[1].as_f64()) {
            Some(score) if Some(id) != unknown => score,
            _ => lowest,
        };
        let entry = |piece: String| {
            let tokens = self.engine().get_model().tokenize(&piece).map_err(told)?;
            let sum: f64 = tokens.iter().map(|token| score(token.id)).sum();
            Ok(Entry { piece, score: sum + PREFERRED })
        };
        pieces.into_iter().map(entry).collect()
    }

    /// New ids after the old.
    fn append(&self, plan: Plan) -> Result<Tokenizer> {
        self.appended(engine::describe(self.engine())?, plan)
    }

    /// The one place where a vocabulary grows: into the ids that `spec` has free, then after the last.
    pub(super) fn appended(&self, mut spec: Value, plan: Plan) -> Result<Tokenizer> {
        if let Some(hole) = self.pieces().iter().position(|piece| piece.is_empty()) {
            bail!(WHO, "the ids of this tokenizer are not contiguous: {hole} is missing");
        }
        let mut fresh = HashSet::new();
        for entry in &plan.entries {
            if let Some(id) = self.id(&entry.piece) {
                bail!(WHO, "the piece `{}` is there already, with the id {id}", entry.piece);
            }
            if !fresh.insert(&entry.piece) {
                bail!(WHO, "the piece `{}` is there twice", entry.piece);
            }
        }
        let ids: Vec<u32> =
            plan.growth.replaced.iter().copied().chain(self.len() as u32..).take(plan.entries.len()).collect();
        match &mut spec["model"]["vocab"] {
            Value::Object(vocab) => {
                for (entry, id) in plan.entries.iter().zip(&ids) {
                    vocab.insert(entry.piece.clone(), json!(id));
                }
            }
            Value::Array(rows) => {
                let held = rows.len() + plan.growth.replaced.len();
                if held != self.len() {
                    bail!(
                        WHO,
                        "added tokens of this Unigram model lie outside its vocabulary ({held} pieces, {} ids)",
                        self.len()
                    );
                }
                let lowest = rows.iter().filter_map(|row| row[1].as_f64()).fold(0.0, f64::min);
                for (entry, id) in plan.entries.iter().zip(&ids) {
                    // a symbol is found before: to the model it is no better than anything
                    let score = if plan.symbols { lowest } else { entry.score };
                    rows.insert(*id as usize, json!([entry.piece, score]));
                }
            }
            _ => bail!(WHO, "this kind of tokenizer cannot be extended"),
        }
        if let Some(list) = spec["model"]["merges"].as_array_mut() {
            list.extend(plan.merges.iter().map(|(left, right)| json!([left, right])));
        }
        if plan.whole {
            spec["model"]["ignore_merges"] = json!(true);
        }
        if plan.symbols {
            let token = |(entry, id): (&Entry, &u32)| {
                json!({
                    "id": id, "content": entry.piece, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": false,
                })
            };
            let tokens = plan.entries.iter().zip(&ids).map(token);
            match spec["added_tokens"].as_array_mut() {
                Some(list) => list.extend(tokens),
                None => spec["added_tokens"] = tokens.collect(),
            }
        }
        let grown = self.rebuilt(engine::build(spec)?, plan.growth);
        match grown.check_against(self) {
            Ok(()) => Ok(grown),
            Err(error) if plan.symbols && self.kind() != Kind::ByteLevel => Err(error.help(
                "to this tokenizer each stretch of text begins with a space, after a symbol too: leave `how` out",
            )),
            Err(error) => Err(error),
        }
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
