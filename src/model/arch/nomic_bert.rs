//! Nomic BERT (Nussbaum et al. 2024): BERT with rotary positions and gated feed-forward layers, without biases in its products.
//! Its weights have the names in the files, which transformers renames on opening.

use super::bert;
use crate::Result;
use crate::bail;
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout, Rope};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::head::names::{DenseNames, HeadNames, MaskedNames};
use crate::model::head::{embed, masked, sequence, token};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::nn::RotaryScaling;
use crate::tensor::{Tensor, nn, ops};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout {
    model_type: "nomic_bert",
    embeddings: "nomic_bert.embeddings.word_embeddings.weight",
    prefix: "nomic_bert.",
    blocks: "nomic_bert.encoder.layers.",
    outputs: ["attn.out_proj", "mlp.fc2"],
    heads: HeadNames {
        masked: Some(MaskedNames { norm: "cls.predictions.transform.layer_norm", ..bert::MASKED }),
        dense: Some(DenseNames { name: "nomic_bert.pooler.dense", norm: None, of_tokens: false }),
        ..HeadNames::ENCODER
    },
    unused: &["nomic_bert.pooler."],
    ..bert::LAYOUT
};

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("NomicBertForMaskedLM", &masked::HEAD),
        ("NomicBertForSequenceClassification", &sequence::HEAD),
        ("NomicBertForTokenClassification", &token::HEAD),
        ("NomicBertModel", &embed::HEAD),
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
    json["max_position_embeddings"] = json!(2048);
    json["hidden_act"] = json!("silu");
    json["rope_parameters"] = json!({ "rope_type": "default", "rope_theta": 1000.0 });
    Ok(json)
}

/// The keys of transformers 5, and those of earlier files.
fn config(fields: &Fields) -> Result<Config> {
    let hidden = fields.count(&["hidden_size", "n_embd"])?;
    let layers = fields.layers(&["num_hidden_layers", "n_layer"])?;
    let heads = fields.count(&["num_attention_heads", "n_head"])?;
    let head_dim = fields.count_or(&["head_dim"], hidden / heads.max(1))?;
    if head_dim * heads != hidden {
        bail!("model", "{heads} heads of {head_dim} are not a hidden_size of {hidden}");
    }
    let max_positions = fields.count_or(&["max_position_embeddings", "n_positions"], 2048)?;
    let activation = match fields.text_or(&["hidden_act", "activation_function"], "silu") {
        "swiglu" => Activation::Silu,
        name => Activation::named("model", name, &bert::ACTIVATIONS)?,
    };
    let rope = match fields.under("rope_parameters") {
        Some(own) => {
            let theta = own.float_or(&["rope_theta"], 1000.0)?;
            Rope { theta, ..fields.rope_of(Some(&own), head_dim, max_positions)? }
        }
        None => {
            let theta = fields.float_or(&["rope_theta", "rotary_emb_base"], 1000.0)?;
            Rope { theta, scaling: RotaryScaling::None, partial: 1.0 }
        }
    };
    Ok(Config {
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        embedding: hidden,
        ff: fields.count_or(&["intermediate_size", "n_inner"], 4 * hidden)?,
        layers,
        layer_groups: layers,
        heads,
        kv_heads: heads,
        head_dim,
        max_positions,
        token_types: fields.count_or(&["type_vocab_size"], 2)?,
        norm_eps: fields.float_or(&["layer_norm_eps", "layer_norm_epsilon"], 1e-12)?,
        rope: Some(rope),
        windows: vec![None; layers],
        qkv_bias: false,
        out_bias: false,
        mlp_bias: false,
        activation,
        masked_activation: activation,
        tied: fields.bool_or("tie_word_embeddings", true)?,
        init_range: fields.float_or(&["initializer_range"], 0.02)?,
        ..Config::base(&LAYOUT)
    })
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let (hidden, ff) = (config.hidden, config.ff);
    let mut specs = vec![TensorSpec::new(LAYOUT.embeddings, &[config.vocab, hidden], normal)];
    if config.token_types > 0 {
        specs.push(TensorSpec::new(TYPES, &[config.token_types, hidden], normal));
    }
    bert::pair(&mut specs, "nomic_bert.emb_ln", &[hidden], Start::Ones);
    for layer in 0..config.layers {
        let at = |name: &str| format!("{}{layer}.{name}", LAYOUT.blocks);
        let products = [
            ("attn.Wqkv", [3 * hidden, hidden]),
            ("attn.out_proj", [hidden, hidden]),
            ("mlp.fc11", [ff, hidden]),
            ("mlp.fc12", [ff, hidden]),
            ("mlp.fc2", [hidden, ff]),
        ];
        for (name, shape) in products {
            specs.push(TensorSpec::new(format!("{}.weight", at(name)), &shape, normal));
        }
        bert::pair(&mut specs, &at("norm1"), &[hidden], Start::Ones);
        bert::pair(&mut specs, &at("norm2"), &[hidden], Start::Ones);
    }
    specs
}

const TYPES: &str = "nomic_bert.embeddings.token_type_embeddings.weight";

fn embed(pass: &Forward) -> Result<Tensor> {
    let mut x = pass.embedding(LAYOUT.embeddings, pass.ids())?;
    if pass.config().token_types > 0 {
        x = ops::add(&x, &pass.embedding(TYPES, &pass.token_types())?)?;
    }
    let x = pass.layer_norm("nomic_bert.emb_ln", &x)?;
    pass.drop("embeddings", &x, pass.config().dropout.embeddings)
}

fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let (config, hidden) = (pass.config(), pass.config().hidden as i64);
    let qkv = at.linear("attn.Wqkv", x)?;
    let part = |which: i64| at.heads(&ops::narrow(&qkv, -1, which * hidden, hidden)?, config.heads);
    let h = pass.attend(layer, &pass.rotate(&part(0)?)?, &pass.rotate(&part(1)?)?, &part(2)?)?;
    let x = at.layer_norm("norm1", &ops::add(x, &at.dropped("attn.out_proj", &h)?)?)?;
    let (up, gate) = (at.linear("mlp.fc11", &x)?, at.linear("mlp.fc12", &x)?);
    let h = match config.activation {
        Activation::Silu => nn::swiglu(&gate, &up)?,
        other => ops::multiply(&other.apply(&gate)?, &up)?,
    };
    at.layer_norm("norm2", &ops::add(&x, &at.dropped("mlp.fc2", &h)?)?)
}
