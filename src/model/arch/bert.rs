//! BERT (Devlin et al. 2019): an encoder with learned positions and token types, a layer norm after each sublayer, and
//! biases everywhere.

use crate::format::gguf::Value as Meta;
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::gguf::names::{GgufNames, POOLING, POOLINGS, TOKEN_TYPES, fact, fact_or};
use crate::model::head::names::{DenseNames, HeadNames, MaskedNames};
use crate::model::head::{embed, masked, next_sentence, pretraining, sequence, token};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::{Tensor, ops};
use crate::{Result, bail};
use serde_json::{Value, json};

pub const MASKED: MaskedNames = MaskedNames {
    prefixes: &["cls.predictions."],
    dense: "cls.predictions.transform.dense",
    norm: "cls.predictions.transform.LayerNorm",
    decoder: "cls.predictions.decoder",
    bias: "cls.predictions.bias",
};

pub const LAYOUT: Layout = Layout {
    model_type: "bert",
    embeddings: "bert.embeddings.word_embeddings.weight",
    prefix: "bert.",
    blocks: "bert.encoder.layer.",
    outer: &[],
    outputs: ["attention.output.dense", "output.dense"],
    causal: false,
    heads: HeadNames {
        masked: Some(MASKED),
        dense: Some(DenseNames { name: "bert.pooler.dense", norm: None, of_tokens: false }),
        pair: "cls.seq_relationship",
        ..HeadNames::ENCODER
    },
    transposed: false,
    renamed: &[(".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")],
    // the pooler and the next-sentence head, in the files of most masked models
    unused: &["bert.pooler.", "cls.seq_relationship."],
    computed: &["embeddings.position_ids"],
};

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("BertForMaskedLM", &masked::HEAD),
        ("BertForPreTraining", &pretraining::HEAD),
        ("BertForNextSentencePrediction", &next_sentence::HEAD),
        ("BertForSequenceClassification", &sequence::HEAD),
        ("BertForTokenClassification", &token::HEAD),
        ("BertModel", &embed::HEAD),
    ],
    keys: &[],
    defaults,
    config: |fields| config(fields, &LAYOUT),
    tensors,
    embed: |pass| embeddings(pass, pass.positions()),
    block,
    finish: |_, x| Ok(x.clone()),
    gguf: Some(&GGUF),
    decoder: None,
};

const GGUF: GgufNames = GgufNames {
    architecture: "bert",
    head: embed::HEAD.name,
    matches: |_| true,
    facts: &[
        fact("hidden_size", "embedding_length"),
        fact("intermediate_size", "feed_forward_length"),
        fact("num_hidden_layers", "block_count"),
        fact("num_attention_heads", "attention.head_count"),
        fact("max_position_embeddings", "context_length"),
        fact_or("layer_norm_eps", "attention.layer_norm_epsilon", |_| json!(1e-12)),
    ],
    more: |file, json| {
        json["type_vocab_size"] = json!(file.header.int(TOKEN_TYPES).unwrap_or(2));
        json["tie_word_embeddings"] = json!(true);
        Ok(())
    },
    rest: |config| {
        let Some((_, pooling)) = POOLINGS.iter().find(|(pooling, _)| *pooling == config.pooling) else {
            bail!("save", "llama.cpp has no pooling `{}`", config.pooling.name());
        };
        if !matches!(config.activation, Activation::Gelu | Activation::GeluTanh) {
            bail!("save", "the activation is not gelu, which is llama.cpp's for a bert");
        }
        Ok(vec![(POOLING, Meta::Int(*pooling)), ("attention.causal", Meta::Bool(false))])
    },
    outer: &[
        ("bert.embeddings.position_embeddings.weight", "position_embd.weight"),
        ("bert.embeddings.token_type_embeddings.weight", "token_types.weight"),
        ("bert.embeddings.LayerNorm.weight", "token_embd_norm.weight"),
        ("bert.embeddings.LayerNorm.bias", "token_embd_norm.bias"),
    ],
    inner: &[&[
        ("attention.self.query", "attn_q"),
        ("attention.self.key", "attn_k"),
        ("attention.self.value", "attn_v"),
        ("attention.output.dense", "attn_output"),
        ("attention.output.LayerNorm", "attn_output_norm"),
        ("intermediate.dense", "ffn_up"),
        ("output.dense", "ffn_down"),
        ("output.LayerNorm", "layer_output_norm"),
    ]],
    interleaved: &[],
    norms_from_one: false,
    longrope: false,
};

/// Supported activations of an encoder's feed-forward layer.
pub const ACTIVATIONS: [Activation; 5] =
    [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu, Activation::Tanh];

pub fn defaults(fields: &Fields) -> Result<Value> {
    let hidden = fields.count(&["hidden_size"])?;
    let heads = fields.heads(hidden)?;
    fields.head_dim(hidden, heads)?;
    Ok(json!({
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": fields.layers(&["num_hidden_layers"])?,
        "num_attention_heads": heads,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "initializer_range": 0.02,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout": null,
        "tie_word_embeddings": true,
        "pad_token_id": 0,
    }))
}

/// The config of BERT and of architectures that differ from it only in names.
pub fn config(fields: &Fields, layout: &'static Layout) -> Result<Config> {
    let model = layout.model_type;
    let hidden = fields.count(&["hidden_size"])?;
    let layers = fields.layers(&["num_hidden_layers"])?;
    let heads = fields.count(&["num_attention_heads"])?;
    let positions = fields.text_or(&["position_embedding_type"], "absolute");
    if positions != "absolute" {
        bail!("model", "`position_embedding_type` is `{positions}`, and only absolute is supported");
    }
    if fields.bool_or("is_decoder", false)? {
        bail!("model", "`is_decoder` is true, and a {model} is supported as an encoder only");
    }
    if !hidden.is_multiple_of(heads.max(1)) {
        bail!("model", "hidden_size {hidden} is not divisible by {heads} heads");
    }
    let activation = Activation::named("model", fields.text_or(&["hidden_act"], "gelu"), &ACTIVATIONS)?;
    Ok(Config {
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        embedding: hidden,
        ff: fields.count_or(&["intermediate_size"], 4 * hidden)?,
        layers,
        layer_groups: layers,
        heads,
        kv_heads: heads,
        head_dim: hidden / heads.max(1),
        max_positions: fields.count_or(&["max_position_embeddings"], 512)?,
        token_types: fields.count_or(&["type_vocab_size"], 2)?,
        norm_eps: fields.float_or(&["layer_norm_eps"], 1e-12)?,
        windows: vec![None; layers],
        activation,
        masked_activation: activation,
        tied: fields.bool_or("tie_word_embeddings", true)?,
        init_range: fields.float_or(&["initializer_range"], 0.02)?,
        ..Config::base(layout)
    })
}

/// A weight with its bias of `rows` numbers.
pub fn pair(specs: &mut Vec<TensorSpec>, name: &str, weight: &[usize], start: Start) {
    specs.push(TensorSpec::new(format!("{name}.weight"), weight, start));
    specs.push(TensorSpec::new(format!("{name}.bias"), &weight[..1], Start::Zeros));
}

/// The embeddings of tokens, positions and types, and their norm.
pub fn embedding_tensors(config: &Config) -> Vec<TensorSpec> {
    let (at, normal) = (format!("{}embeddings", config.layout.prefix), Start::Normal(config.init_range));
    let positions = config.max_positions + config.first_position;
    let mut specs = Vec::new();
    for (name, rows) in [("word", config.vocab), ("position", positions), ("token_type", config.token_types)] {
        if rows > 0 {
            specs.push(TensorSpec::new(format!("{at}.{name}_embeddings.weight"), &[rows, config.embedding], normal));
        }
    }
    pair(&mut specs, &format!("{at}.LayerNorm"), &[config.embedding], Start::Ones);
    specs
}

pub fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let (hidden, ff) = (config.hidden, config.ff);
    let mut specs = embedding_tensors(config);
    for layer in 0..config.layers {
        let mut pair = |name: &str, weight: &[usize], start: Start| {
            pair(&mut specs, &format!("{}{layer}.{name}", config.layout.blocks), weight, start);
        };
        for name in ["query", "key", "value"] {
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

/// The normalized sum of a token's embedding, its type's and its position's.
pub fn embeddings(pass: &Forward, positions: &[u32]) -> Result<Tensor> {
    let at = format!("{}embeddings", pass.config().layout.prefix);
    let of = |name: &str, ids: &[u32]| pass.embedding(&format!("{at}.{name}_embeddings.weight"), ids);
    let mut sum = of("word", pass.ids())?;
    // in the order of transformers, for equal bits
    if pass.config().token_types > 0 {
        sum = ops::add(&sum, &of("token_type", &pass.token_types())?)?;
    }
    let x = pass.at(at.as_str()).layer_norm("LayerNorm", &ops::add(&sum, &of("position", positions)?)?)?;
    pass.drop("embeddings", &x, pass.config().dropout.embeddings)
}

pub fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", pass.config().layout.blocks));
    let part = |name: &str| at.heads(&at.linear(&format!("attention.self.{name}"), x)?, pass.config().heads);
    let h = pass.attend(layer, &part("query")?, &part("key")?, &part("value")?)?;
    let x = at.layer_norm("attention.output.LayerNorm", &ops::add(&at.dropped("attention.output.dense", &h)?, x)?)?;
    let h = pass.config().activation.apply(&at.linear("intermediate.dense", &x)?)?;
    at.layer_norm("output.LayerNorm", &ops::add(&at.dropped("output.dense", &h)?, &x)?)
}
