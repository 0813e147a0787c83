//! DeBERTa v2 and v3 (He et al. 2021): BERT whose attention also scores the distance of two tokens, in logarithmic buckets,
//! against the content of each; usually without absolute positions.

use super::bert;
use crate::Result;
use crate::bail;
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::{At, Forward};
use crate::model::head::names::{DenseNames, HeadNames};
use crate::model::head::{embed, masked, sequence, token};
use crate::model::relative::Relative;
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::{Tensor, ops};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout {
    model_type: "deberta-v2",
    embeddings: "deberta.embeddings.word_embeddings.weight",
    prefix: "deberta.",
    blocks: "deberta.encoder.layer.",
    outer: &[PROJECTION],
    heads: HeadNames {
        masked: Some(bert::MASKED),
        dense: Some(DenseNames { name: "pooler.dense", norm: None, of_tokens: false }),
        ..HeadNames::ENCODER
    },
    // pre-training heads, which transformers does not build either, and unused positions
    unused: &["lm_predictions.", "mask_predictions.", "deberta.embeddings.position_embeddings."],
    ..bert::LAYOUT
};

const PROJECTION: &str = "deberta.embeddings.embed_proj";
const DISTANCES: &str = "deberta.encoder.rel_embeddings.weight";
const DISTANCE_NORM: &str = "deberta.encoder.LayerNorm";

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("DebertaV2ForMaskedLM", &masked::HEAD),
        ("DebertaV2ForSequenceClassification", &sequence::HEAD),
        ("DebertaV2ForTokenClassification", &token::HEAD),
        ("DebertaV2Model", &embed::HEAD),
    ],
    defaults,
    config,
    tensors,
    embed,
    block,
    gguf: None,
    ..bert::ARCH
};

fn defaults(fields: &Fields) -> Result<Value> {
    let mut json = bert::defaults(fields)?;
    json["type_vocab_size"] = json!(0);
    json["layer_norm_eps"] = json!(1e-7);
    json["relative_attention"] = json!(true);
    json["position_buckets"] = json!(256);
    json["max_relative_positions"] = json!(-1);
    json["norm_rel_ebd"] = json!("layer_norm");
    json["share_att_key"] = json!(true);
    json["pos_att_type"] = json!(["p2c", "c2p"]);
    json["position_biased_input"] = json!(false);
    json["pooler_hidden_act"] = json!("gelu");
    json["pooler_dropout"] = json!(0.0);
    Ok(json)
}

/// A number that may be -1 for none.
fn count_or_none(fields: &Fields, key: &str) -> Result<usize> {
    match fields.get(&[key]).and_then(Value::as_i64) {
        Some(number) if number < 0 => Ok(0),
        _ => fields.count_or(&[key], 0),
    }
}

fn config(fields: &Fields) -> Result<Config> {
    let config = bert::config(fields, &LAYOUT)?;
    if fields.count_or(&["conv_kernel_size"], 0)? > 0 {
        bail!("model", "`conv_kernel_size` is set: the convolution of DeBERTa v2 xlarge is not supported");
    }
    if !fields.bool_or("relative_attention", false)? {
        bail!("model", "`relative_attention` is not true: a deberta-v2 is supported with it only");
    }
    let kinds: Vec<&str> = match fields.get(&["pos_att_type"]) {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kinds)) => kinds.split('|').map(str::trim).collect(),
        _ => Vec::new(),
    };
    let max_distance = match count_or_none(fields, "max_relative_positions")? {
        0 => config.max_positions,
        count => count,
    };
    let absolute = fields.bool_or("position_biased_input", true)?;
    let relative = Relative {
        buckets: count_or_none(fields, "position_buckets")?,
        max_distance,
        shared_keys: fields.bool_or("share_att_key", false)?,
        to_position: kinds.contains(&"c2p"),
        to_content: kinds.contains(&"p2c"),
        norm: fields.text_or(&["norm_rel_ebd"], "none").to_lowercase().contains("layer_norm"),
        absolute,
    };
    let act = fields.text_or(&["pooler_hidden_act"], "gelu");
    Ok(Config {
        embedding: fields.count_or(&["embedding_size"], config.hidden)?,
        token_types: fields.count_or(&["type_vocab_size"], 0)?,
        norm_eps: fields.float_or(&["layer_norm_eps"], 1e-7)?,
        relative: Some(relative),
        pooled_activation: Activation::named("model", act, &bert::ACTIVATIONS)?,
        ..config
    })
}

/// The projections of relative embeddings, if they don't share those of tokens.
fn distance_projections(relative: &Relative) -> Vec<&'static str> {
    let own = !relative.shared_keys;
    let wanted = [(relative.to_position, "pos_key_proj"), (relative.to_content, "pos_query_proj")];
    wanted.into_iter().filter(|(wanted, _)| own && *wanted).map(|(_, name)| name).collect()
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let (hidden, ff, embedding) = (config.hidden, config.ff, config.embedding);
    let Some(relative) = &config.relative else { return Vec::new() };
    let at = "deberta.embeddings";
    let mut specs = vec![TensorSpec::new(LAYOUT.embeddings, &[config.vocab, embedding], normal)];
    let positions = if relative.absolute { config.max_positions } else { 0 };
    for (name, rows) in [("position", positions), ("token_type", config.token_types)] {
        if rows > 0 {
            specs.push(TensorSpec::new(format!("{at}.{name}_embeddings.weight"), &[rows, embedding], normal));
        }
    }
    if embedding != hidden {
        specs.push(TensorSpec::new(format!("{PROJECTION}.weight"), &[hidden, embedding], normal));
    }
    bert::pair(&mut specs, &format!("{at}.LayerNorm"), &[hidden], Start::Ones);
    specs.push(TensorSpec::new(DISTANCES, &[2 * relative.span(), hidden], normal));
    if relative.norm {
        bert::pair(&mut specs, DISTANCE_NORM, &[hidden], Start::Ones);
    }
    for layer in 0..config.layers {
        let mut pair = |name: &str, weight: &[usize], start: Start| {
            bert::pair(&mut specs, &format!("{}{layer}.{name}", LAYOUT.blocks), weight, start);
        };
        for name in ["query_proj", "key_proj", "value_proj"].into_iter().chain(distance_projections(relative)) {
            pair(&format!("attention.self.{name}"), &[hidden, hidden], normal);
        }
        pair("attention.output.dense", &[hidden, hidden], normal);
        pair("attention.output.LayerNorm", &[hidden], Start::Ones);
        pair("intermediate.dense", &[ff, hidden], normal);
        pair("output.dense", &[hidden, ff], normal);
        pair("output.LayerNorm", &[hidden], Start::Ones);
    }
    specs
}

fn embed(pass: &Forward) -> Result<Tensor> {
    let config = pass.config();
    let of = |name: &str, ids: &[u32]| pass.embedding(&format!("deberta.embeddings.{name}_embeddings.weight"), ids);
    let mut x = of("word", pass.ids())?;
    if config.relative.is_some_and(|relative| relative.absolute) {
        x = ops::add(&x, &of("position", pass.positions())?)?;
    }
    if config.token_types > 0 {
        x = ops::add(&x, &of("token_type", &pass.token_types())?)?;
    }
    if config.embedding != config.hidden {
        x = pass.linear(PROJECTION, &x)?;
    }
    let x = pass.layer_norm("deberta.embeddings.LayerNorm", &x)?;
    pass.drop("embeddings", &x, config.dropout.embeddings)
}

/// The relative keys and queries, `[rows, heads, head_dim]`.
fn of_distances(pass: &Forward, at: &At, relative: &Relative) -> Result<[Option<Tensor>; 2]> {
    let mut table = pass.weight(DISTANCES)?;
    if relative.norm {
        table = pass.layer_norm(DISTANCE_NORM, &table)?;
    }
    let (heads, width) = (pass.config().heads as i64, pass.config().head_dim as i64);
    let project = |wanted: bool, own: &str, shared: &str| -> Result<Option<Tensor>> {
        if !wanted {
            return Ok(None);
        }
        let name = if relative.shared_keys { shared } else { own };
        let x = at.linear(&format!("attention.self.{name}"), &table)?;
        Ok(Some(ops::reshape(&x, &[-1, heads, width])?))
    };
    let keys = project(relative.to_position, "pos_key_proj", "key_proj")?;
    Ok([keys, project(relative.to_content, "pos_query_proj", "query_proj")?])
}

fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let part = |name: &str| at.heads(&at.linear(&format!("attention.self.{name}"), x)?, pass.config().heads);
    let (q, k, v) = (part("query_proj")?, part("key_proj")?, part("value_proj")?);
    let h = match &pass.config().relative {
        None => pass.attend(layer, &q, &k, &v)?,
        Some(relative) => {
            let [keys, queries] = of_distances(pass, &at, relative)?;
            pass.attend_by_distance(layer, [&q, &k, &v], [keys.as_ref(), queries.as_ref()], relative)?
        }
    };
    let x = at.layer_norm("attention.output.LayerNorm", &ops::add(&at.dropped("attention.output.dense", &h)?, x)?)?;
    let h = pass.config().activation.apply(&at.linear("intermediate.dense", &x)?)?;
    at.layer_norm("output.LayerNorm", &ops::add(&at.dropped("output.dense", &h)?, &x)?)
}
