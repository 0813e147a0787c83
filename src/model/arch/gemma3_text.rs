//! Gemma 3, the text models: Gemma 2 with norms on the queries and keys of each head instead of soft caps, and a window in five
//! of six layers, whose rotary positions have their own base.

use super::gemma2;
use super::llama;
use crate::format::gguf::Value as Meta;
use crate::model::config::{Config, Layout, Rope};
use crate::model::fields::Fields;
use crate::model::gguf::names::GgufNames;
use crate::model::head::{causal, embed, sequence};
use crate::model::spec::Arch;
use crate::tensor::nn::RotaryScaling;
use crate::{Result, bail};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout { model_type: "gemma3_text", ..llama::LAYOUT };

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("Gemma3ForCausalLM", &causal::HEAD),
        ("Gemma3TextForSequenceClassification", &sequence::HEAD),
        ("Gemma3TextModel", &embed::HEAD),
    ],
    defaults: |fields| {
        let mut json = gemma2::defaults(fields)?;
        let Value::Object(own) = &mut json else { return Ok(json) };
        own.extend([
            ("rope_theta".to_string(), json!(1e6)),
            ("rope_local_base_freq".into(), json!(10000.0)),
            ("sliding_window_pattern".into(), json!(EVERY)),
            ("max_position_embeddings".into(), json!(131_072)),
        ]);
        Ok(json)
    },
    config: |fields| {
        let config = gemma2::config(fields, &LAYOUT)?;
        let max_positions = fields.count_or(&["max_position_embeddings"], 131_072)?;
        let every = match fields.count_or(&["sliding_window_pattern", "_sliding_window_pattern"], EVERY)? {
            0 => bail!("model", "`sliding_window_pattern` is 0"),
            every => every,
        };
        if fields.get(&["attn_logit_softcapping"]).is_some() {
            bail!("model", "`attn_logit_softcapping` is not a gemma3's: transformers would ignore it");
        }
        Ok(Config {
            max_positions,
            rope: Some(global(fields, config.head_dim, max_positions)?),
            local_rope: Some(fields.rope_in(
                "sliding_attention",
                "rope_local_base_freq",
                10000.0,
                config.head_dim,
                max_positions,
            )?),
            windows: gemma2::windows(fields, config.layers, every)?,
            qk_norm: true,
            logit_softcap: gemma2::softcap(fields, "final_logit_softcapping")?,
            ..config
        })
    },
    gguf: Some(&GgufNames {
        architecture: "gemma3",
        matches: |_| true,
        more: |file, json| {
            gemma2::more(file, json, LARGEST)?;
            json["final_logit_softcapping"] = file.number("final_logit_softcapping")?.unwrap_or_default();
            json["sliding_window_pattern"] = json!(EVERY);
            let local = file.number("rope.freq_base_swa")?;
            json["rope_local_base_freq"] = local.unwrap_or(json!(10000.0));
            Ok(())
        },
        rest: |config| {
            let mut rest = gemma2::rest(config, EVERY, LARGEST)?;
            let scaling = |rope: &Option<Rope>| rope.as_ref().map_or(RotaryScaling::None, |rope| rope.scaling.clone());
            let (whole, local) = (scaling(&config.rope), scaling(&config.local_rope));
            if local != RotaryScaling::None || !matches!(whole, RotaryScaling::None | RotaryScaling::Linear { .. }) {
                bail!(
                    "save",
                    "rotary positions scaled otherwise than llama.cpp's gemma3 knows: by a factor in its global layers"
                );
            }
            if let Some(rope) = &config.local_rope {
                rest.push(("rope.freq_base_swa", Meta::Float(rope.theta)));
            }
            rest.extend(config.logit_softcap.map(|cap| ("final_logit_softcapping", Meta::Float(cap))));
            Ok(rest)
        },
        ..gemma2::GGUF
    }),
    ..gemma2::ARCH
};

/// One in this many layers has no window.
const EVERY: usize = 6;
/// Number of layers of Gemma 3 27B: see [`gemma2`].
const LARGEST: usize = 62;

/// The rotary positions of the layers without a window.
fn global(fields: &Fields, head_dim: usize, max_positions: usize) -> Result<Rope> {
    let rope = fields.rope_in("full_attention", "rope_theta", 1e6, head_dim, max_positions)?;
    match fields.under("rope_scaling") {
        // the format of transformers 4
        Some(scaled) if fields.under("rope_parameters").is_none() => {
            Ok(Rope { theta: rope.theta, ..fields.rope_of(Some(&scaled), head_dim, max_positions)? })
        }
        _ => Ok(rope),
    }
}
