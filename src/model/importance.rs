//! The importance of each matrix's columns: the mean squares of their inputs over texts, llama.cpp's importance matrix.

use super::observer::Observer;
use super::{Model, TokenRows, Weights};
use crate::tensor::{Array, DType, Device, no_grad};
use crate::token::Tokenizer;
use crate::{Error, Result, bail, cancel};
use std::collections::BTreeMap;
use std::sync::Arc;

const WHO: &str = "importance";

/// The mean square of each column's input, by weight name; stored as sums, so that a file and a map yield the same means to the
/// bit.
#[derive(Clone, Debug, Default)]
pub struct Importance {
    pub sums: BTreeMap<String, Vec<f32>>,
    /// The divisor: number of tokens read.
    pub tokens: usize,
}

impl Importance {
    /// Adds an array as the column importance of a weight.
    pub fn insert(&mut self, weight: &str, columns: &Array) -> Result<()> {
        self.tokens = 1;
        self.sums.insert(weight.into(), columns.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?);
        Ok(())
    }

    fn means(&self, sums: &[f32]) -> Vec<f32> {
        sums.iter().map(|sum| sum / self.tokens.max(1) as f32).collect()
    }

    /// An array for each weight.
    pub fn arrays(&self) -> Result<Vec<(&str, Array)>> {
        let mut arrays = Vec::new();
        for (name, sums) in &self.sums {
            arrays.push((name.as_str(), Array::new(self.means(sums).as_slice(), &Device::Cpu)?));
        }
        Ok(arrays)
    }

    /// The column importance of a weight, if known. A column that no text reached has a small weight: it may matter to other
    /// texts.
    pub fn of(&self, who: &str, weight: &str, columns: usize) -> Result<Option<Vec<f32>>> {
        let Some(own) = self.sums.get(weight).map(|sums| self.means(sums)) else { return Ok(None) };
        if own.len() != columns {
            bail!(who, "the importance of `{weight}` is of {} columns, and it has {columns}", own.len());
        }
        if let Some(wrong) = own.iter().find(|square| !square.is_finite() || **square < 0.0) {
            bail!(who, "the importance of `{weight}` has {wrong}, which is no mean of squares");
        }
        let mean = own.iter().sum::<f32>() / columns.max(1) as f32;
        let least = if mean > 0.0 { 1e-6 * mean } else { 1.0 };
        Ok(Some(own.iter().map(|square| if *square > 0.0 { *square } else { least }).collect()))
    }

    /// Returns an error if it belongs to another model.
    pub fn check(&self, who: &str, weights: &Weights) -> Result<()> {
        match self.sums.keys().find(|name| !weights.has(name)) {
            None if self.sums.is_empty() => bail!(who, "the importance names no weight"),
            None => Ok(()),
            Some(name) => Err(Error::new(who, format!("the importance names `{name}`, which this model has not"))
                .help("`net.importance(tok, texts)` makes it of this model")),
        }
    }
}

impl Model {
    /// Reads texts and measures the inputs of each matrix in the layers, by column. A text longer than `max_length` tokens is
    /// read in parts.
    pub fn importance<S: AsRef<str> + Sync>(
        &self,
        tokenizer: &Tokenizer,
        texts: &[S],
        max_length: usize,
    ) -> Result<Importance> {
        self.check_trainable(WHO)?;
        self.check_vocabulary(WHO, tokenizer)?;
        let longest = max_length.min(self.config().max_positions);
        if longest == 0 {
            bail!(WHO, "max_length 0: a part has at least one token");
        }
        let observer = Arc::new(Observer::default());
        let mut tokens = 0;
        for texts in texts.chunks(64) {
            for ids in tokenizer.encode_batch(texts, true)? {
                for ids in ids.chunks(longest) {
                    cancel::check()?;
                    self.observe(ids, &observer)?;
                    tokens += ids.len();
                }
            }
        }
        if tokens == 0 {
            return Err(Error::new(WHO, "there is no token in the texts"));
        }
        let sums = observer.take();
        let rounded = |sums: Vec<f64>| sums.into_iter().map(|sum| sum as f32).collect();
        let sums: BTreeMap<String, Vec<f32>> = sums.into_iter().map(|(name, sums)| (name, rounded(sums))).collect();
        if let Some((name, _)) = sums.iter().find(|(_, sums)| sums.iter().any(|sum| !sum.is_finite())) {
            bail!(WHO, "the inputs of `{name}` are not numbers: the model has overflowed");
        }
        Ok(Importance { sums, tokens })
    }

    fn observe(&self, ids: &[u32], observer: &Arc<Observer>) -> Result<()> {
        let batch = TokenRows { rows: 1, length: ids.len(), ids, ..TokenRows::default() };
        let inner = self.read();
        let mut pass = inner.pass(WHO, &batch)?;
        pass.observer = Some(observer.clone());
        no_grad(|| inner.arch.hidden_states(&pass, false)).map(|_| ())
    }
}
