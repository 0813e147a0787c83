//! Our models beside candle-transformers', which serve inference alone: the same weights give the same logits.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{llama, qwen2, qwen3};
use levain::model::{Model, Rows};
use levain::tensor::no_grad;
use std::path::{Path, PathBuf};

const IDS: [u32; 12] = [5, 17, 99, 3, 64, 120, 7, 42, 42, 1, 88, 13];

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity").join(case)
}

/// The fixture's config, with `rope_theta` where older versions of transformers wrote it.
fn config(case: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(folder(case).join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let theta = config["rope_parameters"]["rope_theta"].clone();
    let fields = config.as_object_mut().unwrap();
    fields.entry("rope_theta").or_insert(theta);
    for (name, value) in [("sliding_window", 1 << 16), ("max_window_layers", 0)] {
        if fields.get(name).is_none_or(serde_json::Value::is_null) {
            fields.insert(name.into(), value.into());
        }
    }
    fields.insert("use_sliding_window".into(), false.into());
    config
}

fn weights(case: &str) -> VarBuilder<'static> {
    let tensors = candle_core::safetensors::load(folder(case).join("model.safetensors"), &Device::Cpu).unwrap();
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

/// Logits after every prefix of the ids, ours and theirs, at most this far apart.
fn same(case: &str, mut theirs: impl FnMut(&Tensor) -> candle_core::Result<Tensor>) {
    let net = Model::open(&folder(case), DType::F32).unwrap();
    for length in 1..=IDS.len() {
        let ids = &IDS[..length];
        let rows = Rows { rows: 1, length, ids, ..Rows::default() };
        let ours = no_grad(|| net.forward(&rows).unwrap().value().clone());
        let ours = ours.flatten_to(D::Minus2).unwrap().get(length - 1).unwrap();
        let theirs = theirs(&Tensor::new(ids, &Device::Cpu).unwrap().unsqueeze(0).unwrap()).unwrap();
        let theirs = theirs.flatten_all().unwrap();
        assert_eq!(ours.dims(), theirs.dims(), "{case}");
        let apart = (&ours - &theirs).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(apart < 2e-5, "{case}, {length} ids: {apart}");
    }
}

#[test]
fn llama_gives_what_candle_transformers_gives() {
    for case in ["llama", "llama-tied"] {
        let config: llama::LlamaConfig = serde_json::from_value(config(case)).unwrap();
        let config = config.into_config(false);
        let net = llama::Llama::load(weights(case), &config).unwrap();
        same(case, |ids| net.forward(ids, 0, &mut llama::Cache::new(false, DType::F32, &config, &Device::Cpu)?));
    }
}

#[test]
fn qwen2_gives_what_candle_transformers_gives() {
    let config: qwen2::Config = serde_json::from_value(config("qwen2")).unwrap();
    same("qwen2", |ids| qwen2::ModelForCausalLM::new(&config, weights("qwen2"))?.forward(ids, 0));
}

#[test]
fn qwen3_gives_what_candle_transformers_gives() {
    let config: qwen3::Config = serde_json::from_value(config("qwen3")).unwrap();
    same("qwen3", |ids| qwen3::ModelForCausalLM::new(&config, weights("qwen3"))?.forward(ids, 0));
}
