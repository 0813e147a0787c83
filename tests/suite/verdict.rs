//! An interrupted verdict resumes to the same result as an uninterrupted one.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = r#"
let cfg = options(#{ out: "", arms: ["control", "extended"] }, args());
let tok = tokenizer(["to be"], #{ vocab_size: 260 });
model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 }).save(cfg.out + "/base");
tok.save(cfg.out + "/base");
let texts = [];
for n in 0..80 { texts.push(`row ${n} of text that says ${n * n} and ends here`); }
let pairs = [];
for n in 0..12 { pairs.push(#{ question: `what does row ${n} say?`, answer: `${n * n}` }); }
dataset(texts).save(cfg.out + "/texts.jsonl");
dataset(pairs).save(cfg.out + "/pairs.jsonl");
verdict::run(#{
    base: cfg.out + "/base", domain: cfg.out + "/texts.jsonl", general: cfg.out + "/texts.jsonl", pairs: cfg.out + "/pairs.jsonl",
    arms: cfg.arms, text_chars: 16, batch_size: 4, steps: 120, format_steps: 2, seeds: 2, eval_texts: 4, eval_questions: 3, new_tokens: 30, out: cfg.out, quiet: true
});
"#;

fn start(folder: &Path, arms: &str) -> Child {
    let script = folder.join("verdict.rhai");
    std::fs::write(&script, SCRIPT).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
    // the same path in both folders: it is among the options stored in a result
    command.current_dir(folder).arg("run").arg("verdict.rhai").args(["out=out", arms]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn done(child: Child) {
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The result, without elapsed seconds.
fn result(folder: &Path) -> serde_json::Value {
    without_seconds(&folder.join("out/result.json"))
}

/// A result without elapsed seconds.
pub fn without_seconds(path: &Path) -> serde_json::Value {
    fn forget(value: &mut serde_json::Value) {
        if let Some(map) = value.as_object_mut() {
            map.remove("seconds");
            map.values_mut().for_each(forget);
        } else if let Some(list) = value.as_array_mut() {
            list.iter_mut().for_each(forget);
        }
    }
    let mut value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    forget(&mut value);
    value
}

#[test]
fn an_interrupted_verdict_goes_on_to_the_same_result_and_takes_more_arms() {
    let arms = "arms=control,extended";
    let whole = tempfile::tempdir().unwrap();
    done(start(whole.path(), arms));

    let broken = tempfile::tempdir().unwrap();
    let mut child = start(broken.path(), arms);
    let first = broken.path().join("out/runs/control-120-7.json");
    let begun = Instant::now();
    while !first.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "it ended before it was interrupted");
    assert!(!broken.path().join("out/result.json").exists());
    let kept = std::fs::metadata(&first).unwrap().modified().unwrap();
    done(start(broken.path(), arms));
    assert_eq!(result(broken.path()), result(whole.path()));
    assert_eq!(std::fs::metadata(&first).unwrap().modified().unwrap(), kept, "what was done is not done again");

    done(start(broken.path(), "arms=control,extended,base"));
    // the comparisons stay as they were; their decisions are those of the second look
    let comparisons = |found: &serde_json::Value| -> Vec<serde_json::Value> {
        let keys = ["arm", "of", "gain", "low", "high", "margin", "items", "documents", "seeds"];
        let questions = found[0]["questions"].as_array().unwrap().iter();
        questions.map(|question| keys.iter().map(|key| question[*key].clone()).collect()).collect()
    };
    let (more, before) = (result(broken.path()), result(whole.path()));
    assert_eq!(comparisons(&more)[..4], comparisons(&before)[..4]);
    assert_eq!((before[0]["look"]["number"].as_i64(), more[0]["look"]["number"].as_i64()), (Some(1), Some(2)));
    assert!(broken.path().join("out/verdict.html").exists());
}
