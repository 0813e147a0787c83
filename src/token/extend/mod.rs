//! Adds tokens to an existing tokenizer: old ids and special tokens are unchanged, and violations are errors.

mod audit;
pub mod extension_info;
mod split_tokens;
mod subtokens;
mod trim;
mod whole_words;

pub use audit::Audit;
pub use extension_info::ExtensionInfo;
pub use split_tokens::{SubtokenRows, split_tokens};
pub use whole_words::SpelledWord;

use crate::token::bpe::Proposal;
use crate::token::bpe::bpe_train::MergeLimits;
use crate::token::engine::{self, told};
use crate::token::{Tokenizer, TokenizerKind, alphabet, script, words};
use crate::{Error, Result, bail};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use tokenizers::Model;
use tokenizers::models::ModelWrapper;

const WHO: &str = "extend";

/// The method of making words tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtendMethod {
    /// `WholeWords` for scripts with spaces if the model looks words up first, and for models other than BPE; otherwise `Merges`.
    #[default]
    Auto,
    /// BPE on these words alone, with intermediate tokens.
    Merges,
    /// One entry each, which BPE matches as a whole word.
    WholeWords,
    /// Added tokens: matched before everything else, anywhere, never split.
    AddedTokens,
}

/// Names of the methods.
pub const EXTEND_METHODS: [&str; 4] = ["auto", "merges", "whole_words", "added_tokens"];

impl ExtendMethod {
    pub fn named(name: &str) -> Result<ExtendMethod> {
        Ok(match name {
            "auto" => ExtendMethod::Auto,
            "merges" => ExtendMethod::Merges,
            "whole_words" => ExtendMethod::WholeWords,
            "added_tokens" => ExtendMethod::AddedTokens,
            other => return Err(Error::unknown(WHO, "method", other, EXTEND_METHODS)),
        })
    }
}

/// A new token, with its score for Unigram.
pub struct ExtensionEntry {
    token: String,
    score: f64,
}

/// A planned extension.
pub struct ExtensionPlan {
    pub entries: Vec<ExtensionEntry>,
    pub merges: Vec<(String, String)>,
    pub extension: ExtensionInfo,
    /// Whether words are looked up before merging.
    whole: bool,
    /// Whether the entries are added tokens.
    symbols: bool,
}

impl ExtensionPlan {
    fn new(tokens: Vec<String>, extension: ExtensionInfo) -> ExtensionPlan {
        let entries = tokens.into_iter().map(|token| ExtensionEntry { token, score: 0.0 }).collect();
        ExtensionPlan { entries, merges: Vec::new(), extension, whole: false, symbols: false }
    }
}

impl Tokenizer {
    /// Appends a proposal of continued BPE: a token for each merge, and the missing single characters.
    pub fn extend_by_merges(&self, proposal: &Proposal) -> Result<Tokenizer> {
        self.append(self.plan_merges(proposal)?)
    }

    /// Makes each word one token. In byte-level BPE a word of a script with spaces becomes two tokens, with and without a
    /// preceding space. A word that cannot be one token, or already is, is skipped with the reason.
    pub fn extend_by_words<S: AsRef<str>>(&self, list: &[S], method: ExtendMethod) -> Result<Tokenizer> {
        self.append(self.plan_words(list, method)?)
    }

    /// Like [`Tokenizer::extend_by_merges`], reusing the ids of tokens that the counted texts never use.
    pub fn replace_by_merges(&self, proposal: &Proposal, counter: words::Counter) -> Result<Tokenizer> {
        self.replace(self.plan_merges(proposal)?, counter)
    }

    /// Like [`Tokenizer::extend_by_words`], reusing the ids of tokens that neither the counted texts nor the words use.
    pub fn replace_by_words<S: AsRef<str> + Sync>(
        &self,
        list: &[S],
        method: ExtendMethod,
        mut counter: words::Counter,
    ) -> Result<Tokenizer> {
        if counter.is_empty() {
            return Err(Error::new(
                "replace",
                "there are no words in the texts: nothing says which tokens are not used",
            ));
        }
        let plan = self.plan_words(list, method)?;
        let mut forms: Vec<String> = list.iter().map(|word| word.as_ref().to_string()).collect();
        forms.extend(list.iter().map(|word| format!(" {}", word.as_ref())));
        counter.add(&forms)?;
        self.replace(plan, counter)
    }

    fn plan_merges(&self, proposal: &Proposal) -> Result<ExtensionPlan> {
        self.need_bpe(WHO)?;
        if proposal.merges.is_empty() && proposal.tokens.is_empty() {
            return Err(Error::new(WHO, "there is nothing to extend by: no merges"));
        }
        let mut made: HashSet<String> = HashSet::new();
        let wholes: HashSet<String> = proposal.merges.iter().map(|(left, right)| format!("{left}{right}")).collect();
        let singles: Vec<&String> = proposal.tokens.iter().filter(|token| !wholes.contains(*token)).collect();
        if let Some(long) = singles.iter().find(|token| token.chars().count() != 1) {
            bail!(WHO, "no merge makes the token `{long}`");
        }
        made.extend(singles.iter().map(|token| token.to_string()));
        for (rank, (left, right)) in proposal.merges.iter().enumerate() {
            if let Some(unknown) =
                [left, right].into_iter().find(|half| self.id(half).is_none() && !made.contains(*half))
            {
                bail!(
                    WHO,
                    "merge {rank} (`{left}` + `{right}`) names the token `{unknown}`, which is not there before it"
                );
            }
            if !made.insert(format!("{left}{right}")) {
                bail!(WHO, "two merges make the token `{left}{right}`");
            }
        }
        let order = match proposal.tokens.is_empty() {
            true => proposal.merges.iter().map(|(left, right)| format!("{left}{right}")).collect(),
            false => proposal.tokens.clone(),
        };
        let extension = ExtensionInfo { before: self.len(), ..ExtensionInfo::default() };
        Ok(ExtensionPlan { merges: proposal.merges.clone(), ..ExtensionPlan::new(order, extension) })
    }

    fn plan_words<S: AsRef<str>>(&self, list: &[S], method: ExtendMethod) -> Result<ExtensionPlan> {
        if list.is_empty() {
            return Err(Error::new(WHO, "the list of words is empty"));
        }
        list.iter().try_for_each(|word| check_word(word.as_ref()))?;
        let mut extension = ExtensionInfo { before: self.len(), ..ExtensionInfo::default() };
        if method == ExtendMethod::AddedTokens {
            return Ok(self.plan_symbols(list, extension));
        }
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        let mut order = Vec::new();
        for word in list.iter().map(AsRef::as_ref) {
            match self.forms(word)? {
                Ok(forms) => {
                    let fresh: Vec<String> = forms.into_iter().filter(|form| wanted.insert(form.clone())).collect();
                    if fresh.is_empty() {
                        let why = "to this tokenizer it is the same as a word before it";
                        extension.skipped.push((word.to_string(), why.to_string()));
                    }
                    order.extend(fresh);
                }
                Err(why) => extension.skipped.push((word.to_string(), why)),
            }
        }
        match (self.kind(), method) {
            (TokenizerKind::ByteLevel | TokenizerKind::ByteFallback | TokenizerKind::Bpe, ExtendMethod::WholeWords) => {
                self.plan_whole(order, extension)
            }
            (TokenizerKind::ByteLevel | TokenizerKind::ByteFallback | TokenizerKind::Bpe, ExtendMethod::Auto)
                if self.looks_up() =>
            {
                // in running text such a token is never a whole word: it must be merged
                let spaced = |form: &String| script::is_spaced(crate::token::readable(form).trim_start());
                let (whole, running): (Vec<String>, Vec<String>) = order.into_iter().partition(spaced);
                let mut plan = self.join_words(running, extension)?;
                plan.entries.extend(ExtensionPlan::new(whole, ExtensionInfo::default()).entries);
                Ok(plan)
            }
            (TokenizerKind::ByteLevel | TokenizerKind::ByteFallback | TokenizerKind::Bpe, _) => {
                self.join_words(order, extension)
            }
            (kind, ExtendMethod::Merges) => {
                let error = Error::new(WHO, format!("only BPE has merges; this tokenizer is {kind}"));
                Err(error.help("leave `how` out: here each word is one entry"))
            }
            (TokenizerKind::Unigram, _) => {
                Ok(ExtensionPlan { entries: self.scored(order)?, ..ExtensionPlan::new(Vec::new(), extension) })
            }
            _ => Ok(ExtensionPlan::new(order, extension)),
        }
    }

    fn plan_symbols<S: AsRef<str>>(&self, list: &[S], mut extension: ExtensionInfo) -> ExtensionPlan {
        let mut fresh: Vec<String> = Vec::new();
        let mut known: HashSet<&str> = HashSet::new();
        for word in list.iter().map(AsRef::as_ref) {
            if self.id(word).is_some() {
                extension.skipped.push((word.to_string(), "a token is written like this already".into()));
            } else if !known.insert(word) {
                extension.skipped.push((word.to_string(), "it is there twice".into()));
            } else {
                fresh.push(word.to_string());
            }
        }
        ExtensionPlan { symbols: true, ..ExtensionPlan::new(fresh, extension) }
    }

    /// Entries without merges, with words looked up before merging. Old tokens that no merge reached become reachable, and are
    /// counted.
    fn plan_whole(&self, order: Vec<String>, mut extension: ExtensionInfo) -> Result<ExtensionPlan> {
        if !self.looks_up() {
            let asleep = |id: &usize| !self.tokens()[*id].is_empty() && !self.reaches(*id);
            extension.awakened = (0..self.len()).into_par_iter().filter(asleep).count();
        }
        Ok(ExtensionPlan { whole: true, ..ExtensionPlan::new(order, extension) })
    }

    /// Whether its BPE uses a word that is a token as a whole, as in Llama 3 (`ignore_merges`).
    pub fn looks_up(&self) -> bool {
        matches!(self.engine().get_model(), ModelWrapper::BPE(bpe) if bpe.ignore_merges)
    }

    /// The forms in which a word reaches the model and that are not yet one token, or why there are none.
    fn forms(&self, word: &str) -> Result<std::result::Result<Vec<String>, String>> {
        let found = words::of_text(self, word)?;
        let [form] = found.as_slice() else {
            let parts = found.join(" | ");
            return Ok(Err(format!("it is {} words to this tokenizer: {parts}", found.len())));
        };
        let mut forms = vec![form.clone()];
        let spaced = script::is_spaced(word);
        match self.kind() {
            TokenizerKind::ByteLevel if spaced => forms.insert(0, format!("{}{form}", alphabet::spell(" "))),
            TokenizerKind::ByteFallback | TokenizerKind::Unigram if !spaced => {
                forms = vec![form.trim_start_matches('▁').to_string()]
            }
            _ => {}
        }
        forms.retain(|form| !self.is_whole(form));
        Ok(if forms.is_empty() { Err("it is one token already".to_string()) } else { Ok(forms) })
    }

    fn is_whole(&self, form: &str) -> bool {
        self.engine()
            .get_model()
            .tokenize(form)
            .is_ok_and(|tokens| tokens.len() == 1 && self.id(form) == Some(tokens[0].id))
    }

    /// BPE on these words alone, until each is one token.
    fn join_words(&self, order: Vec<String>, mut extension: ExtensionInfo) -> Result<ExtensionPlan> {
        let limits = MergeLimits { count: usize::MAX, min_frequency: 1, max_token_length: usize::MAX };
        let proposal = self.continue_on(words::CountedWords::once(&order), &limits)?;
        let made: HashSet<&String> = proposal.tokens.iter().collect();
        for form in order.iter().filter(|form| !made.contains(form)) {
            extension.skipped.push((form.clone(), "its parts meet only in tokens that are there already".to_string()));
        }
        let wanted: HashSet<&String> = order.iter().collect();
        extension.intermediate = proposal.tokens.iter().filter(|token| !wanted.contains(token)).count();
        Ok(ExtensionPlan { merges: proposal.merges, ..ExtensionPlan::new(proposal.tokens, extension) })
    }

    /// Scores tokens slightly higher than the subtokens that they replace, so that they are preferred.
    fn scored(&self, tokens: Vec<String>) -> Result<Vec<ExtensionEntry>> {
        const PREFERRED: f64 = 0.5;
        let spec = serde_json::to_value(self.engine().get_model()).map_err(told)?;
        let scores = spec["vocab"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lowest = scores.iter().filter_map(|row| row[1].as_f64()).fold(0.0, f64::min);
        let unknown = self.unk();
        let score = |id: u32| match scores.get(id as usize).and_then(|row| row[1].as_f64()) {
            Some(score) if Some(id) != unknown => score,
            _ => lowest,
        };
        let entry = |token: String| {
            let tokens = self.engine().get_model().tokenize(&token).map_err(told)?;
            let sum: f64 = tokens.iter().map(|token| score(token.id)).sum();
            Ok(ExtensionEntry { token, score: sum + PREFERRED })
        };
        tokens.into_iter().map(entry).collect()
    }

    /// Appends new ids after the old ones.
    fn append(&self, plan: ExtensionPlan) -> Result<Tokenizer> {
        self.appended(engine::describe(self.engine())?, plan)
    }

    /// The only place where a vocabulary grows: first into the free ids of `spec`, then after the last.
    pub(super) fn appended(&self, mut spec: Value, plan: ExtensionPlan) -> Result<Tokenizer> {
        if let Some(hole) = self.tokens().iter().position(|token| token.is_empty()) {
            bail!(WHO, "the ids of this tokenizer are not contiguous: {hole} is missing");
        }
        let mut fresh = HashSet::new();
        for entry in &plan.entries {
            if let Some(id) = self.id(&entry.token) {
                bail!(WHO, "the token `{}` is there already, with the id {id}", entry.token);
            }
            if !fresh.insert(&entry.token) {
                bail!(WHO, "the token `{}` is there twice", entry.token);
            }
        }
        let ids: Vec<u32> =
            plan.extension.replaced.iter().copied().chain(self.len() as u32..).take(plan.entries.len()).collect();
        match &mut spec["model"]["vocab"] {
            Value::Object(vocab) => {
                for (entry, id) in plan.entries.iter().zip(&ids) {
                    vocab.insert(entry.token.clone(), json!(id));
                }
            }
            Value::Array(rows) => {
                let held = rows.len() + plan.extension.replaced.len();
                if held != self.len() {
                    bail!(
                        WHO,
                        "added tokens of this Unigram model lie outside its vocabulary ({held} tokens, {} ids)",
                        self.len()
                    );
                }
                let lowest = rows.iter().filter_map(|row| row[1].as_f64()).fold(0.0, f64::min);
                for (entry, id) in plan.entries.iter().zip(&ids) {
                    // an added token is matched before the model, which should not prefer it
                    let score = if plan.symbols { lowest } else { entry.score };
                    rows.insert(*id as usize, json!([entry.token, score]));
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
            let token = |(entry, id): (&ExtensionEntry, &u32)| {
                json!({
                    "id": id, "content": entry.token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": false,
                })
            };
            let tokens = plan.entries.iter().zip(&ids).map(token);
            match spec["added_tokens"].as_array_mut() {
                Some(list) => list.extend(tokens),
                None => spec["added_tokens"] = tokens.collect(),
            }
        }
        let grown = self.rebuilt(engine::build(spec)?, plan.extension);
        match grown.check_against(self) {
            Ok(()) => Ok(grown),
            Err(error) if plan.symbols && self.kind() != TokenizerKind::ByteLevel => Err(error.help(
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
