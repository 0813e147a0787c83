//! Properties of models that scripts can't observe: malicious files, equal bits, and a real model if one is given.

use levain::Result;
use levain::format::safetensors::{self, Safetensors};
use levain::model::{Embeddings, Lora, Model, Reduce, Sampling, Saving, TokenRows};
use levain::tensor::{Array, DType, Device, Rng, Tensor, no_grad};
use levain::token::Tokenizer;
use serde_json::json;
use std::path::{Path, PathBuf};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity").join(name)
}

fn open(name: &str) -> Model {
    Model::open(&case(name), DType::F32).unwrap()
}

fn rows(ids: &[u32]) -> TokenRows<'_> {
    TokenRows { rows: 1, length: ids.len(), ids, ..TokenRows::default() }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.value().flatten_all().unwrap().to_vec1().unwrap()
}

fn logits(net: &Model, ids: &[u32]) -> Vec<f32> {
    no_grad(|| flat(&net.forward(&rows(ids)).unwrap()))
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn fault<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => format!("{error} / {}", error.advice().unwrap_or_default()),
    }
}

/// A copy of a case in a folder of its own, to corrupt it.
fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(case(name).join(file), folder.path().join(file)).unwrap();
    }
    folder
}

const DECODERS: [&str; 11] = [
    "phi3",
    "phi3-longrope",
    "llama",
    "llama-tied",
    "llama3-rope",
    "mistral",
    "qwen2",
    "qwen3",
    "gpt2",
    "gemma2",
    "gemma3",
];

#[test]
fn writing_with_a_cache_is_the_forward_without() {
    for name in DECODERS {
        let net = open(name);
        let prompts: Vec<Vec<u32>> = vec![vec![5, 6, 7], (3..30).collect(), vec![9]];
        let sampling = Sampling { max_new_tokens: 12, ..Sampling::default() };
        let together = net.generate(&prompts, &sampling, &Rng::new(1), |_, _| Ok(true)).unwrap();
        for (prompt, written) in prompts.iter().zip(&together) {
            let mut ids = prompt.clone();
            for id in written {
                let all = logits(&net, &ids);
                let last = &all[all.len() - net.config().vocab..];
                let best = (0..last.len()).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
                assert_eq!(best as u32, *id, "{name} after {ids:?}");
                ids.push(*id);
            }
            let alone = net.generate(std::slice::from_ref(prompt), &sampling, &Rng::new(1), |_, _| Ok(true)).unwrap();
            assert_eq!(alone[0], *written, "{name}: a row alone");
        }
    }
}

#[test]
fn sampling_draws_what_it_may() {
    let logits = [1.0, 3.0, 2.0, -1.0, f32::NEG_INFINITY];
    let draw =
        |sampling: &Sampling, seed: u64| sampling.choose(&mut logits.clone(), &[1], &mut Rng::new(seed)).unwrap();
    let all = |sampling: Sampling| {
        let mut seen: Vec<u32> = (0..400).map(|seed| draw(&sampling, seed)).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    };
    let one = Sampling { temperature: 1.0, ..Sampling::default() };
    assert_eq!(draw(&Sampling::default(), 0), 1);
    assert_eq!(all(one.clone()), [0, 1, 2, 3]);
    assert_eq!(all(Sampling { top_k: Some(2), ..one.clone() }), [1, 2]);
    assert_eq!(all(Sampling { top_p: Some(0.5), ..one.clone() }), [1]);
    assert_eq!(all(Sampling { top_p: Some(0.85), ..one.clone() }), [1, 2]);
    assert_eq!(all(Sampling { min_p: Some(0.1), ..one.clone() }), [0, 1, 2]);
    assert_eq!(all(Sampling { min_p: Some(0.2), ..one.clone() }), [1, 2]);
    assert_eq!(all(Sampling { min_p: Some(1.0), ..one.clone() }), [1]);
    assert_eq!(all(Sampling { min_p: Some(0.0), ..one.clone() }), [0, 1, 2, 3]);
    assert_eq!(draw(&Sampling { repetition_penalty: 2.0, ..Sampling::default() }, 0), 2);
    let broken = one.choose(&mut [f32::NAN], &[], &mut Rng::new(0));
    assert!(fault(broken).contains("not numbers"));
}

/// The tokens that transformers 5.24 keeps after temperature, `MinPLogitsWarper` and others, on the same weights.
#[test]
fn min_p_leaves_what_transformers_leaves() {
    let net = open("llama");
    let all = |sampling: Sampling| {
        let sampling = Sampling { max_new_tokens: 1, ..sampling };
        let draw = |seed| net.generate(&[vec![5, 6, 7]], &sampling, &Rng::new(seed), |_, _| Ok(true)).unwrap()[0][0];
        (0..400).map(draw).collect::<std::collections::BTreeSet<u32>>().into_iter().collect::<Vec<_>>()
    };
    let with = |temperature, min_p| Sampling { temperature, min_p: Some(min_p), ..Sampling::default() };
    assert_eq!(all(with(0.05, 0.2)), [59]);
    assert_eq!(all(with(0.1, 0.1)), [59, 104, 154]);
    assert_eq!(all(with(0.2, 0.1)), [0, 13, 59, 104, 111, 154]);
    assert_eq!(all(with(0.3, 0.3)), [13, 59, 104, 154]);
    assert_eq!(all(with(1.0, 0.8)), [59, 104, 154]);
    let narrow = Sampling { top_k: Some(30), top_p: Some(0.6), ..with(0.3, 0.12) };
    assert_eq!(all(narrow), [0, 13, 59, 104, 111, 122, 154]);
    let told = fault(net.generate(&[vec![5]], &with(1.0, 1.5), &Rng::new(1), |_, _| Ok(true)));
    assert!(told.contains("option `min_p` is 1.5"), "{told}");
}

/// `generate(eos_token_id=104, min_new_tokens=…)` of transformers 5.24 on the same weights.
#[test]
fn no_text_ends_before_its_fewest_tokens() {
    let net = open("llama");
    let greedy = |min_new_tokens| {
        let sampling = Sampling { max_new_tokens: 8, min_new_tokens, ends: [104].into(), ..Sampling::default() };
        net.generate(&[vec![5, 6, 7]], &sampling, &Rng::new(1), |_, _| Ok(true)).unwrap().remove(0)
    };
    assert_eq!(greedy(0), [59]);
    assert_eq!(greedy(1), [59]);
    assert_eq!(greedy(5), [59, 0, 0, 0, 0, 34, 0, 0]);
    let more = Sampling { max_new_tokens: 2, min_new_tokens: 3, ..Sampling::default() };
    let told = fault(net.generate(&[vec![5]], &more, &Rng::new(1), |_, _| Ok(true)));
    assert!(told.contains("option `min_new_tokens` is 3, more than `max_new_tokens`, 2"), "{told}");
}

#[test]
fn recomputing_gives_the_same_bits() {
    for name in ["llama", "gpt2", "gemma2", "gemma3"] {
        let net = open(name);
        let ids: Vec<u32> = (3..40).collect();
        let labels: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let rows = TokenRows { labels: Some(&labels), ..rows(&ids) };
        let grads = |recompute: bool| {
            net.set_recompute(recompute);
            let grads = net.loss(&rows, Reduce::Mean, 0.0).unwrap().backward().unwrap();
            grads.all().unwrap().into_iter().map(|(_, grad)| flat(&grad.into())).collect::<Vec<_>>()
        };
        let (plain, again) = (grads(false), grads(true));
        assert_eq!(plain.len(), net.parameters().len());
        assert!(plain == again, "{name}");
    }
}

/// Norm of the difference over norm.
fn off(a: &[f32], b: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let size = norm(&mut b.iter().map(|b| f64::from(*b)));
    let far = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b)));
    if size < 1e-6 { far } else { far / size }
}

#[test]
fn kernels_are_their_references_in_every_architecture() {
    for name in DECODERS {
        let net = open(name);
        let ids: Vec<u32> = (0..96).map(|at| 3 + at * 7 % 57).collect();
        let labels: Vec<i64> = ids.iter().map(|&id| if id % 5 == 0 { -100 } else { i64::from(id) }).collect();
        let segments: Vec<u32> = (0..96).map(|at| if at % 48 > 43 { 0 } else { 1 + at % 48 / 30 }).collect();
        let rows = TokenRows {
            rows: 2,
            length: 48,
            ids: &ids,
            labels: Some(&labels),
            segments: Some(&segments),
            ..TokenRows::default()
        };
        let run = || {
            let logits = no_grad(|| flat(&net.forward(&rows).unwrap()));
            let grads = net.loss(&rows, Reduce::Mean, 0.1).unwrap().backward().unwrap();
            let grads = grads.all().unwrap().into_iter();
            (logits, grads.map(|(param, grad)| (param.label(), flat(&grad.into()))).collect::<Vec<_>>())
        };
        let ((logits, grads), (slow, slow_grads)) = (run(), levain::kernel::on_reference(run));
        assert!(off(&logits, &slow) < 1e-5, "{name}: logits {} apart", off(&logits, &slow));
        assert_eq!(grads.len(), net.parameters().len());
        for ((label, grad), (_, slow)) in grads.iter().zip(&slow_grads) {
            assert!(off(grad, slow) < 2e-5, "{name}: gradient of {label} {} apart", off(grad, slow));
        }
    }
}

#[test]
fn packed_is_separate() {
    for name in DECODERS {
        let net = open(name);
        let (one, two): (Vec<u32>, Vec<u32>) = ((3..14).collect(), (40..60).rev().collect());
        let packed = [one.clone(), two.clone(), vec![0; 5]].concat();
        let segments = [vec![1; one.len()], vec![2; two.len()], vec![0; 5]].concat();
        let labels: Vec<i64> = packed.iter().map(|&id| i64::from(id)).collect();
        let loss = |ids: &[u32], segments: Option<&[u32]>| {
            let labels = &labels[packed.windows(ids.len()).position(|part| part == ids).unwrap()..][..ids.len()];
            let rows = TokenRows { labels: Some(labels), segments, ..rows(ids) };
            flat(&net.loss(&rows, Reduce::Sum, 0.0).unwrap())[0]
        };
        let together = loss(&packed, Some(&segments));
        let apart = loss(&one, None) + loss(&two, None);
        assert!((together - apart).abs() < 2e-4, "{name}: {together} and {apart}");
    }
}

#[test]
fn saved_in_shards_it_opens_the_same() {
    for name in DECODERS {
        let net = open(name);
        let folder = tempfile::tempdir().unwrap();
        net.save(folder.path(), Saving { shard: 40_000, ..Saving::default() }).unwrap();
        assert!(folder.path().join("model.safetensors.index.json").exists());
        let ids = [5, 6, 7, 8];
        let again = Model::open(folder.path(), DType::F32).unwrap();
        assert!(logits(&net, &ids) == logits(&again, &ids), "{name}");
        // and over it in one file, in half precision
        net.save(folder.path(), Saving { dtype: Some(DType::BF16), ..Saving::default() }).unwrap();
        assert!(!folder.path().join("model.safetensors.index.json").exists());
        let half = Model::open(folder.path(), DType::F32).unwrap();
        assert!(apart(&logits(&net, &ids), &logits(&half, &ids)) < 0.1, "{name}");
    }
}

#[test]
fn lora_opened_merged_and_saved_is_one() {
    for name in ["llama", "gpt2", "phi3", "gemma2", "gemma3"] {
        let net = open(name);
        let ids = [5, 6, 7, 8];
        let base = logits(&net, &ids);
        let lora = Lora { rank: 4, alpha: 8.0, layers: vec!["all-linear".into()], seed: 3, ..Lora::default() };
        net.attach_lora(&lora).unwrap();
        assert!(base == logits(&net, &ids), "{name}: B of 0 changes nothing");
        for param in net.parameters() {
            let param = param.as_param().unwrap();
            if param.label().contains("lora_B") {
                let dims = param.value().dims().to_vec();
                let mut values = vec![0.0; dims.iter().product()];
                Rng::new(5).split(&*param.label()).fill_normal(&mut values);
                param.set((Array::from_vec(values, dims, param.value().device()).unwrap() * 0.1).unwrap()).unwrap();
            }
        }
        let attached = logits(&net, &ids);
        assert!(apart(&base, &attached) > 1e-3);
        let folder = tempfile::tempdir().unwrap();
        net.save_lora(folder.path(), None).unwrap();
        assert!(attached == logits(&Model::open(folder.path(), DType::F32).unwrap(), &ids), "{name}: saved alone");
        net.save(folder.path(), Saving::default()).unwrap();
        let whole = Model::open(folder.path(), DType::F32).unwrap();
        assert!(apart(&attached, &logits(&whole, &ids)) < 1e-4, "{name}: saved merged");
        net.merge_lora().unwrap();
        assert!(apart(&attached, &logits(&net, &ids)) < 1e-4, "{name}: merged");
    }
}

#[test]
fn tables_grow_together_or_not_at_all() {
    // the embeddings of the others have 160 rows
    for name in DECODERS.into_iter().filter(|name| !name.starts_with("phi3")) {
        let net = open(name);
        let ids = [5, 6, 159];
        let before = logits(&net, &ids);
        assert_eq!(net.resize_embeddings(200, false).unwrap(), 200);
        let after = logits(&net, &ids);
        for (old, new) in before.chunks(160).zip(after.chunks(200)) {
            assert!(old == &new[..160], "{name}");
        }
        let new = flat(&net.embedding_rows(Embeddings::Input, &[5]).unwrap());
        let array = Array::from_vec(new.clone(), (1, new.len()), &levain::tensor::Device::Cpu).unwrap();
        net.set_embedding_rows(Embeddings::Input, &[199], &array).unwrap();
        net.set_embedding_rows(Embeddings::Output, &[199], &array).unwrap();
        assert!(flat(&net.embedding_rows(Embeddings::Output, &[199]).unwrap()) == new);
        let folder = tempfile::tempdir().unwrap();
        net.save(folder.path(), Saving::default()).unwrap();
        let again = Model::open(folder.path(), DType::F32).unwrap();
        assert_eq!((again.config().vocab, again.config().tied), (200, net.config().tied));
        assert_eq!(net.resize_embeddings(160, true).unwrap(), 160);
        assert!(logits(&net, &ids) == before, "{name}");
    }
}

#[test]
fn frozen_weights_get_no_gradient() {
    let net = open("llama");
    net.freeze("*", true).unwrap();
    net.freeze("model.layers.1.*", false).unwrap();
    let ids = [5, 6, 7, 8];
    let labels = [5, 6, 7, 8];
    let rows = TokenRows { labels: Some(&labels), ..rows(&ids) };
    let grads = net.loss(&rows, Reduce::Mean, 0.0).unwrap().backward().unwrap();
    assert_eq!(grads.len(), net.parameters().len());
    assert!(grads.params().all(|param| param.label().starts_with("model.layers.1.")));
}

#[test]
fn folders_that_lie_are_named() {
    let told = |change: &dyn Fn(&Path), parts: &[&str]| {
        let folder = copy("llama");
        change(folder.path());
        let text = fault(Model::open(folder.path(), DType::F32));
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(text.contains(&*folder.path().file_name().unwrap().to_string_lossy()), "{text}");
    };
    let config = |from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let path = folder.join("config.json");
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from));
            std::fs::write(path, text.replace(from, to)).unwrap();
        }
    };
    type Named = Vec<(String, Array)>;
    let tensors = |change: &dyn Fn(&mut Named), folder: &Path| {
        let path = folder.join("model.safetensors");
        let file = Safetensors::open(&path).unwrap();
        let mut all: Vec<_> = file.names().into_iter().map(|name| (name.clone(), file.read(&name).unwrap())).collect();
        change(&mut all);
        safetensors::save(&path, all.iter().map(|(name, array)| (name.as_str(), array)), &[]).unwrap();
    };
    told(&|folder| std::fs::remove_file(folder.join("model.safetensors")).unwrap(), &["model.safetensors"]);
    told(&|folder| std::fs::remove_file(folder.join("config.json")).unwrap(), &["config.json is not there"]);
    told(&|folder| std::fs::write(folder.join("config.json"), "{").unwrap(), &["config.json is not JSON"]);
    told(&config("\"hidden_size\": 48", "\"hidden_size\": 0"), &["`hidden_size` is 0"]);
    told(&config("\"hidden_size\": 48", "\"hidden_size\": \"big\""), &["`hidden_size` is \"big\""]);
    told(&config("\"vocab_size\": 160", "\"vocab_size\": 161"), &["embed_tokens.weight", "[160, 48]", "[161, 48]"]);
    told(&config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"), &["model.layers.2.", "missing"]);
    told(&config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"), &["model.layers.1.", "not part of a llama"]);
    told(&config("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 4"), &["6 heads are not divisible by 4"]);
    told(&config("\"model_type\": \"llama\"", "\"model_type\": \"llamma\""), &["llamma", "did you mean `llama`?"]);
    told(&config("\"default\"", "\"yarnn\""), &["rotary scaling `yarnn`"]);
    told(&config("\"silu\"", "\"relu\""), &["activation `relu`"]);
    told(
        &|folder| tensors(&|all| all.retain(|(name, _)| name != "model.norm.weight"), folder),
        &["model.norm.weight", "missing"],
    );
    told(&|folder| tensors(&|all| all[1].0 = "model.extra.weight".into(), folder), &["missing"]);
    told(
        &|folder| {
            let path = folder.join("model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        &["model.safetensors", "cut off"],
    );
    told(
        &|folder| std::fs::write(folder.join("model.safetensors"), b"not at all what it says").unwrap(),
        &["safetensors"],
    );
}

#[test]
fn ids_and_labels_are_checked() {
    let net = open("gpt2");
    let labels = [5, 6, 7];
    let with = |ids: &[u32], labels: &[i64]| {
        fault(net.loss(&TokenRows { labels: Some(labels), ..rows(ids) }, Reduce::Mean, 0.0))
    };
    assert!(with(&[5, 6, 160], &labels).contains("id 160 (row 0, position 2) is outside the embeddings of 160 rows"));
    assert!(with(&[5, 6, 7], &[5, 6, 200]).contains("label 200 is outside"));
    assert!(with(&[5, 6, 7], &[5, -100, -100]).contains("all labels are -100"));
    assert!(with(&[5, 6, 7], &[5, 6]).contains("2 labels for 1 rows of 3"));
    assert!(fault(net.forward(&rows(&[1; 65]))).contains("65 positions, and the model has 64"));
    assert!(fault(net.forward(&rows(&[]))).contains("there are no ids"));
    assert!(fault(net.resize_embeddings(0, true)).contains("at least one row"));
}

#[test]
fn a_new_model_is_that_of_its_seed() {
    let config = json!({
        "model_type": "qwen3", "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 40, "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
    });
    let config = config.as_object().unwrap();
    let make = |seed| logits(&Model::new(config.clone(), None, seed, DType::F32).unwrap(), &[1, 2, 3]);
    assert!(make(1) == make(1));
    assert!(make(1) != make(2));
}

/// llama.cpp writes a number as a list, with an entry for each layer: `llama.attention.head_count_kv` is `[2, 2]` here.
#[test]
fn metadata_may_be_a_list_with_an_entry_a_layer() {
    const FOLDER: &str = "tests/data/model/kv-heads-list";
    let expect = Safetensors::open(format!("{FOLDER}/expect.safetensors")).unwrap();
    let net = Model::open(Path::new(FOLDER).join("net.gguf").as_path(), DType::F32).unwrap();
    let ids: Vec<u32> =
        expect.read("ids").unwrap().to_dtype(DType::U32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let want: Vec<f32> = expect.read_f32("logits").unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let got = logits(&net, &ids);
    assert_eq!(got.len(), want.len());
    assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-3));
    // layers with different values, and a list that is too short
    let whole = std::fs::read(format!("{FOLDER}/net.gguf")).unwrap();
    let key = b"llama.attention.head_count_kv";
    let at = whole.windows(key.len()).position(|bytes| bytes == key).unwrap() + key.len();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.gguf");
    let mut other = whole.clone();
    other[at + 20] = 1;
    std::fs::write(&path, &other).unwrap();
    let told = fault(Model::open(&path, DType::F32));
    assert!(told.contains("`llama.attention.head_count_kv` differs from layer to layer: 2, 1"), "{told}");
    let mut other = whole;
    other[at + 8] = 1;
    other.drain(at + 20..at + 24);
    other.extend([0; 4]);
    std::fs::write(&path, &other).unwrap();
    let told = fault(Model::open(&path, DType::F32));
    assert!(told.contains("has 1 entries, for 2 layers"), "{told}");
}

#[test]
fn gguf_that_lies_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.gguf");
    for bytes in [
        &b"GGUF"[..],
        b"nothing",
        b"GGUF\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x00",
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert!(fault(Model::open(&path, DType::F32)).contains("broken.gguf"));
    }
}

/// A real model, if `LEVAIN_TEST_SMOLLM2` names the `.gguf` file, with `expect.json` beside it.
#[test]
fn smollm2_is_what_transformers_computes() {
    let Some(path) = std::env::var_os("LEVAIN_TEST_SMOLLM2").map(PathBuf::from) else {
        println!("skipped: LEVAIN_TEST_SMOLLM2 names no file");
        return;
    };
    let start = std::time::Instant::now();
    let net = Model::open(&path, DType::F32).unwrap();
    println!("opened in {:.2?}", start.elapsed());
    let tok = Tokenizer::open(&path).unwrap();
    let text = std::fs::read_to_string(path.with_file_name("expect.json")).unwrap();
    let expect: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (name, case) in expect.as_object().unwrap() {
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(tok.ids(case["text"].as_str().unwrap(), true).unwrap(), ids, "{name}: ids");
        let labels: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let rows = TokenRows { labels: Some(&labels), ..rows(&ids) };
        let loss = no_grad(|| flat(&net.loss(&rows, Reduce::Mean, 0.0).unwrap())[0]);
        let want = case["mean_nll"].as_f64().unwrap();
        let off = (f64::from(loss) / want - 1.0).abs();
        let greedy: Vec<u32> = serde_json::from_value(case["greedy_16"].clone()).unwrap();
        let sampling = Sampling { max_new_tokens: 16, ends: [2].into(), ..Sampling::default() };
        let written = net.generate(&[ids], &sampling, &Rng::new(0), |_, _| Ok(true)).unwrap();
        let text = tok.decode(&written[0], true).unwrap();
        println!("{name}: nll {loss:.4}, {want:.4} expected, {:.2} % off; writes {text:?}", 100.0 * off);
        assert!(off < 0.02, "{name}");
        assert_eq!(written[0][0], case["top5_next"]["ids"][0].as_u64().unwrap() as u32, "{name}: the next token");
        let same = written[0].iter().zip(&greedy).take_while(|(a, b)| a == b).count();
        println!("{name}: {same} of {} greedy tokens are the same", greedy.len());
        if name == "chat" {
            assert!(text.contains("Paris"), "{text}");
        }
    }
    let start = std::time::Instant::now();
    let sampling = Sampling { max_new_tokens: 64, ..Sampling::default() };
    net.generate(&[vec![504, 3575, 282]], &sampling, &Rng::new(0), |_, _| Ok(true)).unwrap();
    println!("64 tokens in f32: {:.1} tokens/s", 64.0 / start.elapsed().as_secs_f64());
}

#[test]
fn an_untied_bert_is_saved_with_every_name_of_transformers() {
    let json = json!({ "model_type": "bert", "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "tie_word_embeddings": false });
    let net = Model::new(json.as_object().unwrap().clone(), None, 1, DType::F32).unwrap();
    let folder = tempfile::tempdir().unwrap();
    net.save(folder.path(), Saving::default()).unwrap();
    let file = Safetensors::open(folder.path().join("model.safetensors")).unwrap();
    for name in ["decoder.weight", "decoder.bias", "bias"] {
        assert!(file.contains(&format!("cls.predictions.{name}")), "{name}");
    }
    let again = Model::open(folder.path(), DType::F32).unwrap();
    assert!(logits(&again, &[1, 2, 3]) == logits(&net, &[1, 2, 3]));
}

/// A file of 2019: no prefix, gamma and beta, stored position ids, a pooler and a sentence head.
#[test]
fn a_bert_of_old_names_is_read_and_what_it_has_more_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let net = open("bert-mlm");
    let mut arrays: Vec<(String, Array)> = Vec::new();
    for (name, weight) in net.weights().iter() {
        let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        arrays.push((old.strip_prefix("bert.").unwrap_or(&old).into(), weight.value().unwrap()));
    }
    let more = |dims: &[usize]| Array::ones(dims, DType::F32, &Device::Cpu).unwrap();
    arrays.push(("pooler.dense.weight".into(), more(&[48, 48])));
    arrays.push(("pooler.dense.bias".into(), more(&[48])));
    arrays.push(("cls.seq_relationship.weight".into(), more(&[2, 48])));
    let table = net.weight("bert.embeddings.word_embeddings.weight").unwrap().value();
    arrays.push(("cls.predictions.decoder.weight".into(), table));
    arrays.push(("embeddings.position_ids".into(), more(&[1, 64])));
    let file = folder.path().join("model.safetensors");
    safetensors::save(&file, arrays.iter().map(|(name, array)| (name.as_str(), array)), &[]).unwrap();
    std::fs::copy(case("bert-mlm").join("config.json"), folder.path().join("config.json")).unwrap();
    let old = Model::open(folder.path(), DType::F32).unwrap();
    assert!(logits(&old, &[5, 6, 7]) == logits(&net, &[5, 6, 7]));
    assert_eq!(old.parameters().len(), net.parameters().len());
    let saved = folder.path().join("saved");
    old.save(&saved, Saving::default()).unwrap();
    let names = Safetensors::open(saved.join("model.safetensors")).unwrap().names();
    let wanted = ["bert.pooler.dense.weight", "bert.pooler.dense.bias", "cls.seq_relationship.weight"];
    assert!(wanted.iter().all(|name| names.iter().any(|own| own == name)), "{names:?}");
    assert!(
        !names.iter().any(|name| name.contains("gamma") || name.contains("position_ids") || name.contains("decoder"))
    );
    assert!(logits(&Model::open(&saved, DType::F32).unwrap(), &[5, 6, 7]) == logits(&net, &[5, 6, 7]));
}
