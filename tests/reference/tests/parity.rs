//! The same weights give the same logits.

use candle_core::{D, DType, Device, Tensor};
use levain::model::{Model, TokenRows};
use levain::tensor::no_grad;
use levain_candle::Decoder;
use serde_json::Value;
use std::path::{Path, PathBuf};

const IDS: [u32; 12] = [5, 17, 99, 3, 64, 120, 7, 42, 42, 1, 88, 13];

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/parity").join(case)
}

fn theirs(case: &str) -> Decoder {
    let text = std::fs::read_to_string(folder(case).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    // what candle-transformers has not got; the fixtures are shorter than their windows
    config["use_sliding_window"] = false.into();
    let tensors = candle_core::safetensors::load(folder(case).join("model.safetensors"), &Device::Cpu).unwrap();
    Decoder::new(&config, tensors, DType::F32).unwrap()
}

/// Logits after every prefix of the ids, ours and theirs, at most this far apart.
fn same(case: &str) {
    let ours = Model::open(&folder(case), DType::F32).unwrap();
    let mut theirs = theirs(case);
    for length in 1..=IDS.len() {
        let ids = &IDS[..length];
        let rows = TokenRows { rows: 1, length, ids, ..TokenRows::default() };
        let ours = no_grad(|| ours.forward(&rows).unwrap().value().clone());
        let ours = ours.flatten_to(D::Minus2).unwrap().get(length - 1).unwrap();
        theirs.clear().unwrap();
        let theirs = Tensor::new(theirs.step(ids, 1, 0).unwrap(), &Device::Cpu).unwrap();
        assert_eq!(ours.dims(), theirs.dims(), "{case}");
        let apart = (&ours - &theirs).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(apart < 2e-5, "{case}, {length} ids: {apart}");
    }
}

#[test]
fn llama_gives_what_candle_transformers_gives() {
    for case in ["llama", "llama-tied"] {
        same(case);
    }
}

#[test]
fn qwen2_gives_what_candle_transformers_gives() {
    same("qwen2");
}

#[test]
fn qwen3_gives_what_candle_transformers_gives() {
    same("qwen3");
}
