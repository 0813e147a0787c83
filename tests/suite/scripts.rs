//! The scripts of the repository, run as a person runs them.

use std::process::Command;

/// The output of a script, run from the repository's root.
fn run(script: &str, args: &[&str], threads: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
    let done = command.current_dir(root).arg("run").arg(script).args(args).env("RAYON_NUM_THREADS", threads).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The last number of a text that follows the word `loss`.
fn loss(text: &str) -> String {
    let number = text.rsplit("loss ").next().unwrap_or_default();
    number.split([',', '\n']).next().unwrap_or_default().trim().to_string()
}

#[test]
fn xor_is_learned() {
    assert!(run("scripts/xor.rhai", &[], "2").contains("150  loss 0.0000"));
}

#[test]
fn the_loop_by_hand_is_the_loop_to_the_bit_on_one_thread_and_on_two() {
    let steps = "steps=4";
    let by_hand = loss(&run("scripts/sft_by_hand.rhai", &[steps], "1"));
    assert!(by_hand.parse::<f64>().is_ok(), "{by_hand}");
    let out = tempfile::tempdir().unwrap();
    let out = format!("out={}", out.path().display());
    for threads in ["1", "2"] {
        assert_eq!(loss(&run("scripts/sft.rhai", &[steps, &out], threads)), by_hand, "{threads} threads");
    }
}

#[test]
fn networks_from_pieces_train_save_and_stand_beside_their_baselines() {
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("out={}", out.path().join(name).display());
    let told = run("scripts/textcnn.rhai", &["rows=300", "width=8", "filters=8", "epochs=1", &at("cnn")], "2");
    assert!(told.contains("3 convolutions") && out.path().join("cnn/textcnn.safetensors").exists(), "{told}");
    let small = ["rows=3000", "width=8", "hidden=8", "epochs=1"];
    let told = run("scripts/tagger.rhai", &[&small[..], &[&at("tagger")]].concat(), "2");
    assert!(told.contains("2 GRU and field") && out.path().join("tagger/tagger.safetensors").exists(), "{told}");
    let small = ["rows=200", "width=16", "heads=2", "layers=1", "epochs=1"];
    let one = run("scripts/transformer_by_hand.rhai", &[&small[..], &[&at("one")]].concat(), "1");
    let two = run("scripts/transformer_by_hand.rhai", &[&small[..], &[&at("two")]].concat(), "2");
    assert!(one.contains("accuracy ") && one == two, "{one}{two}");
    let bytes = |name: &str| std::fs::read(out.path().join(name).join("transformer.safetensors")).unwrap();
    assert_eq!(bytes("one"), bytes("two"));
    let told = run("scripts/bench/recurrent.rhai", &["cell=lstm", "hidden=8", "batch=3", "length=4", "steps=2"], "1");
    assert!(told.contains("\"step_s\":"), "{told}");
}

/// Learning rate and rank of LoRA, by ASHA: the best adapter is kept, scored on data that the search never saw, and the folders
/// of others are removed.
#[test]
fn a_search_for_rate_and_rank_keeps_the_best_adapter() {
    let out = tempfile::tempdir().unwrap();
    let place = out.path().join("search");
    let small = ["trials=4", "steps=6", "text_chars=16", "batch_size=1", "eval_texts=2"];
    let told = run("scripts/search.rhai", &[&small[..], &[&format!("out={}", place.display())]].concat(), "2");
    assert!(told.contains("best at random ") && told.contains("on data that was not searched "), "{told}");
    let names = |folder: &str| std::fs::read_dir(place.join(folder)).unwrap().flatten();
    let kept: Vec<_> = names("trials").filter(|entry| entry.path().is_dir()).collect();
    assert!(kept.len() == 1 && kept[0].path().join("adapter/adapter_model.safetensors").exists(), "{kept:?}");
    assert!(place.join("search.html").exists() && place.join("parallel.svg").exists());
}

#[test]
fn classifiers_and_taggers_stand_beside_their_baselines() {
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("out={}", out.path().join(name).display());
    let small = ["rows=300", "vocab_size=1500", "hidden_size=32", "layers=1", "max_length=32", "epochs=1"];
    let told = run("scripts/classify.rhai", &[&small[..], &[&at("classify")]].concat(), "2");
    assert!(told.contains("of tf-idf + logistic regression") && told.contains("reliability"), "{told}");
    let files = ["classify/report.html", "classify/reliability.svg", "classify/model/config.json"];
    assert!(files.iter().all(|file| out.path().join(file).exists()), "{told}");
    let small = ["rows=3000", "hidden_size=32", "layers=1", "pretrain_steps=2", "epochs=1"];
    let told = run("scripts/tag.rhai", &[&small[..], &[&at("tag")]].concat(), "2");
    assert!(told.contains("F1 of entities") && told.contains("field over features"), "{told}");
    assert!(out.path().join("tag/model/model.safetensors").exists(), "{told}");
}

#[test]
fn a_model_by_hand_is_the_built_in_one_and_bf16_trains_like_f32() {
    for dtype in ["dtype=f32", "dtype=bf16"] {
        let told = run("scripts/bench/by_hand.rhai", &[dtype, "batch=1", "seq=16", "steps=2"], "2");
        assert!(told.lines().last().unwrap().contains("\"ratio\":"), "{told}");
    }
    let told = run("scripts/bench/bf16_curve.rhai", &["steps=10", "batch_size=1", "max_length=64"], "2");
    assert!(told.contains("step 10  f32 ") && told.contains("\"within\":true"), "{told}");
    assert!(run("scripts/bench/small.rhai", &["calls=10", "rounds=1"], "1").contains("\"x + x\":"));
}

#[test]
fn encoders_learn_from_texts_and_grow() {
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("out={}", out.path().join(name).display());
    let small = [
        "rows=60",
        "vocab_size=400",
        "hidden_size=16",
        "num_hidden_layers=1",
        "max_length=32",
        "steps=3",
        "batch_size=2",
        "eval_every=0",
        "eval_texts=1",
    ];
    let told = run("scripts/mlm.rhai", &[&small[..], &[&at("mlm")]].concat(), "2");
    assert!(told.contains("pseudo bits per byte") && out.path().join("mlm/model/config.json").exists(), "{told}");
    let small = ["limit=40", "new_tokens=60", "init_texts=60", "steps=2", "batch_size=4", "max_length=32"];
    let told = run("scripts/vocabulary_encoder.rhai", &[&small[..], &[&at("vocabulary")]].concat(), "2");
    assert!(told.contains("extended over control, ndcg@10") && told.contains("bm25"), "{told}");
    for shape in [
        ["task=mlm", "ragged=true"],
        ["task=classify", "dtype=bf16"],
        ["task=ner", "ragged=false"],
        ["task=embed", "ragged=true"],
    ] {
        let small = ["shape=micro", "batch=2", "seq=16", "steps=2", "vocab=100"];
        let told = run("scripts/bench/encoder.rhai", &[&small[..], &shape[..]].concat(), "1");
        assert!(told.contains("\"tokens_per_s\":"), "{told}");
    }
}

#[test]
fn every_planted_fault_is_cleaned_and_nothing_else_on_one_thread_and_on_two() {
    let out = tempfile::tempdir().unwrap();
    let files = |threads: &str| {
        let folder = out.path().join(threads);
        let told = run("scripts/clean.rhai", &[&format!("out={}", folder.display())], threads);
        assert!(told.contains("0 wrong"), "{told}");
        ["clean.jsonl", "removed.parquet", "report.html", "report.json"]
            .map(|name| std::fs::read(folder.join(name)).unwrap())
    };
    assert!(files("1") == files("2"));
}
