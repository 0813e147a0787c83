//! Text generation, fast and quantized: the fused decoder and block-quantized weights compared with the model's own layers.

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use half::bf16;
use levain::kernel::matrix::Values;
use levain::kernel::{Precision, matvec, on_reference};
use levain::model::{Lora, Model, Reduce, Sampling, TokenRows};
use levain::tensor::{Array, DType, Device, Rng, no_grad};
use serde_json::{Map, json};
use std::path::Path;

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0f32; count];
    Rng::new(seed).fill_normal(&mut values);
    values
}

#[test]
fn rows_are_what_the_compiler_computes() {
    for (m, n, k) in [(1, 1, 1), (1, 7, 33), (3, 9, 64), (5, 6, 40), (9, 13, 100)] {
        let (x, w) = (random(m * k, 1), random(n * k, 2));
        let narrow: Vec<bf16> = w.iter().map(|&w| bf16::from_f32(w)).collect();
        for values in [Values::F32(&w), Values::Bf16(&narrow)] {
            let (mut fast, mut plain) = (vec![0.0; m * (n - n / 3)], vec![0.0; m * (n - n / 3)]);
            matvec::rows(&x, k, values, k, n / 3..n, &mut fast);
            matvec::plain_rows(&x, k, values, k, n / 3..n, &mut plain);
            for (fast, plain) in fast.iter().zip(&plain) {
                assert!((fast - plain).abs() < 1e-4, "{m} {n} {k}: {fast} and {plain}");
            }
            // a row beside others equals the row alone
            let mut alone = vec![0.0; n - n / 3];
            matvec::rows(&x[..k], k, values, k, n / 3..n, &mut alone);
            assert!(alone == fast[..alone.len()], "{m} {n} {k}");
        }
    }
}

fn config(model_type: &str) -> Map<String, serde_json::Value> {
    let mut config = json!({
        "model_type": model_type, "vocab_size": 64, "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 256, "max_position_embeddings": 128,
    });
    if model_type != "gpt2" {
        config["num_key_value_heads"] = json!(2);
    }
    config.as_object().cloned().unwrap()
}

/// A model whose logits are far enough apart that rounding does not decide.
fn lively(kind: &str, dtype: DType) -> Model {
    let net = Model::new(config(kind), None, 5, dtype).unwrap();
    for (name, weight) in net.weights().iter().filter(|(_, weight)| weight.dims().len() == 2) {
        net.set_weight(name, &(weight.value().unwrap() * 5.0).unwrap()).unwrap();
    }
    net
}

fn greedy(net: &Model, prompts: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let sampling = Sampling { max_new_tokens: 10, ..Sampling::default() };
    net.generate(prompts, &sampling, &Rng::new(0), |_, _| Ok(true)).unwrap()
}

fn prompts(count: u32) -> Vec<Vec<u32>> {
    (0..count).map(|row| (0..1 + row * 7 % 11).map(|at| (row * 13 + at * 5) % 64).collect()).collect()
}

#[test]
fn one_operation_writes_what_the_blocks_write() {
    for (kind, dtype, lora) in [
        ("llama", DType::F32, false),
        ("llama", DType::BF16, false),
        ("llama", DType::F32, true),
        ("qwen3", DType::F32, false),
    ] {
        let net = lively(kind, dtype);
        if lora {
            let layers = vec!["all-linear".into()];
            net.attach_lora(&Lora { rank: 4, alpha: 8.0, layers, seed: 1, ..Lora::default() }).unwrap();
            for adapter in net.weights().lora.values() {
                let dims = adapter.b.value().dims().to_vec();
                let numbers = random(dims.iter().product(), 3);
                adapter.b.as_param().unwrap().set(Array::from_vec(numbers, dims, &Device::Cpu).unwrap()).unwrap();
            }
        }
        let prompts = prompts(5);
        let (fast, slow) = (greedy(&net, &prompts), on_reference(|| greedy(&net, &prompts)));
        assert_eq!(fast, slow, "{kind} {dtype:?} {lora}");
        assert!(fast.iter().any(|ids| ids.iter().any(|id| *id != ids[0])), "{kind}: it writes one id only");
    }
}

#[test]
fn a_text_does_not_depend_on_its_neighbors_or_on_threads() {
    let net = lively("llama", DType::F32);
    // more than are generated at once
    let prompts = prompts(40);
    let together = greedy(&net, &prompts);
    for (prompt, together) in prompts.iter().zip(&together) {
        assert_eq!(greedy(&net, std::slice::from_ref(prompt))[0], *together);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| greedy(&net, &prompts)), together);
}

/// A llama in a `.gguf` file, its matrices quantized, with more metadata.
pub fn gguf(path: &Path, kind: GgmlDType, more: &[(&str, &str)]) {
    let config = Model::new(config("llama"), None, 5, DType::F32).unwrap().config();
    let (hidden, ff) = (config.hidden, config.ff);
    let mut tensors = Vec::new();
    let mut add = |name: String, rows: usize, columns: usize, kind: GgmlDType| {
        let numbers: Vec<f32> = if rows == 1 {
            random(columns, 9).iter().map(|x| 1.0 + 0.1 * x).collect()
        } else {
            random(rows * columns, tensors_seed(&name)).iter().map(|x| 0.1 * x).collect()
        };
        let dims: Vec<usize> = if rows == 1 { vec![columns] } else { vec![rows, columns] };
        let array = Array::from_vec(numbers, dims, &Device::Cpu).unwrap();
        tensors.push((name, QTensor::quantize(&array, kind).unwrap()));
    };
    add("token_embd.weight".into(), config.vocab, hidden, kind);
    add("output_norm.weight".into(), 1, hidden, GgmlDType::F32);
    for layer in 0..config.layers {
        for (name, rows, columns) in [
            ("attn_q", hidden, hidden),
            ("attn_k", hidden / 2, hidden),
            ("attn_v", hidden / 2, hidden),
            ("attn_output", hidden, hidden),
            ("ffn_gate", ff, hidden),
            ("ffn_up", ff, hidden),
            ("ffn_down", hidden, ff),
        ] {
            add(format!("blk.{layer}.{name}.weight"), rows, columns, kind);
        }
        for name in ["attn_norm", "ffn_norm"] {
            add(format!("blk.{layer}.{name}.weight"), 1, hidden, GgmlDType::F32);
        }
    }
    let whole = |value: usize| Value::U32(value as u32);
    let facts = [
        ("general.architecture", Value::String("llama".into())),
        ("llama.block_count", whole(config.layers)),
        ("llama.embedding_length", whole(hidden)),
        ("llama.feed_forward_length", whole(ff)),
        ("llama.attention.head_count", whole(config.heads)),
        ("llama.attention.head_count_kv", whole(config.kv_heads)),
        ("llama.context_length", whole(config.max_positions)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.freq_base", Value::F32(1e4)),
    ];
    let more = more.iter().map(|(name, value)| (*name, Value::String(value.to_string())));
    let facts: Vec<(&str, Value)> = facts.into_iter().chain(more).collect();
    let facts: Vec<(&str, &Value)> = facts.iter().map(|(name, value)| (*name, value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    gguf_file::write(&mut std::fs::File::create(path).unwrap(), &facts, &tensors).unwrap();
}

fn tensors_seed(name: &str) -> u64 {
    name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte))
}

/// The loss, and the gradients of a new adapter.
fn learn(net: &Model) -> (f32, Vec<Vec<f32>>) {
    let layers = vec!["all-linear".into()];
    net.attach_lora(&Lora { rank: 4, alpha: 8.0, layers, seed: 1, ..Lora::default() }).unwrap();
    for adapter in net.weights().lora.values() {
        let dims = adapter.b.value().dims().to_vec();
        let numbers = random(dims.iter().product(), 3).iter().map(|x| 0.01 * x).collect();
        adapter.b.as_param().unwrap().set(Array::from_vec(numbers, dims, &Device::Cpu).unwrap()).unwrap();
    }
    let ids: Vec<u32> = (0..60).map(|at| at * 17 % 64).collect();
    let labels: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let rows = TokenRows { rows: 2, length: 30, ids: &ids, labels: Some(&labels), ..TokenRows::default() };
    let loss = net.loss(&rows, Reduce::Mean, 0.0).unwrap();
    let grads = loss.backward().unwrap();
    let flat = |array: &Array| array.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    (flat(&loss.value())[0], grads.all().unwrap().into_iter().map(|(_, grad)| flat(&grad)).collect())
}

#[test]
fn a_quantized_base_is_the_widened_one() {
    let folder = tempfile::tempdir().unwrap();
    use GgmlDType::*;
    for kind in [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2K, Q3K, Q4K, Q5K, Q6K] {
        let path = folder.path().join("small.gguf");
        gguf(&path, kind, &[]);
        let (wide, kept) = (Model::open(&path, DType::F32).unwrap(), Model::open_quantized(&path, DType::F32).unwrap());
        assert_eq!(kept.precision(), Precision::Int8);
        kept.set_precision(Precision::F32);
        let name = "model.layers.1.self_attn.k_proj.weight";
        let flat = |net: &Model| net.weight(name).unwrap().value().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(flat(&wide) == flat(&kept), "{kind:?}: other numbers");
        assert_eq!(kept.parameters().len(), 5, "{kind:?}: only norms learn");
        let prompts = prompts(3);
        assert_eq!(greedy(&wide, &prompts), greedy(&kept, &prompts), "{kind:?}");
        assert_eq!(on_reference(|| greedy(&kept, &prompts)), greedy(&kept, &prompts), "{kind:?}: reference");
        let ((loss, grads), (kept_loss, kept_grads)) = (learn(&wide), learn(&kept));
        assert!((loss - kept_loss).abs() < 1e-5 * loss.abs(), "{kind:?}: {loss} and {kept_loss}");
        assert_eq!(grads.len(), kept_grads.len());
        for (a, b) in grads.iter().flatten().zip(kept_grads.iter().flatten()) {
            assert!((a - b).abs() < 1e-5 + 1e-3 * a.abs(), "{kind:?}: gradients {a} and {b}");
        }
        // as parameters again
        kept.detach_lora().unwrap();
        let error = kept.freeze("*k_proj*", false).unwrap_err().to_string();
        assert!(error.contains("quantized"), "{error}");
        kept.to(DType::F32).unwrap();
        assert!(flat(&wide) == flat(&kept));
        assert_eq!(kept.freeze("*k_proj*", false).unwrap(), 2);
    }
}

#[test]
fn eight_bits_are_near() {
    let net = lively("llama", DType::F32);
    let ids = [1, 2, 3, 4, 5];
    let rows = TokenRows { rows: 1, length: ids.len(), ids: &ids, ..TokenRows::default() };
    let logits = || no_grad(|| net.forward(&rows).unwrap().value().flatten_all().unwrap().to_vec1::<f32>().unwrap());
    let before = logits();
    net.quantize("quantize", "q8_0", None, None).unwrap();
    let after = logits();
    let size = before.iter().map(|x| x * x).sum::<f32>().sqrt();
    let off = before.iter().zip(&after).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    assert!(off > 0.0 && off < 0.05 * size, "{off} of {size}");
    let prompts = prompts(3);
    assert_eq!(greedy(&net, &prompts), on_reference(|| greedy(&net, &prompts)));
}
