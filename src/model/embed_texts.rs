//! Embeds texts: a model with an `embed` head, and its tokenizer.

use super::Model;
use super::head::embed;
use super::rows::TokenRows;
use crate::kernel::default_device;
use crate::tensor::{Array, DType, no_grad};
use crate::token::Tokenizer;
use crate::token::inputs::{Fit, Input, Inputs};
use crate::{Error, Result, bail, cancel, progress};
use rayon::prelude::*;

const WHO: &str = "embed";

#[derive(Clone, Debug)]
pub struct EmbedPlan {
    /// Prefix of each text.
    pub prompt: Option<String>,
    /// The name of one of the model's prompts.
    pub prompt_name: Option<String>,
    /// Maximum tokens of a text; by default from the model's folder, or its positions.
    pub max_length: Option<usize>,
    /// Treatment of a longer text; `None` truncates it with a warning.
    pub overflow: Option<EmbedOverflow>,
    /// Texts per batch.
    pub batch_size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedOverflow {
    Truncate,
    /// The mean of its parts' embeddings, weighted by their tokens.
    Mean,
}

/// Ids and token types of a part of a text, and the text's index.
struct TextPart {
    text: usize,
    ids: Vec<u32>,
    types: Vec<u32>,
}

impl Model {
    /// The embeddings of texts, `[texts, hidden]`, in order.
    pub fn embed<S: AsRef<str> + Sync>(&self, tokenizer: &Tokenizer, texts: &[S], plan: &EmbedPlan) -> Result<Array> {
        if self.head() != embed::HEAD.name {
            let (head, kind) = (self.head(), self.config().model_type());
            return Err(Error::new(WHO, format!("a {kind} with a {head} head gives no embeddings"))
                .help("open it with `#{ head: \"embed\" }`"));
        }
        if plan.batch_size == 0 {
            bail!(WHO, "batch_size 0: a batch has at least one text");
        }
        self.check_vocabulary(WHO, tokenizer)?;
        let width = self.config().hidden;
        let parts = self.parts(tokenizer, texts, plan)?;
        // sorted by length, so that batches cost about the same
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|&at| (std::cmp::Reverse(parts[at].ids.len()), at));
        let mut vectors = vec![0f32; parts.len() * width];
        for batch in order.chunks(plan.batch_size) {
            cancel::check()?;
            let found = self.packed(&parts, batch)?;
            for (&at, vector) in batch.iter().zip(found.chunks_exact(width)) {
                vectors[at * width..][..width].copy_from_slice(vector);
            }
        }
        if parts.len() > texts.len() {
            vectors = joined(&parts, &vectors, texts.len(), self.config().normalize);
        }
        Ok(Array::from_vec(vectors, (texts.len(), width), &default_device()?)?)
    }

    /// The tokens of each text, in one or several parts, text by text.
    fn parts<S: AsRef<str> + Sync>(
        &self,
        tokenizer: &Tokenizer,
        texts: &[S],
        plan: &EmbedPlan,
    ) -> Result<Vec<TextPart>> {
        let sentence = self.sentence();
        let prompt = match (&plan.prompt, &plan.prompt_name) {
            (Some(text), None) => text,
            (None, name) => sentence.prompt(name.as_deref())?,
            _ => bail!(WHO, "`prompt` and `prompt_name` are one or the other"),
        };
        let room = self.config().max_positions;
        let max_length = plan.max_length.or(sentence.max_length).unwrap_or(room).min(room);
        let overlap = (plan.overflow == Some(EmbedOverflow::Mean)).then_some(0);
        let fit = Fit { max_length: Some(max_length), overlap };
        let has_types = self.config().token_types > 0;
        let encode = |at: usize, text: &S| -> Result<(Vec<TextPart>, bool)> {
            let text = format!("{prompt}{}", text.as_ref().trim());
            let text = if sentence.lowercase { text.to_lowercase() } else { text };
            let whole = tokenizer.inputs(&Input::Text(&text), None, &Fit::default())?;
            let Some(whole) = whole.into_iter().next().filter(|inputs| !inputs.is_empty()) else {
                bail!(WHO, "text {at} has no token");
            };
            let is_long = whole.len() > max_length;
            let part = |inputs: Inputs| {
                let types = if has_types { inputs.type_ids } else { Vec::new() };
                TextPart { text: at, ids: inputs.ids, types }
            };
            Ok((whole.fitted(&fit)?.into_iter().map(part).collect(), is_long))
        };
        let (mut all, mut long) = (Vec::with_capacity(texts.len()), 0);
        for (chunk, some) in texts.chunks(4096).enumerate() {
            cancel::check()?;
            let parts = some.par_iter().enumerate().map(|(at, text)| encode(4096 * chunk + at, text));
            for (parts, is_long) in parts.collect::<Result<Vec<_>>>()? {
                all.extend(parts);
                long += usize::from(is_long);
            }
        }
        if long > 0 && plan.overflow.is_none() {
            let what = format!("{long} of {} texts have more than {max_length} tokens, and are cut off", texts.len());
            progress::warn(WHO, format!("{what}: `overflow: \"mean\"` takes the mean of their parts"));
        }
        Ok(all)
    }

    /// The vectors of a batch, whose texts are the segments of one row: nothing is padded.
    fn packed(&self, parts: &[TextPart], batch: &[usize]) -> Result<Vec<f32>> {
        let (mut ids, mut segments, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for (segment, &at) in batch.iter().enumerate() {
            ids.extend(&parts[at].ids);
            types.extend(&parts[at].types);
            segments.resize(ids.len(), segment as u32 + 1);
        }
        let rows = TokenRows {
            rows: 1,
            length: ids.len(),
            ids: &ids,
            segments: Some(&segments),
            token_types: (!types.is_empty()).then_some(&types),
            ..TokenRows::default()
        };
        let vectors = no_grad(|| self.forward(&rows))?.value();
        Ok(vectors.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }
}

/// One vector per text: the mean of its parts' vectors by their tokens, renormalized if vectors are normalized.
fn joined(parts: &[TextPart], vectors: &[f32], texts: usize, normalize: bool) -> Vec<f32> {
    let width = vectors.len() / parts.len();
    let mut all = vec![0f32; texts * width];
    for (part, vector) in parts.iter().zip(vectors.chunks_exact(width)) {
        let weight = part.ids.len() as f32;
        all[part.text * width..][..width].iter_mut().zip(vector).for_each(|(sum, number)| *sum += weight * number);
    }
    let mut tokens = vec![0usize; texts];
    parts.iter().for_each(|part| tokens[part.text] += part.ids.len());
    for (row, tokens) in all.chunks_exact_mut(width).zip(tokens) {
        let length = row.iter().map(|number| number * number).sum::<f32>().sqrt().max(1e-12);
        let divisor = if normalize { length } else { tokens as f32 };
        row.iter_mut().for_each(|number| *number /= divisor);
    }
    all
}
