//! The inverse of extension: tokens that texts never use are removed, or their ids are reused for new ones (Nakash et al. 2025,
//! AdaptiVocab, arXiv 2503.19693).
//!
//! The tokens from which a used token is merged count as used too, so the trimmed tokenizer segments these texts exactly as
//! before.

use crate::token::bpe::bpe_train::MergeLimits;
use crate::token::bpe::merges::Merges;
use crate::token::engine::{self, told};
use crate::token::extend::ExtensionPlan;
use crate::token::special::SpecialIds;
use crate::token::words::{CountedWords, Counter};
use crate::token::{Tokenizer, TokenizerKind, stats};
use crate::{Error, Result, bail};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashSet;
use tokenizers::Model;

const TRIM: &str = "trim";
const REPLACE: &str = "replace";
const RETRAIN: &str = "retrain";

impl Tokenizer {
    /// Removes every token that the counted texts do not need. Ids are compacted in their old order.
    pub fn trim(&self, counter: Counter) -> Result<Tokenizer> {
        let counted = counter.finish();
        if counted.is_empty() {
            return Err(Error::new(TRIM, "there are no words in the texts: nothing would be left"));
        }
        let needed = self.needed(TRIM, &counted, &[])?;
        let (trimmed, moved) = self.keep_only(&needed)?;
        trimmed.check_trimmed(self, &counted, &moved)?;
        Ok(trimmed)
    }

    /// Trains a new BPE on the counted texts that keeps only the alphabet, the bytes, the added tokens and the pre-tokenizer.
    pub fn retrain(
        &self,
        counter: Counter,
        size: Option<usize>,
        min_frequency: u64,
        max_token_length: usize,
    ) -> Result<Tokenizer> {
        self.need_bpe(RETRAIN)?;
        let counted = counter.finish();
        if counted.is_empty() {
            return Err(Error::new(RETRAIN, "there are no words in the texts: nothing can be learned"));
        }
        let (base, _) = self.keep_only(&self.needed(RETRAIN, &CountedWords::none(), &[])?)?;
        let size = size.unwrap_or(self.len());
        let Some(count) = size.checked_sub(base.len()) else {
            bail!(RETRAIN, "vocab_size {size} is below the {} special tokens and letters that stay", base.len())
        };
        let proposal = base.continue_on(counted, &MergeLimits { count, min_frequency, max_token_length })?;
        if proposal.tokens.is_empty() {
            return Ok(base);
        }
        let grown = base.extend_by_merges(&proposal)?;
        let template = self.own_template().map(str::to_string);
        Ok(Tokenizer::assemble(grown.engine().clone(), self.config().clone(), grown.specials_by_name(), template))
    }

    /// The tokenizer with only the kept tokens, and the new id of each.
    fn keep_only(&self, kept: &[bool]) -> Result<(Tokenizer, Vec<Option<u32>>)> {
        let mut moved: Vec<Option<u32>> = vec![None; self.len()];
        for (new, id) in (0..self.len()).filter(|id| kept[*id]).enumerate() {
            moved[id] = Some(new as u32);
        }
        let mut spec = engine::describe(self.engine())?;
        leave_out(&mut spec, kept)?;
        renumber(&mut spec, &moved);
        let special: SpecialIds = self.specials_by_name().map(|id| id.and_then(|id| moved[id as usize]));
        let template = self.own_template().map(str::to_string);
        Ok((Tokenizer::assemble(engine::build(spec)?, self.config().clone(), special, template), moved))
    }

    /// Reuses the ids of tokens that the counted texts do not need for new tokens, the latest merges first.
    pub(super) fn replace(&self, mut plan: ExtensionPlan, counter: Counter) -> Result<Tokenizer> {
        let counted = counter.finish();
        if counted.is_empty() {
            return Err(Error::new(REPLACE, "there are no words in the texts: nothing says which tokens are not used"));
        }
        let halves: Vec<u32> =
            plan.merges.iter().flat_map(|(left, right)| [self.id(left), self.id(right)]).flatten().collect();
        let needed = self.needed(REPLACE, &counted, &halves)?;
        let mut free: Vec<u32> = (0..self.len() as u32).filter(|id| !needed[*id as usize]).collect();
        if free.len() < plan.entries.len() {
            return Err(Error::new(
                REPLACE,
                format!("{} new tokens, but only {} old ones are never used", plan.entries.len(), free.len()),
            )
            .help("ask for fewer, or let the vocabulary grow with `extend`"));
        }
        // a token made from another is removed before it, so that the remaining ones can still be produced
        let ranks = if self.is_bpe() { self.merges()?.ranks() } else { Default::default() };
        free.sort_unstable_by_key(|id| (ranks.get(id).copied().unwrap_or(0), *id));
        let mut free = free.split_off(free.len() - plan.entries.len());
        free.sort_unstable();
        let mut stays = vec![true; self.len()];
        free.iter().for_each(|id| stays[*id as usize] = false);
        let mut spec = engine::describe(self.engine())?;
        leave_out(&mut spec, &stays)?;
        plan.extension.replaced = free;
        let grown = self.appended(spec, plan)?;
        let before: Vec<usize> = (0..self.len()).filter(|id| stays[*id] && self.reaches(*id)).collect();
        if let Some(lost) = before.into_par_iter().find_first(|id| !grown.reaches(*id)) {
            bail!(REPLACE, "the token `{}` could not be written any more", self.tokens()[lost]);
        }
        Ok(grown)
    }

    /// Ids needed by the words: their tokens, the tokens from which these are merged, all single characters and bytes, and all
    /// added tokens.
    fn needed(&self, who: &str, counted: &CountedWords, also: &[u32]) -> Result<Vec<bool>> {
        let model = self.engine().get_model();
        let written: Vec<Result<Vec<u32>>> = counted
            .par_iter()
            .map(|(word, _)| Ok(model.tokenize(&word).map_err(told)?.iter().map(|token| token.id).collect()))
            .collect();
        let mut used = vec![false; self.len()];
        also.iter().for_each(|id| used[*id as usize] = true);
        for ids in written {
            ids?.iter().for_each(|id| used[*id as usize] = true);
        }
        let mut needed = used.clone();
        for (id, token) in self.tokens().iter().enumerate() {
            let bare = token.strip_prefix("##").unwrap_or(token);
            needed[id] |= bare.chars().count() == 1 || stats::is_byte(token);
        }
        self.engine().get_added_tokens_decoder().into_keys().for_each(|id| needed[id as usize] = true);
        let spec = serde_json::to_value(model).map_err(told)?;
        let unknown = spec["unk_token"].as_str().and_then(|token| self.id(token));
        let unknown = unknown.or(spec["unk_id"].as_u64().map(|id| id as u32));
        let named = self.specials_by_name().into_iter().flatten().chain(unknown);
        named.for_each(|id| needed[id as usize] = true);
        if self.is_bpe() {
            let merges = Merges::of(self.engine(), who)?;
            let mut buffer = [0; 4];
            for id in (0..self.len()).filter(|id| used[*id]) {
                let letters: Option<Vec<u32>> =
                    self.tokens()[id].chars().map(|letter| self.id(letter.encode_utf8(&mut buffer))).collect();
                merges.steps(letters.unwrap_or_default(), |step| needed[step as usize] = true);
            }
        }
        Ok(needed)
    }

    /// Checks that every word has the same tokens as before, and that the special tokens exist.
    fn check_trimmed(&self, old: &Tokenizer, counted: &CountedWords, moved: &[Option<u32>]) -> Result<()> {
        if self.specials().len() != old.specials().len() {
            bail!(TRIM, "{} special tokens became {}", old.specials().len(), self.specials().len());
        }
        let (here, there) = (self.engine().get_model(), old.engine().get_model());
        let differs = |(word, _): &(Cow<str>, u64)| {
            let (Ok(now), Ok(before)) = (here.tokenize(word), there.tokenize(word)) else { return true };
            let same =
                |(now, before): (&tokenizers::Token, &tokenizers::Token)| moved[before.id as usize] == Some(now.id);
            now.len() != before.len() || !now.iter().zip(&before).all(same)
        };
        match counted.par_iter().find_first(differs) {
            Some((word, _)) => bail!(TRIM, "the word `{word}` would be written with other tokens"),
            None => Ok(()),
        }
    }

    fn is_bpe(&self) -> bool {
        matches!(self.kind(), TokenizerKind::ByteLevel | TokenizerKind::ByteFallback | TokenizerKind::Bpe)
    }
}

/// Removes tokens, and their merges.
fn leave_out(spec: &mut Value, stays: &[bool]) -> Result<()> {
    let mut gone: HashSet<String> = HashSet::new();
    match &mut spec["model"]["vocab"] {
        Value::Object(vocab) => vocab.retain(|token, id| {
            let kept = id.as_u64().and_then(|id| stays.get(id as usize)).copied().unwrap_or(false);
            if !kept {
                gone.insert(token.clone());
            }
            kept
        }),
        Value::Array(rows) => {
            let mut id = 0;
            rows.retain(|_| {
                id += 1;
                stays.get(id - 1).copied().unwrap_or(false)
            });
        }
        _ => bail!(TRIM, "this kind of tokenizer cannot be trimmed"),
    }
    if let Some(merges) = spec["model"].get_mut("merges").and_then(Value::as_array_mut) {
        merges.retain(|merge| {
            let (left, right) = (merge[0].as_str().unwrap_or_default(), merge[1].as_str().unwrap_or_default());
            let whole = format!("{left}{right}");
            ![left, right, whole.as_str()].iter().any(|token| gone.contains(*token))
        });
    }
    Ok(())
}

/// Replaces old ids by new ones.
fn renumber(spec: &mut Value, moved: &[Option<u32>]) {
    let new = |id: &Value| id.as_u64().and_then(|id| *moved.get(id as usize)?);
    let put = |value: &mut Value| {
        if let Some(id) = new(value) {
            *value = json!(id);
        }
    };
    match &mut spec["model"]["vocab"] {
        Value::Object(vocab) => vocab.values_mut().for_each(put),
        _ => put(&mut spec["model"]["unk_id"]),
    }
    for token in spec["added_tokens"].as_array_mut().into_iter().flatten() {
        put(&mut token["id"]);
    }
    renumber_processor(&mut spec["post_processor"], &put);
}

fn renumber_processor(processor: &mut Value, put: &impl Fn(&mut Value)) {
    for one in processor.get_mut("processors").and_then(Value::as_array_mut).into_iter().flatten() {
        renumber_processor(one, put);
    }
    for name in ["sep", "cls"] {
        if let Some(pair) = processor.get_mut(name).and_then(Value::as_array_mut).filter(|pair| pair.len() == 2) {
            put(&mut pair[1]);
        }
    }
    if let Some(tokens) = processor.get_mut("special_tokens").and_then(Value::as_object_mut) {
        for token in tokens.values_mut() {
            token.get_mut("ids").and_then(Value::as_array_mut).into_iter().flatten().for_each(put);
        }
    }
}
