//! Embeddings of texts, by encoders and decoders.

use super::served::Served;
use crate::model::{EmbedPlan, LogitsPlan, TokenRows};
use crate::tensor::{DType, no_grad};
use crate::{Result, bail};

const PLAN: EmbedPlan = EmbedPlan { prompt: None, prompt_name: None, max_length: None, overflow: None, batch_size: 32 };

/// How well each text answers a query: the cross-encoder's score for the pair, between 0 and 1 unless its config requests the raw
/// score (`sentence_transformers.activation_fn`).
pub fn rank(served: &Served, query: &str, texts: &[String]) -> Result<Vec<Vec<f32>>> {
    let pairs: Vec<(String, Option<String>)> = texts.iter().map(|text| (query.into(), Some(text.clone()))).collect();
    let plan = LogitsPlan { max_length: None, overlap: 0, batch_size: 32 };
    let (scores, _) = served.net.text_logits(&served.tok, &pairs, &plan)?;
    let config = served.net.config();
    let function = config.json.get("sentence_transformers").and_then(|own| own["activation_fn"].as_str());
    let function = function.or_else(|| config.json.get("sbert_ce_default_activation_function")?.as_str());
    let plain = function.is_some_and(|name| name.ends_with("Identity"));
    let of = |score: f32| if plain { score } else { 1.0 / (1.0 + (-score).exp()) };
    Ok(scores.flatten_all()?.to_vec1::<f32>()?.into_iter().map(|score| vec![of(score)]).collect())
}

/// One vector per text: from a model with an `embed` head its output; from a language model the mean of the last layer's states,
/// with length 1.
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
