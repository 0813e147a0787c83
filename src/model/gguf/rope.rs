//! How a GGUF file says that rotary positions are scaled: by name, or (Llama 3) only by the factors that result.

use super::names::Metadata;
use crate::{Result, bail};
use serde_json::{Value, json};

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
        Some(other) => bail!("model", "rotary scaling `{other}` is not supported"),
    }
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
