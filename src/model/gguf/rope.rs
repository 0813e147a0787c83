//! The scaling of rotary positions in a GGUF file: by name, or (Llama 3) only by the resulting factors.

use super::names::Metadata;
use crate::format::gguf::Value as Meta;
use crate::model::config::{Config, Rope};
use crate::tensor::nn::RotaryScaling;
use crate::{Result, bail, progress};
use serde_json::{Value, json};

/// YaRN's defaults, in llama.cpp as in transformers.
const BETAS: (f64, f64) = (32.0, 1.0);

/// The tensors with divisors of frequencies: Llama 3's, and longrope's for texts beyond the pretraining length and for the
/// others.
pub const FACTORS: &str = "rope_freqs.weight";
pub const LONG: &str = "rope_factors_long.weight";
pub const SHORT: &str = "rope_factors_short.weight";
/// Longrope's factor of queries and keys.
const ATTENTION: &str = "rope.scaling.attn_factor";
const ORIGINAL: &str = "rope.scaling.original_context_length";

/// `rope_scaling` of `config.json`.
pub fn scaling(file: &Metadata, theta: f64, head_dim: usize) -> Result<Value> {
    let header = file.header;
    if let Some(scaling) = longrope(file)? {
        return Ok(scaling);
    }
    if let Some(factors) = file.factors.get(FACTORS) {
        let factor = factors.iter().copied().fold(1.0, f32::max);
        let original = header.int(&file.key(ORIGINAL)).unwrap_or(8192);
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
            let original = header.int(&file.key(ORIGINAL));
            let length = header.int(&file.key("context_length")).unwrap_or_default();
            Ok(json!({
                "rope_type": "yarn", "factor": factor,
                "original_max_position_embeddings": original.unwrap_or_else(|| (length as f64 / factor) as i64),
            }))
        }
        Some("longrope") => {
            bail!("model", "its scaling is longrope, and the tensors `{LONG}` and `{SHORT}` are missing")
        }
        Some(other) => bail!("model", "rotary scaling `{other}` is not supported"),
    }
}

/// LongRoPE, identified by its two tensors: llama.cpp's converter writes no name for it for Phi 3.
fn longrope(file: &Metadata) -> Result<Option<Value>> {
    let (long, short) = match (file.factors.get(LONG), file.factors.get(SHORT)) {
        (Some(long), Some(short)) => (long, short),
        (None, None) => return Ok(None),
        _ => bail!("model", "of the tensors `{LONG}` and `{SHORT}` it has one alone"),
    };
    let Some(original) = file.header.int(&file.key(ORIGINAL)) else {
        bail!("model", "the metadata `{}` is missing", file.key(ORIGINAL));
    };
    // the fewest digits that identify the file's number, as in config.json
    let digits =
        |factors: &[f32]| factors.iter().map(|x| x.to_string().parse().unwrap_or(f64::NAN)).collect::<Vec<f64>>();
    Ok(Some(json!({
        "rope_type": "longrope", "long_factor": digits(long), "short_factor": digits(short),
        "original_max_position_embeddings": original, "attention_factor": file.number(ATTENTION)?,
    })))
}

/// The inverse of [`scaling`], without the factors.
pub fn written(config: &Config) -> Result<Vec<(&'static str, Meta)>> {
    let Some(rope) = &config.rope else { return Ok(Vec::new()) };
    let named = |name: &str, factor: f64| {
        vec![("rope.scaling.type", Meta::Text(name.into())), ("rope.scaling.factor", Meta::Float(factor))]
    };
    let original = |length: usize| (ORIGINAL, Meta::Int(length as i64));
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
        RotaryScaling::LongRope { attention_factor, original_max_position_embeddings, .. } => {
            progress::warn(
                "save",
                format!(
                    "llama.cpp takes the long factors for every text where its context (`-c`) is beyond {original_max_position_embeddings}: short ones get other predictions there"
                ),
            );
            vec![original(*original_max_position_embeddings), (ATTENTION, Meta::Float(*attention_factor))]
        }
        RotaryScaling::Dynamic { .. } => {
            bail!("save", "rotary positions by dynamic scaling, which llama.cpp has not got")
        }
    })
}

/// The tensors with divisors of frequencies.
pub fn factors(rope: &Rope, head_dim: usize) -> Vec<(&'static str, Vec<f32>)> {
    let narrow = |factors: &[f64]| factors.iter().map(|&factor| factor as f32).collect();
    match &rope.scaling {
        RotaryScaling::Llama3 { factor, original_max_position_embeddings, .. } => {
            let factors = llama3_factors(rope.theta, head_dim, *factor, *original_max_position_embeddings as f64);
            vec![(FACTORS, narrow(&factors))]
        }
        RotaryScaling::LongRope { long, short, .. } => vec![(LONG, narrow(long)), (SHORT, narrow(short))],
        _ => Vec::new(),
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
