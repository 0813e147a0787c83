//! Warnings about encoders and their texts.

use std::path::Path;
use std::process::Command;

/// The warnings of a script beside its output.
fn told(folder: &Path, script: &str) -> String {
    let path = folder.join("script.rhai");
    std::fs::write(&path, script).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_levain")).arg("run").arg(&path).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stderr).unwrap()
}

fn copied(case: &str, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(Path::new("tests/data/parity").join(case).join(file), to.join(file)).unwrap();
    }
}

#[test]
fn a_vocabulary_that_does_not_fit_is_told_when_a_model_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    copied("roberta-mlm", &at("chinese"));
    std::fs::write(at("chinese/vocab.txt"), "[PAD]\n[UNK]\n天\n地\n").unwrap();
    copied("roberta-mlm", &at("english"));
    std::fs::write(at("english/vocab.txt"), "a\nb\n").unwrap();
    std::fs::write(at("english/merges.txt"), "a b\n").unwrap();
    copied("bert-mlm", &at("small"));
    std::fs::write(at("small/vocab.txt"), (0..1234).map(|at| format!("w{at}\n")).collect::<String>()).unwrap();
    let open = |name: &str| told(folder.path(), &format!("model({:?});", at(name).display().to_string()));
    assert!(
        open("chinese").contains("a roberta with a WordPiece vocabulary: a BERT by that name"),
        "{}",
        open("chinese")
    );
    assert_eq!(open("english"), "");
    assert!(open("small").contains("vocab.txt has 1,234 tokens, and the embeddings 160 rows"), "{}", open("small"));
}

#[test]
fn texts_that_are_cut_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let script = |options: &str| {
        format!(
            "let tok = tokenizer([\"to be or not to be\"], #{{ model_type: \"wordpiece\", vocab_size: 40 }});
             let net = model(#{{ model_type: \"bert\", vocab_size: tok.len(), hidden_size: 16, num_hidden_layers: 1 }}, #{{ head: \"embed\", seed: 1 }});
             net.embed(tok, [\"to be or not to be\", \"to be\", \"or not to be\"], #{{ {options} }});"
        )
    };
    let line =
        "2 of 3 texts have more than 5 tokens, and are cut off: `overflow: \"mean\"` takes the mean of their parts";
    assert!(told(folder.path(), &script("max_length: 5")).contains(line));
    for asked in ["truncate", "mean"] {
        assert_eq!(told(folder.path(), &script(&format!("max_length: 5, overflow: \"{asked}\""))), "");
    }
    let pairs = "dataset([#{ a: \"to be or not to be\", b: \"be\" }]).encode(tokenizer([\"to be or not\"], #{ model_type: \"wordpiece\", vocab_size: 40 }), #{ sequences: [\"a\", \"b\"], max_length: 5 });";
    assert!(told(folder.path(), pairs).contains("1 of 1 rows have a text of more than 5 tokens: cut off"));
    let empty = "dataset([\"to be\", \" \"]).encode(tokenizer([\"to be or not\"], #{ model_type: \"wordpiece\", vocab_size: 40 }), #{ mask: #{}, on_empty: \"skip\" });";
    assert!(told(folder.path(), empty).contains("1 of 2 rows have no token that can be masked: skipped"));
}

/// With dropout and masks, on one thread or two: these draw from the state of the run only.
#[test]
fn a_masked_run_that_is_killed_resumes_to_the_same_files() {
    const SCRIPT: &str = r#"
let texts = []; for n in 0..20 { texts.push(`to be or not to be that is question ${n}`); }
let tok  = tokenizer(texts, #{ model_type: "wordpiece", vocab_size: 80 });
let net  = model(#{ model_type: "bert", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, hidden_dropout_prob: 0.2, attention_probs_dropout_prob: 0.1 }, #{ seed: 1 });
mlm::run(net, tok, dataset(texts).split(0.8, #{ seed: 1 }), #{ steps: 8, batch_size: 2, max_length: 16, lr: 1e-2, eval_every: 3, save_every: 2, quiet: true, out: "out" });
net.save("net");
"#;
    let run = |folder: &Path, fault: Option<usize>, threads: &str| {
        std::fs::write(folder.join("script.rhai"), SCRIPT).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
        command.arg("run").arg("script.rhai").current_dir(folder).env("RAYON_NUM_THREADS", threads);
        if let Some(call) = fault {
            command.env("LEVAIN_TEST_FAULT", format!("kill@{call}"));
        }
        command.output().unwrap().status.success()
    };
    let files = |folder: &Path| {
        ["net/model.safetensors", "out/log.jsonl"].map(|name| std::fs::read(folder.join(name)).unwrap())
    };
    let whole = tempfile::tempdir().unwrap();
    assert!(run(whole.path(), None, "2"));
    for call in [15, 40, 60] {
        let folder = tempfile::tempdir().unwrap();
        assert!(!run(folder.path(), Some(call), "1"), "there are more than {call} calls");
        assert!(run(folder.path(), None, "1"));
        assert!(files(folder.path()) == files(whole.path()), "killed at call {call}");
    }
}
