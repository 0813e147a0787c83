//! Gemma 2: Llama with scaled embeddings, norms before and after each sublayer that multiply by 1 + weight, a window in every
//! second layer, and soft caps of scores and logits.

use super::llama;
use crate::format::gguf::Value as Meta;
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::gguf::names::{Facts, GgufNames, Metadata};
use crate::model::head::{causal, embed as vectors, sequence, token};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::{Tensor, ops};
use crate::{Result, bail};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout { model_type: "gemma2", ..llama::LAYOUT };

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("Gemma2ForCausalLM", &causal::HEAD),
        ("Gemma2ForSequenceClassification", &sequence::HEAD),
        ("Gemma2ForTokenClassification", &token::HEAD),
        ("Gemma2Model", &vectors::HEAD),
    ],
    keys: &[("hidden_act", "hidden_activation")],
    defaults: |fields| {
        let mut json = defaults(fields)?;
        json["attn_logit_softcapping"] = json!(50.0);
        json["final_logit_softcapping"] = json!(30.0);
        Ok(json)
    },
    config: |fields| {
        let config = config(fields, &LAYOUT)?;
        let rope = Some(fields.rope(config.head_dim, config.max_positions)?);
        let windows = windows(fields, config.layers, 2)?;
        let limit = |key: &str, otherwise: f64| match fields.0.get(key) {
            None => Ok(Some(otherwise)),
            Some(_) => softcap(fields, key),
        };
        let score_softcap = limit("attn_logit_softcapping", 50.0)?;
        let logit_softcap = limit("final_logit_softcapping", 30.0)?;
        Ok(Config { rope, windows, score_softcap, logit_softcap, ..config })
    },
    tensors,
    embed,
    block,
    gguf: Some(&GGUF),
    decoder: None,
    ..llama::ARCH
};

pub const GGUF: GgufNames = GgufNames {
    architecture: "gemma2",
    matches: |_| true,
    more: |file, json| {
        more(file, json, LARGEST)?;
        json["attn_logit_softcapping"] = file.number("attn_logit_softcapping")?.unwrap_or(json!(50.0));
        json["final_logit_softcapping"] = file.number("final_logit_softcapping")?.unwrap_or(json!(30.0));
        Ok(())
    },
    rest: |config| {
        let (Some(scores), Some(logits)) = (config.score_softcap, config.logit_softcap) else {
            bail!("save", "a gemma2 without soft limits of scores and logits, which llama.cpp always applies");
        };
        let mut rest = rest(config, 2, LARGEST)?;
        rest.push(("attn_logit_softcapping", Meta::Float(scores)));
        rest.push(("final_logit_softcapping", Meta::Float(logits)));
        Ok(rest)
    },
    inner: &[
        llama::MODULES,
        &[
            ("post_attention_layernorm", "post_attention_norm"),
            ("pre_feedforward_layernorm", "ffn_norm"),
            ("post_feedforward_layernorm", "post_ffw_norm"),
        ],
    ],
    interleaved: &[],
    norms_from_one: true,
    longrope: false,
    ..llama::GGUF
};

/// Number of layers of Gemma 2 27B, by which llama.cpp recognizes it and scales its scores differently.
const LARGEST: usize = 46;

/// llama.cpp divides scores by the root of this.
fn scalar_of_llamacpp(layers: usize, largest: usize, hidden: usize, heads: usize, head_dim: usize) -> f64 {
    (if layers == largest { hidden / heads.max(1) } else { head_dim }) as f64
}

/// The config keys of the family that are not in the table of facts.
pub fn more(file: &Metadata, json: &mut Value, largest: usize) -> Result<()> {
    llama::more(file, json)?;
    let number = |key: &str| json[key].as_u64().unwrap_or_default() as usize;
    let (layers, hidden) = (number("num_hidden_layers"), number("hidden_size"));
    let scalar = scalar_of_llamacpp(layers, largest, hidden, number("num_attention_heads"), number("head_dim"));
    json["query_pre_attn_scalar"] = json!(scalar);
    json["hidden_activation"] = json!("gelu_pytorch_tanh");
    json["sliding_window"] = file.number("attention.sliding_window")?.unwrap_or(json!(4096));
    if let Some(config) = json.as_object_mut() {
        config.remove("hidden_act");
    }
    Ok(())
}

/// The inverse of [`more`]; an error for values other than llama.cpp's fixed ones.
pub fn rest(config: &Config, every: usize, largest: usize) -> Result<Facts> {
    let Config { layers, hidden, heads, head_dim, .. } = *config;
    let Some(window) = config.windows.iter().flatten().next().copied() else {
        bail!("save", "a {} without sliding windows, which llama.cpp always has", config.model_type());
    };
    if config.windows != alternating(layers, every, window) {
        bail!("save", "layers with a sliding window elsewhere than llama.cpp's {} has them", config.model_type());
    }
    let scalar = scalar_of_llamacpp(layers, largest, hidden, heads, head_dim);
    if config.query_pre_attn_scalar.is_some_and(|own| own != scalar) {
        let own = config.query_pre_attn_scalar.unwrap_or_default();
        bail!("save", "`query_pre_attn_scalar` {own}, where llama.cpp computes {scalar}");
    }
    if config.activation != Activation::GeluTanh || config.qkv_bias {
        bail!("save", "another activation than gelu_pytorch_tanh, or biases, which llama.cpp's gemma has not got");
    }
    let mut rest = llama::rest(config)?;
    rest.push(("attention.sliding_window", Meta::Int(window as i64)));
    Ok(rest)
}

/// A soft cap, if given, which must be above 0.
pub fn softcap(fields: &Fields, key: &str) -> Result<Option<f64>> {
    match fields.get(&[key]).map(|_| fields.float_or(&[key], 0.0)).transpose()? {
        Some(cap) if cap <= 0.0 => bail!("model", "`{key}` is {cap}: a limit is above 0, or null"),
        cap => Ok(cap),
    }
}

/// A window in all layers except each `every`-th.
fn alternating(layers: usize, every: usize, window: usize) -> Vec<Option<usize>> {
    (0..layers).map(|layer| (!(layer + 1).is_multiple_of(every)).then_some(window)).collect()
}

/// The window of each layer: from `layer_types` if given, otherwise in all but each `every`-th.
pub fn windows(fields: &Fields, layers: usize, every: usize) -> Result<Vec<Option<usize>>> {
    let window = fields.count_or(&["sliding_window"], 4096)?;
    Ok(match fields.sliding_layers(layers)? {
        Some(sliding) => sliding.into_iter().map(|sliding| sliding.then_some(window)).collect(),
        None => alternating(layers, every, window),
    })
}

/// Common defaults of the family's new models.
pub fn defaults(fields: &Fields) -> Result<Value> {
    let mut json = llama::defaults(fields)?;
    let Value::Object(own) = &mut json else { return Ok(json) };
    own.remove("hidden_act");
    let head_dim = own["head_dim"].clone();
    own.extend([
        ("hidden_activation".to_string(), json!("gelu_pytorch_tanh")),
        ("query_pre_attn_scalar".into(), fields.get(&["head_dim"]).cloned().unwrap_or(head_dim)),
        ("rms_norm_eps".into(), json!(1e-6)),
        ("sliding_window".into(), json!(4096)),
        ("max_position_embeddings".into(), json!(8192)),
    ]);
    Ok(json)
}

/// The config of the family, without its positions, windows and soft caps.
pub fn config(fields: &Fields, layout: &'static Layout) -> Result<Config> {
    if fields.bool_or("use_bidirectional_attention", false)? {
        bail!(
            "model",
            "`use_bidirectional_attention` is not supported: a {} reads from left to right",
            layout.model_type
        );
    }
    let config = llama::sizes(fields)?;
    let known = [Activation::GeluTanh, Activation::Gelu, Activation::Silu, Activation::Relu];
    Ok(Config {
        layout,
        kv_heads: fields.count_or(&["num_key_value_heads"], 4)?,
        head_dim: fields.count_or(&["head_dim"], 256)?,
        max_positions: fields.count_or(&["max_position_embeddings"], 8192)?,
        mlp_bias: false,
        activation: Activation::named("model", fields.text_or(&["hidden_activation"], "gelu_pytorch_tanh"), &known)?,
        norm_from_one: true,
        query_pre_attn_scalar: Some(match fields.float_or(&["query_pre_attn_scalar"], 256.0)? {
            scalar if scalar > 0.0 => scalar,
            scalar => bail!("model", "`query_pre_attn_scalar` is {scalar}, not above 0"),
        }),
        tied: fields.bool_or("tie_word_embeddings", true)?,
        ..config
    })
}

/// Llama's tensors, with two more norms per layer. All norms start as the identity.
pub fn tensors(config: &Config) -> Vec<TensorSpec> {
    let mut specs = llama::tensors(config);
    for layer in 0..config.layers {
        for norm in ["pre_feedforward_layernorm", "post_feedforward_layernorm"] {
            let name = format!("{}{layer}.{norm}.weight", LAYOUT.blocks);
            specs.push(TensorSpec::new(name, &[config.hidden], Start::Ones));
        }
    }
    for spec in specs.iter_mut().filter(|spec| spec.start == Start::Ones) {
        spec.start = Start::Zeros;
    }
    specs
}

pub fn embed(pass: &Forward) -> Result<Tensor> {
    ops::multiply(&pass.embedding(LAYOUT.embeddings, pass.ids())?, (pass.config().hidden as f64).sqrt())
}

pub fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let h = llama::attention(pass, layer, &at.rms_norm("input_layernorm", x)?)?;
    let x = ops::add(x, &at.rms_norm("post_attention_layernorm", &h)?)?;
    let h = at.rms_norm("pre_feedforward_layernorm", &x)?;
    let gate = pass.config().activation.apply(&at.linear("mlp.gate_proj", &h)?)?;
    let h = at.linear("mlp.down_proj", &ops::multiply(&gate, &at.linear("mlp.up_proj", &h)?)?)?;
    ops::add(&x, &at.rms_norm("post_feedforward_layernorm", &h)?)
}
