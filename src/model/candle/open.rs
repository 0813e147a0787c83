//! Opens a folder as a candle model.

use super::engine::{CandleDecoder, model_types};
use super::no_training;
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::{Fields, read_json};
use crate::model::head::names::HeadNames;
use crate::model::open::generation;
use crate::model::spec::{Arch, Blueprint, Head};
use crate::model::{Model, Weights};
use crate::tensor::{DType, Tensor};
use crate::{Error, Result, bail, files};
use serde_json::{Map, Value};
use std::path::Path;

const HEAD: Head = Head {
    name: "causal",
    next_token: true,
    classes: false,
    output: |_| None,
    tensors: |_| Vec::new(),
    outputs: |_, _| no_training(),
    ties: |_| Vec::new(),
    targets: |_, _| no_training(),
    loss: |_, _, _, _| no_training(),
    peft_task: None,
};

/// The architecture of this `model_type`. It is leaked, once per opened model.
fn arch(model_type: &'static str) -> &'static Arch {
    let layout = Layout {
        model_type,
        embeddings: "",
        prefix: "",
        blocks: "",
        outer: &[],
        outputs: ["", ""],
        causal: true,
        heads: HeadNames::DECODER,
        transposed: false,
        renamed: &[],
        unused: &[],
        computed: &[],
    };
    Box::leak(Box::new(Arch {
        layout: Box::leak(Box::new(layout)),
        heads: &[("", &HEAD)],
        keys: &[],
        defaults: |_| no_training(),
        config: |_| no_training(),
        tensors: |_| Vec::new(),
        embed: |_| no_training(),
        block: |_, _, _| no_training::<Tensor>(),
        finish: |_, _| no_training(),
        gguf: None,
        decoder: None,
    }))
}

fn config(layout: &'static Layout, json: Map<String, Value>) -> Result<Config> {
    let fields = Fields(&json);
    let (hidden, heads) = (fields.count(&["hidden_size"])?, fields.count(&["num_attention_heads"])?);
    Ok(Config {
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        embedding: hidden,
        ff: fields.count_or(&["intermediate_size"], 0)?,
        layers: fields.count(&["num_hidden_layers"])?,
        heads,
        kv_heads: fields.count_or(&["num_key_value_heads"], heads)?,
        head_dim: fields.count_or(&["head_dim"], hidden / heads.max(1))?,
        max_positions: fields.count_or(&["max_position_embeddings"], 2048)?,
        activation: Activation::Silu,
        tied: fields.bool_or("tie_word_embeddings", false)?,
        eos: fields.ids("eos_token_id"),
        json,
        ..Config::base(layout)
    })
}

impl Model {
    /// Opens a Hugging Face folder of an architecture of candle-transformers, computed in `dtype`.
    pub fn open_candle(path: &Path, dtype: DType) -> Result<Model> {
        let place = path.join("config.json");
        files::readable("model", &place)?;
        files::settle("model", path)?;
        let Value::Object(json) = read_json(&place)? else {
            bail!("model", "{}: not a JSON object", place.display());
        };
        let model_type = Fields(&json).text("model_type")?;
        let names = model_types()?;
        let Some(model_type) = names.iter().copied().find(|name| *name == model_type) else {
            return Err(Error::new("model", format!("engine \"candle\" has no model_type `{model_type}`"))
                .choose(model_type, names));
        };
        let arch = arch(model_type);
        let config = config(arch.layout, json)?;
        let decoder = CandleDecoder::open(path, &config.json, dtype)?;
        let net = Model::assemble(Blueprint { arch, head: &HEAD, config }, Weights::default());
        let mut inner = net.write();
        inner.source = Some(files::full(path).unwrap_or_else(|| path.into()));
        inner.generation = generation(path)?;
        inner.candle = Some(decoder.into());
        drop(inner);
        Ok(net)
    }
}
