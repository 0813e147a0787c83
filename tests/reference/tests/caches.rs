//! Every architecture behind the door: a text that is read at once, and id by id in a batch, has the same logits.

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use levain_candle::{Decoder, model_types};
use serde_json::{Value, json};
use std::collections::HashMap;

const VOCAB: usize = 48;
const ROWS: [[u32; 6]; 3] = [[5, 17, 9, 3, 40, 2], [7, 7, 7, 1, 0, 47], [30, 2, 11, 19, 23, 29]];

/// A small config with the keys that transformers writes for this architecture.
fn config(name: &str) -> Value {
    let mut config = json!({
        "model_type": name,
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-6,
        "rope_parameters": { "rope_type": "default", "rope_theta": 10000.0 },
    });
    if !name.starts_with("gemma") {
        config["hidden_act"] = "silu".into();
    }
    let more = match name {
        "gemma2" => json!({ "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0, "sliding_window": 32 }),
        "phi" => json!({ "hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "num_key_value_heads": 4 }),
        "qwen2_moe" => json!({
            "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16, "num_experts_per_tok": 2, "num_experts": 4,
        }),
        "qwen3_moe" => json!({ "moe_intermediate_size": 16, "num_experts_per_tok": 2, "num_experts": 4 }),
        "starcoder2" => json!({ "hidden_act": "gelu_pytorch_tanh", "norm_epsilon": 1e-5 }),
        _ => json!({}),
    };
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// Numbers that are the same in every run, about as large as a new model's.
fn filled(shape: &[usize], name: &str) -> Tensor {
    let seed = name.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let norm = shape.len() == 1 && name.ends_with("norm.weight");
    let number = |at: usize| {
        let x = (seed.wrapping_add(at as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        (x as f32 / (1 << 24) as f32 - 0.5) * 0.3 + if norm { 1.0 } else { 0.0 }
    };
    let numbers: Vec<f32> = (0..shape.iter().product()).map(number).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

fn open(config: &Value) -> Decoder {
    let asked = VarMap::new();
    Decoder::build(config, VarBuilder::from_varmap(&asked, DType::F32, &Device::Cpu)).unwrap();
    let asked = asked.data().lock().unwrap();
    let tensors: HashMap<String, Tensor> =
        asked.iter().map(|(name, var)| (name.clone(), filled(var.dims(), name))).collect();
    Decoder::new(config, tensors, DType::F32).unwrap()
}

#[test]
fn what_is_read_at_once_and_id_by_id_has_the_same_logits() {
    for name in model_types() {
        let mut net = open(&config(name));
        let whole: Vec<Vec<f32>> = ROWS
            .iter()
            .map(|row| {
                net.clear().unwrap();
                net.step(row, 1, 0).unwrap_or_else(|error| panic!("{name}: {error}"))
            })
            .collect();
        net.clear().unwrap();
        let mut last = Vec::new();
        for at in 0..ROWS[0].len() {
            let ids: Vec<u32> = ROWS.iter().map(|row| row[at]).collect();
            last = net.step(&ids, ROWS.len(), at).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(last.len(), ROWS.len() * VOCAB, "{name}");
        for (whole, stepped) in whole.iter().zip(last.chunks(VOCAB)) {
            let apart = whole.iter().zip(stepped).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-4, "{name}: {apart}");
        }
        assert!(whole[0] != whole[1], "{name} does not look at its ids");
    }
}

#[test]
fn an_architecture_that_is_not_there_is_named() {
    let error = Decoder::new(&json!({ "model_type": "gemmma" }), HashMap::new(), DType::F32).err().unwrap();
    assert!(error.to_string().contains("model_type `gemmma` is not one of gemma, gemma2"), "{error}");
}
