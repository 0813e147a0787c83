//! Texts to embeddings: a model with an `embed` head, and its tokenizer.

use super::Model;
use super::head::embed;
use super::rows::TokenRows;
use crate::tensor::{Array, DType, Device, no_grad};
use crate::token::Tokenizer;
use crate::token::inputs::{Fit, Input};
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;

const WHO: &str = "embed";

#[derive(Clone, Debug)]
pub struct EmbedPlan {
    /// Written before each text.
    pub prompt: Option<String>,
    /// The name of one of the model's prompts.
    pub prompt_name: Option<String>,
    /// Most tokens of a text; by default what the model's folder says, or its positions.
    pub max_length: Option<usize>,
    /// Texts at a time.
    pub batch_size: usize,
}

impl Model {
    /// The embeddings of texts, `[texts, hidden]`, in their order.
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
        let rows = self.tokens(tokenizer, texts, plan)?;
        // texts of about the same length one behind the other, so that one batch costs what another does
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&at| (std::cmp::Reverse(rows[at].0.len()), at));
        let mut all = vec![0f32; rows.len() * width];
        for batch in order.chunks(plan.batch_size) {
            cancel::check()?;
            let vectors = self.packed(&rows, batch)?;
            for (&at, vector) in batch.iter().zip(vectors.chunks_exact(width)) {
                all[at * width..][..width].copy_from_slice(vector);
            }
        }
        Ok(Array::from_vec(all, (rows.len(), width), &Device::Cpu)?)
    }

    /// Ids and token types of each text.
    fn tokens<S: AsRef<str> + Sync>(
        &self,
        tokenizer: &Tokenizer,
        texts: &[S],
        plan: &EmbedPlan,
    ) -> Result<Vec<(Vec<u32>, Vec<u32>)>> {
        let sentence = self.sentence();
        let prompt = match (&plan.prompt, &plan.prompt_name) {
            (Some(text), None) => text,
            (None, name) => sentence.prompt(name.as_deref())?,
            _ => bail!(WHO, "`prompt` and `prompt_name` are one or the other"),
        };
        let room = self.config().max_positions;
        let max_length = plan.max_length.or(sentence.max_length).unwrap_or(room).min(room);
        let fit = Fit { max_length: Some(max_length), overlap: None };
        let kinds = self.config().token_types;
        let encode = |(at, text): (usize, &S)| {
            let text = format!("{prompt}{}", text.as_ref().trim());
            let text = if sentence.lowercase { text.to_lowercase() } else { text };
            let inputs = tokenizer.inputs(&Input::Text(&text), None, &fit)?;
            match inputs.into_iter().next().filter(|inputs| !inputs.is_empty()) {
                Some(inputs) if kinds == 0 => Ok((inputs.ids, Vec::new())),
                Some(inputs) => Ok((inputs.ids, inputs.type_ids)),
                None => bail!(WHO, "text {at} has no token"),
            }
        };
        let mut all = Vec::with_capacity(texts.len());
        for (chunk, some) in texts.chunks(4096).enumerate() {
            cancel::check()?;
            let part: Result<Vec<_>> =
                some.par_iter().enumerate().map(|(at, text)| encode((4096 * chunk + at, text))).collect();
            all.extend(part?);
        }
        Ok(all)
    }

    /// The vectors of a batch, its texts as the segments of one row: nothing is padded.
    fn packed(&self, rows: &[(Vec<u32>, Vec<u32>)], batch: &[usize]) -> Result<Vec<f32>> {
        let (mut ids, mut segments, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for (segment, &at) in batch.iter().enumerate() {
            ids.extend(&rows[at].0);
            types.extend(&rows[at].1);
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
