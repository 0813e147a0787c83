//! Rotary scalings compared with transformers (`tests/data/rope/make.py`): sequences of pretraining length and longer, read at
//! once and generated token by token.

use levain::format::safetensors::Safetensors;
use levain::model::{Model, Reduce, Sampling, TokenRows};
use levain::tensor::{Array, DType, Rng, no_grad};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rope")
}

fn cases() -> Map<String, Value> {
    serde_json::from_str(&std::fs::read_to_string(data().join("cases.json")).unwrap()).unwrap()
}

/// The model of a case, opened.
fn open(more: &Value) -> levain::Result<Model> {
    let base = data().join("base");
    let folder = tempfile::tempdir().unwrap();
    let mut config: Map<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(base.join("config.json")).unwrap()).unwrap();
    config.extend(more.as_object().unwrap().clone());
    std::fs::write(folder.path().join("config.json"), serde_json::to_string(&config).unwrap()).unwrap();
    std::fs::copy(base.join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    Model::open(folder.path(), DType::F32)
}

fn ids(expect: &Safetensors, name: &str) -> Vec<u32> {
    let ids: Vec<i64> = expect.read(name).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    ids.into_iter().map(|id| id as u32).collect()
}

fn flat(array: Array) -> Vec<f32> {
    array.flatten_all().unwrap().to_vec1().unwrap()
}

fn logits(net: &Model, ids: &[u32]) -> Vec<f32> {
    let rows = TokenRows { rows: 1, length: ids.len(), ids, ..TokenRows::default() };
    flat(no_grad(|| net.forward(&rows)).unwrap().value())
}

fn written(net: &Model, prompt: &[u32]) -> Vec<u32> {
    let sampling = Sampling { max_new_tokens: 12, ..Sampling::default() };
    net.generate(&[prompt.to_vec()], &sampling, &Rng::new(0), |_, _| Ok(true)).unwrap().remove(0)
}

#[test]
fn scalings_are_those_of_transformers() {
    let expect = Safetensors::open(data().join("expect.safetensors")).unwrap();
    let mut wrong = Vec::new();
    for (name, more) in cases() {
        let net = open(&more).unwrap();
        for what in ["short", "long", "short"] {
            let want = flat(expect.read(&format!("{name}/{what}")).unwrap());
            let got = logits(&net, &ids(&expect, what));
            let far = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            if got.len() != want.len() || far > 5e-5 {
                wrong.push(format!("{name} {what}: {far:e}"));
            }
        }
        let key = format!("{name}/new");
        if expect.contains(&key) && written(&net, &ids(&expect, "prompt")) != ids(&expect, &key) {
            wrong.push(format!("{name}: it writes something else"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_text_that_grows_beyond_pretraining_is_the_text_read_at_once() {
    for (name, more) in cases().into_iter().filter(|(name, _)| name.starts_with("longrope")) {
        let net = open(&more).unwrap();
        // across the boundary, beyond it, and beside rows of other lengths
        let prompts: Vec<Vec<u32>> =
            [4, 11, 12, 13, 20].map(|count| (0..count).map(|at| at * 5 % 48).collect()).to_vec();
        let sampling = Sampling { max_new_tokens: 12, ..Sampling::default() };
        let together = net.generate(&prompts, &sampling, &Rng::new(0), |_, _| Ok(true)).unwrap();
        for (prompt, new) in prompts.iter().zip(together) {
            assert_eq!(written(&net, prompt), new, "{name}: it depends on its neighbors");
            let mut ids = prompt.clone();
            for id in new {
                let all = logits(&net, &ids);
                let last = &all[all.len() - 48..];
                let best = (0..48).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
                assert_eq!(best as u32, id, "{name} after {} ids", ids.len());
                ids.push(id);
            }
        }
    }
}

/// The rotation also scales; its gradient is checked by a finite difference along the gradient.
#[test]
fn gradients_flow_through_scaled_rotations() {
    for name in ["yarn-attention", "longrope-attention", "dynamic"] {
        let net = open(&cases()[name]).unwrap();
        let ids: Vec<u32> = (0..40).map(|at| at * 11 % 48).collect();
        let labels: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let rows = TokenRows { rows: 1, length: 40, ids: &ids, labels: Some(&labels), ..TokenRows::default() };
        let loss = || net.loss(&rows, Reduce::Mean, 0.0).unwrap();
        let weight = net.weight("model.layers.0.self_attn.q_proj.weight").unwrap();
        let grad = loss().backward().unwrap().of(&weight).unwrap();
        let square: f32 = flat(grad.sqr().unwrap()).iter().sum();
        let held = weight.value();
        let step = 1e-3 / square.sqrt();
        let at = |by: f32| {
            weight.as_param().unwrap().set((&held + (&grad * f64::from(by)).unwrap()).unwrap()).unwrap();
            f64::from(loss().value().to_scalar::<f32>().unwrap())
        };
        let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
        assert!((slope / f64::from(square) - 1.0).abs() < 0.02, "{name}: {slope} instead of {square}");
    }
}

#[test]
fn a_scaling_that_is_not_whole_is_refused() {
    let fault = |rope: Value| match open(&serde_json::json!({ "rope_scaling": rope })) {
        Ok(_) => panic!("{rope} was taken"),
        Err(error) => error.to_string(),
    };
    let json = |text: &str| serde_json::from_str(text).unwrap();
    assert!(fault(json(r#"{ "rope_type": "spiral" }"#)).contains("`spiral` is not supported"));
    assert!(fault(json(r#"{ "rope_type": "dynamic" }"#)).contains("`factor` of the rotary scaling is missing"));
    assert!(
        fault(json(r#"{ "rope_type": "longrope", "short_factor": [1], "long_factor": [1] }"#)).contains("4 numbers")
    );
    assert!(fault(json(r#"{ "rope_type": "yarn", "factor": "two" }"#)).contains("`factor` is \"two\""));
    assert!(
        fault(json(r#"{ "rope_type": "default", "partial_rotary_factor": 0.5 }"#)).contains("partial_rotary_factor")
    );
}
