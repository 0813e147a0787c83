//! Embeddings of texts, of encoders and decoders.

use super::served::Served;
use crate::model::{EmbedPlan, TokenRows};
use crate::tensor::{DType, no_grad};
use crate::{Result, bail};

const PLAN: EmbedPlan = EmbedPlan { prompt: None, prompt_name: None, max_length: None, overflow: None, batch_size: 32 };

/// One vector a text: what a model with an `embed` head gives, or of a language model the mean of the last layer's states, of
/// length 1.
pub fn embed(served: &Served, texts: &[String]) -> Result<Vec<Vec<f32>>> {
    if served.net.head() == "embed" {
        let vectors = served.net.embed(&served.tok, texts, &PLAN)?;
        return Ok(vectors.to_vec2()?);
    }
    served.net.check_causal("embed")?;
    texts.iter().map(|text| mean_state(served, text)).collect()
}

fn mean_state(served: &Served, text: &str) -> Result<Vec<f32>> {
    let ids = served.tok.ids(text, true)?;
    if ids.is_empty() || ids.len() > served.context() {
        bail!("embed", "a text of {} tokens, and the model reads 1 to {}", ids.len(), served.context());
    }
    let rows = TokenRows { rows: 1, length: ids.len(), ids: &ids, ..TokenRows::default() };
    let states = no_grad(|| served.net.hidden_states(&rows))?.value().to_dtype(DType::F32)?;
    let mean = states.mean(1)?.flatten_all()?.to_vec1::<f32>()?;
    let length = mean.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt().max(1e-12);
    Ok(mean.into_iter().map(|x| (f64::from(x) / length) as f32).collect())
}
