//! PEFT adapters that are rejected, warnings about adapters that are not fully used, text generation with them, and embeddings
//! that are tied by the config and not by the file.

use levain::format::safetensors::{self, Safetensors};
use levain::model::{Model, Sampling, TokenRows};
use levain::tensor::{Array, DType, Device, Rng, no_grad};
use levain::{Result, Runtime};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

fn peft(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/peft/cases").join(case)
}

fn parity(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity").join(case)
}

fn copy(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn edit(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(&path, json.to_string()).unwrap();
}

fn fault<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => format!("{error} / {}", error.advice().unwrap_or_default()),
    }
}

fn logits(net: &Model, ids: &[u32]) -> Vec<f32> {
    let rows = TokenRows { rows: 1, length: ids.len(), ids, ..TokenRows::default() };
    no_grad(|| net.forward(&rows).unwrap().value().flatten_all().unwrap().to_vec1().unwrap())
}

/// The warnings of a script beside its output.
fn told(script: &str) -> String {
    let lines = Arc::new(Mutex::new(String::new()));
    let kept = lines.clone();
    let runtime = Runtime::builder().progress(move |line| *kept.lock().unwrap() += line).build().unwrap();
    runtime.run(script).unwrap();
    lines.lock().unwrap().clone()
}

/// A folder's generation config may name EOS tokens: they are not ignored silently.
#[test]
fn a_generation_config_that_does_not_read_is_told() {
    let folder = copy(&parity("llama"));
    let script = format!("model(`{}`);", folder.path().display());
    std::fs::write(folder.path().join("generation_config.json"), "{\"eos_token_id\": 2}").unwrap();
    assert_eq!(told(&script), "");
    for broken in ["{", "[2]", ""] {
        std::fs::write(folder.path().join("generation_config.json"), broken).unwrap();
        assert!(told(&script).contains("generation_config.json: it is not used: "), "{broken}: {}", told(&script));
    }
}

#[test]
fn what_is_not_lora_is_refused_by_name() {
    let cases: [(Value, &str); 24] = [
        (json!({ "peft_type": "LOHA" }), "`peft_type` is `LOHA`"),
        (json!({ "peft_type": null }), "`peft_type` is ``"),
        (json!({ "init_lora_weights": "pissa_niter_4" }), "pissa_niter_4"),
        (json!({ "init_lora_weights": "loftq" }), "quantizes the base"),
        (json!({ "init_lora_weights": "corda" }), "corda"),
        (json!({ "init_lora_weights": "lora_ga" }), "lora_ga"),
        (json!({ "init_lora_weights": "newest" }), "may change the base"),
        (json!({ "init_lora_weights": 3 }), "`init_lora_weights` is 3"),
        (json!({ "use_qalora": true }), "`use_qalora` is not supported"),
        (json!({ "use_bdlora": { "nblocks": 2 } }), "`use_bdlora` is not supported"),
        (json!({ "alora_invocation_tokens": [1] }), "`alora_invocation_tokens` is not supported"),
        (json!({ "arrow_config": { "top_k": 2 } }), "`arrow_config`"),
        (json!({ "kasa_config": { "beta": 1 } }), "`kasa_config`"),
        (json!({ "layer_replication": [[0, 2]] }), "`layer_replication`"),
        (json!({ "target_parameters": ["mlp.experts.gate_up_proj"] }), "`target_parameters`"),
        (json!({ "use_dora": true }), "has no magnitude"),
        (json!({ "r": 3 }), "has rank 2, and the config says 3"),
        (json!({ "rank_pattern": { "v_proj": 1 } }), "has rank 2, and the config says 1"),
        (json!({ "alpha_pattern": { "(": 1 } }), "not a regular expression"),
        (json!({ "target_modules": "(" }), "not a regular expression"),
        (json!({ "alpha_pattern": { "v_proj": "much" } }), "is \"much\", not a number"),
        (json!({ "layers_to_transform": "all" }), "not a layer or a list of layers"),
        (json!({ "lora_alpha": "8" }), "`lora_alpha` is \"8\", not a number"),
        (json!({ "target_modules": [3] }), "`target_modules` is 3, not a name"),
    ];
    for (change, expected) in cases {
        let folder = copy(&peft("plain"));
        edit(folder.path(), "adapter_config.json", |json| {
            json.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        });
        let net = Model::open(&peft("../bases/llama"), DType::F32).unwrap();
        let before = logits(&net, &[1, 2, 3]);
        let error = fault(net.open_lora(folder.path()));
        assert!(error.contains(expected), "{change}: {error}");
        assert!(error.contains("adapter_"), "{change}: it names no file: {error}");
        assert!(logits(&net, &[1, 2, 3]) == before, "{change}: it changed the model");
    }
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let other = |case: &str, base: &str| {
        let net = Model::open(&peft("../bases").join(base), DType::F32).unwrap();
        fault(net.open_lora(&peft(case)))
    };
    assert!(other("plain", "gpt2").contains("no linear layer `model.layers.0.self_attn.q_proj`"));
    assert!(other("conv1d", "llama").contains("no linear layer `transformer.h.0.attn.c_proj`"));
    let folder = copy(&peft("plain"));
    std::fs::rename(folder.path().join("adapter_model.safetensors"), folder.path().join("adapter_model.bin")).unwrap();
    let net = Model::open(&peft("../bases/llama"), DType::F32).unwrap();
    assert!(fault(net.open_lora(folder.path())).contains("safe_serialization"));
    edit(folder.path(), "adapter_config.json", |json| json["base_model_name_or_path"] = json!("org/name"));
    let error = fault(Model::open(folder.path(), DType::F32));
    assert!(error.contains("its base `org/name` is not here / open the base with `model(path)`"), "{error}");
    let larger = Model::open(&parity("llama"), DType::F32).unwrap();
    assert!(fault(larger.open_lora(&peft("plain"))).contains("for the layer `model.layers.0.self_attn.q_proj` of 48"));
}

#[test]
fn what_is_not_used_is_told() {
    let open = |case: &str| told(&format!("model(`{}`);", peft(case).display()));
    assert_eq!(open("plain"), "");
    assert!(open("targets-excluded").contains("v_proj` and 1 more is in the file and not among `target_modules`"));
    assert!(open("targets-widened").contains("up_proj` and 1 more is not in the file"));
    assert!(open("embeddings-tied").contains("they are two now"));
    assert!(open("saved-grown").contains("have 48 rows, and it was made for 51: they are resized"));
    let folder = copy(&peft("plain"));
    edit(folder.path(), "adapter_config.json", |json| json["use_newest"] = json!(true));
    let script = format!("model(`{}`).open_lora(`{}`);", peft("../bases/llama").display(), folder.path().display());
    assert!(told(&script).contains("`use_newest: true` is not known here, and is not used"));
}

#[test]
fn writing_with_an_adapter_is_the_forward_without_a_cache() {
    for case in [
        "dora",
        "dora-embeddings",
        "dora-lm-head",
        "lora-bias",
        "embeddings-tied",
        "lm-head-tied",
        "tokens-last",
        "tokens",
        "tokens-tied",
        "tokens-tied-apart",
        "tokens-tied-lora-head",
        "positions",
        "positions-dora",
    ] {
        let net = Model::open(&peft(case), DType::F32).unwrap();
        let mut ids = vec![5, 6, 7];
        let sampling = Sampling { max_new_tokens: 8, ..Sampling::default() };
        let written = net.generate(&[ids.clone()], &sampling, &Rng::new(1), |_, _| Ok(true)).unwrap();
        for id in &written[0] {
            let all = logits(&net, &ids);
            let last = &all[all.len() - net.config().vocab..];
            let best = (0..last.len()).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
            assert_eq!(best as u32, *id, "{case} after {ids:?}");
            ids.push(*id);
        }
        assert_eq!(ids.len(), 11, "{case}");
    }
}

/// A fully trained head is loaded under all its names, though the base ties some of them.
#[test]
fn a_masked_head_that_was_trained_whole_is_opened() {
    let base = parity("bert-mlm");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter_model.safetensors");
    let net = Model::open(&base, DType::F32).unwrap();
    let value = |name: &str, by: f64| (net.weight(name).unwrap().value() * by).unwrap();
    let (table, bias) = ("bert.embeddings.word_embeddings.weight", "cls.predictions.bias");
    let query = "bert.encoder.layer.0.attention.self.query";
    let width = net.config().hidden;
    let zeros = |rows, columns| Array::zeros((rows, columns), DType::F32, &Device::Cpu).unwrap();
    let mut arrays = vec![
        (format!("{query}.lora_A.weight"), zeros(1, width)),
        (format!("{query}.lora_B.weight"), zeros(width, 1)),
        ("cls.predictions.decoder.weight".into(), value(table, 2.0)),
        ("cls.predictions.decoder.bias".into(), value(bias, 3.0)),
        (bias.into(), value(bias, 3.0)),
    ];
    for name in ["dense.weight", "dense.bias", "LayerNorm.weight", "LayerNorm.bias"] {
        let name = format!("cls.predictions.transform.{name}");
        arrays.push((name.clone(), value(&name, 1.5)));
    }
    let arrays: Vec<(String, Array)> =
        arrays.into_iter().map(|(name, array)| (format!("base_model.model.{name}"), array)).collect();
    safetensors::save(&path, arrays.iter().map(|(name, array)| (name.as_str(), array)), &[]).unwrap();
    let config = json!({
        "peft_type": "LORA", "r": 1, "target_modules": ["query"], "layers_to_transform": [0], "modules_to_save": ["cls"],
        "base_model_name_or_path": base,
    });
    std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
    let before = logits(&net, &[1, 2, 3]);
    net.open_lora(folder.path()).unwrap();
    assert!(logits(&net, &[1, 2, 3]) != before);
    for (name, by) in [("cls.predictions.decoder.weight", 2.0), ("cls.predictions.decoder.bias", 3.0)] {
        let own = if name.ends_with("bias") { bias } else { table };
        let held = Model::open(&base, DType::F32).unwrap().weight(own).unwrap().value();
        let numbers = |array: Array| array.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(numbers(net.weight(name).unwrap().value()), numbers((held * by).unwrap()), "{name}");
    }
}

/// A copy of a case with more tensors in its file.
fn with(case: &str, more: &[(&str, Array)]) -> tempfile::TempDir {
    let folder = copy(&parity(case));
    let path = folder.path().join("model.safetensors");
    let file = Safetensors::open(&path).unwrap();
    let mut arrays: Vec<(String, Array)> =
        file.names().into_iter().map(|name| (name.clone(), file.read(&name).unwrap())).collect();
    arrays.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    arrays.extend(more.iter().map(|(name, array)| (name.to_string(), array.clone())));
    drop(file);
    safetensors::save(&path, arrays.iter().map(|(name, array)| (name.as_str(), array)), &[]).unwrap();
    folder
}

#[test]
fn a_tied_flag_with_another_head_keeps_both() {
    for (case, copy, table) in [
        ("llama-tied", "lm_head.weight", "model.embed_tokens.weight"),
        ("gpt2", "lm_head.weight", "transformer.wte.weight"),
        ("bert-mlm", "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
    ] {
        let own = Model::open(&parity(case), DType::F32).unwrap();
        let value = own.weight(table).unwrap().value();
        // an equal copy changes nothing, in any dtype
        for dtype in [DType::F32, DType::F64] {
            let folder = with(case, &[(copy, value.to_dtype(dtype).unwrap())]);
            let net = Model::open(folder.path(), DType::F32).unwrap();
            assert!(net.config().tied, "{case}: equal, and parted");
            assert!(logits(&net, &[1, 2, 3]) == logits(&own, &[1, 2, 3]));
        }
        // another head doubles the logits without bias
        let folder = with(case, &[(copy, (&value * 2.0).unwrap())]);
        let net = Model::open(folder.path(), DType::F32).unwrap();
        assert!(!net.config().tied, "{case}");
        assert!(net.weight(table).unwrap().value().to_vec2::<f32>().unwrap() == value.to_vec2::<f32>().unwrap());
        let (one, two) = (logits(&own, &[1, 2, 3]), logits(&net, &[1, 2, 3]));
        if case != "bert-mlm" {
            assert!(one.iter().zip(&two).all(|(a, b)| (2.0 * a - b).abs() < 1e-4), "{case}");
        } else {
            assert!(one != two, "{case}");
        }
        let saved = tempfile::tempdir().unwrap();
        net.save(saved.path(), Default::default()).unwrap();
        let again = Model::open(saved.path(), DType::F32).unwrap();
        assert!(logits(&again, &[1, 2, 3]) == two, "{case}: saved, it is another model");
        let said = told(&format!("model(`{}`);", folder.path().display()));
        assert!(said.contains("they differ: both are kept"), "{case}: {said}");
    }
    // a bias of the decoder's own
    let bias = Array::new(&vec![3f32; 160][..], &levain::tensor::Device::Cpu).unwrap();
    let own = Model::open(&parity("bert-mlm"), DType::F32).unwrap();
    let folder = with("bert-mlm", &[("cls.predictions.decoder.bias", bias)]);
    let net = Model::open(folder.path(), DType::F32).unwrap();
    assert!(logits(&net, &[1, 2, 3]) != logits(&own, &[1, 2, 3]), "the decoder's bias is thrown away");
}

#[test]
fn a_model_is_saved_as_what_it_is_or_it_is_told() {
    let out = tempfile::tempdir().unwrap();
    let net = Model::open(&parity("llama"), DType::F32).unwrap();
    for ending in ["gguf", "GGUF", "safetensors", "bin"] {
        let path = out.path().join(format!("net.{ending}"));
        let error = fault(net.save(&path, Default::default()));
        assert!(error.contains("a model is saved as a folder"), "{error}");
        assert!(!path.exists());
    }
    // a folder may have this name
    std::fs::create_dir(out.path().join("net.bin")).unwrap();
    net.save(&out.path().join("net.bin"), Default::default()).unwrap();
    let script = |verb: &str| {
        let make = "let net = model(#{ model_type: \"llama\", vocab_size: 64, hidden_size: 32, num_hidden_layers: 1 }, #{ seed: 1 });";
        told(&format!("{make} {verb} net.save(`{}`);", out.path().join("q").display()))
    };
    assert_eq!(script(""), "");
    assert!(
        script("net.to(\"q8\");").contains("quantized (q8_0), which a folder does not keep: they are saved as f32")
    );
    assert_eq!(script("net.to(\"q8\"); net.to(\"f32\");"), "");
}

/// PEFT finds the base by the name in the adapter's folder: the hub name, where a `.gguf` records it; otherwise there is a
/// warning.
#[test]
fn an_adapter_of_a_gguf_base_names_a_base_that_peft_finds_or_says_that_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<&'a str>);
    let cases: [Case; 5] = [
        (&[("general.source.huggingface.repository", "org/small")], "", Some("org/small")),
        (&[("general.source.url", "https://huggingface.co/org/small/tree/main")], "", Some("org/small")),
        // the model it was tuned from is another model
        (&[("general.name", "Mine"), ("general.base_model.0.repo_url", "https://huggingface.co/org/base")], "", None),
        (&[], "", None),
        (&[], ", #{ base: \"org/given\" }", Some("org/given")),
    ];
    for (facts, options, expected) in cases {
        let (base, out) = (folder.path().join("base.gguf"), folder.path().join("adapter"));
        super::decode::gguf(&base, candle_core::quantized::GgmlDType::Q8_0, facts);
        let (base, place) = (base.display().to_string(), out.display());
        let said = told(&format!(
            "let net = model(`{base}`); net.attach_lora(#{{ rank: 2 }}); net.save_lora(`{place}`{options});"
        ));
        let config: Value = serde_json::from_slice(&std::fs::read(out.join("adapter_config.json")).unwrap()).unwrap();
        assert_eq!(config["base_model_name_or_path"], expected.unwrap_or(&base), "{facts:?}{options}");
        let warned = said.contains("is a GGUF file, which says no name of it on the hub")
            && said.contains("save_lora(folder, #{ base: \"ORGANIZATION/NAME\" })");
        assert_eq!(warned, expected.is_none(), "{facts:?}{options}: {said}");
        // levain itself finds it again
        told(&format!("let net = model(`{base}`); net.open_lora(`{place}`);"));
    }
}
