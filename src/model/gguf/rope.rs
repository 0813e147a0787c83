//! How a GGUF file says that rotary positions are scaled: by name, or (Llama 3) only by the factors that result.

use super::names::Metadata;
use crate::format::gguf::Value as Meta;
use crate::model::config::{Config, Rope};
use crate::tensor::nn::RotaryScaling;
use crate::{Result, bail};
use serde_json::{Value, json};

/// What YaRN has where nothing else is said, in llama.cpp as in transformers.
const BETAS: (f64, f64) = (32.0, 1.0);

/// `rope_scaling` of `config.json`.
pub fn scaling(file: &Metadata, theta: f64, head_dim: usize) -> Result<Value> {
    let header = file.header;
    if let Some(factors) = &file.factors {
        let factor = factors.iter().copied().fold(1.0, f32::max);
        let original = header.int(&file.key("rope.scaling.original_context_length")).unwrap_or(8192);
        let expected = llama3_factors(theta, head_dim, f64::from(factor), original as f64);
        let close = |(got, want): (&f32, f64)| (f64::from(*got) - want).abs() <= 1e-3 * want;
        if factors.len() != expected.len() || !factors.iter().zip(expected).all(close) {
            bail!("model", "its scaling of rotary positions (rope_freqs.weight) is not Llama 3's");
        }
        return Ok(json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": original,
        }));
    }
    match header.text(&file.key("rope.scaling.type")) {
        None | Some("none") => Ok(Value::Null),
        Some("linear") => {
            let factor = header.float(&file.key("rope.scaling.factor")).unwrap_or(1.0);
            Ok(json!({ "rope_type": "linear", "factor": factor }))
        }
        Some("yarn") => {
            let Some(factor) = header.float(&file.key("rope.scaling.factor")) else {
                bail!("model", "the metadata `{}` is missing", file.key("rope.scaling.factor"));
            };
            let original = header.int(&file.key("rope.scaling.original_context_length"));
            let length = header.int(&file.key("context_length")).unwrap_or_default();
            Ok(json!({
                "rope_type": "yarn", "factor": factor,
                "original_max_position_embeddings": original.unwrap_or_else(|| (length as f64 / factor) as i64),
            }))
        }
        Some(other) => bail!("model", "rotary scaling `{other}` is not supported"),
    }
}

/// The inverse of [`scaling`], without the factors.
pub fn written(config: &Config) -> Result<Vec<(&'static str, Meta)>> {
    let Some(rope) = &config.rope else { return Ok(Vec::new()) };
    let named = |name: &str, factor: f64| {
        vec![("rope.scaling.type", Meta::Text(name.into())), ("rope.scaling.factor", Meta::Float(factor))]
    };
    let original = |length: usize| ("rope.scaling.original_context_length", Meta::Int(length as i64));
    Ok(match &rope.scaling {
        RotaryScaling::None => Vec::new(),
        RotaryScaling::Linear { factor } => named("linear", *factor),
        RotaryScaling::Llama3 { low_freq_factor, high_freq_factor, original_max_position_embeddings, .. } => {
            if (*low_freq_factor, *high_freq_factor) != (1.0, 4.0) {
                bail!("save", "Llama 3's rotary scaling with other factors than 1 and 4, for which GGUF has no key");
            }
            vec![original(*original_max_position_embeddings)]
        }
        RotaryScaling::Yarn {
            factor,
            attention_factor,
            beta_fast,
            beta_slow,
            truncate,
            original_max_position_embeddings,
        } => {
            let usual = if *factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 };
            if (*beta_fast, *beta_slow) != BETAS || !truncate || (attention_factor - usual).abs() > 1e-6 {
                bail!("save", "YaRN with other constants than its usual ones, which llama.cpp would not read");
            }
            let mut all = named("yarn", *factor);
            all.push(original(*original_max_position_embeddings));
            all
        }
        RotaryScaling::Dynamic { .. } | RotaryScaling::LongRope { .. } => {
            bail!(
                "save",
                "rotary positions by dynamic or longrope scaling, which llama.cpp has not got for this architecture"
            )
        }
    })
}

/// The tensor `rope_freqs.weight` of a model that has one: the divisors of its frequencies.
pub fn factors(rope: &Rope, head_dim: usize) -> Option<Vec<f32>> {
    let RotaryScaling::Llama3 { factor, original_max_position_embeddings, .. } = &rope.scaling else { return None };
    let factors = llama3_factors(rope.theta, head_dim, *factor, *original_max_position_embeddings as f64);
    Some(factors.into_iter().map(|factor| factor as f32).collect())
}

/// The divisors of Llama 3's frequencies, as llama.cpp computes them.
fn llama3_factors(theta: f64, head_dim: usize, factor: f64, original: f64) -> Vec<f64> {
    let (low, high) = (1.0, 4.0);
    let one = |index: usize| {
        let wavelength = std::f64::consts::TAU * theta.powf(2.0 * index as f64 / head_dim as f64);
        if wavelength < original / high {
            1.0
        } else if wavelength > original / low {
            factor
        } else {
            let smooth = (original / wavelength - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    (0..head_dim / 2).map(one).collect()
}
