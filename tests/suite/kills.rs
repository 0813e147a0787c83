//! Nothing is lost: a process killed at a call that changes the disk, or at any moment, leaves a state that the same command
//! resumes to the same bytes, logs included, and no litter.
//!
//! `LEVAIN_TEST_FAULT=kill@N` ends levain before its Nth such call (src/files/calls.rs). The suite kills at some of them; `tests/kills.sh` at
//! each, then at 500 random moments, and interrupts 200 times.

use super::chance::share;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The start of each script.
const SMALL: &str = r#"
let tok  = tokenizer(["to be or not to be, that is the question"], #{ vocab_size: 270 });
let net  = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
let rows = []; for n in 0..24 { rows.push(`row ${n} of some text that is learned, or not`); }
let data = dataset(rows).split(0.75, #{ seed: 2 });
let how  = #{ steps: 6, batch_size: 2, lr: 1e-2, seed: 3, eval_every: 2, save_every: 2, quiet: true };
"#;

/// Seven kinds of runs that write. Each makes the same files below `out` whenever it runs to its end.
const KINDS: [(&str, &str); 7] = [
    (
        "training",
        r#"
train::run(net, data.train.encode(tok), data.test.encode(tok), how + #{ eval_on_start: true, out: "out/run" });
net.save("out/net");
"#,
    ),
    (
        // the existing model is from another run, and is overwritten
        "saving",
        r#"
let chat = tok.with_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}");
net.save("out/net", #{ dtype: "bf16" });
net.save("out/net");
chat.save("out/net");
data.train.save("out/rows.jsonl");
data.train.save("out/rows.csv");
data.train.save("out/deep/rows.parquet");
zeros([4]).save("out/zeros.npy");
chart("a").line("a", [1.0, 2.0]).save("out/a.svg");
#{ loss: 1.5 }.save("out/a.json");
let log = record("out/log.jsonl");
for step in 0..3 { log.add(#{ step: step }); }
net.attach_lora(#{ rank: 2, seed: 1 });
net.save_lora("out/lora", #{ base: "net" });
"#,
    ),
    (
        "indexing",
        r#"
index(rows).save("out/lexical");
let made = index(rows, #{ model: net, tokenizer: tok });
made.save("out/dense");
index("out/lexical").save("out/lexical");
"#,
    ),
    (
        "sweep",
        r#"
for lr in [1e-2, 1e-3] {
    let o = #{ lr: lr };
    runs::once(`out/${lr}.json`, o, || {
        let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
        let run = train::run(net, data.train.encode(tok), data.test.encode(tok), how + o + #{ steps: 4, out: `out/${lr}` });
        #{ loss: run.loss, best: run.best }
    });
}
table([#{ a: runs::stored("out/0.01.json").loss, b: runs::stored("out/0.001.json").loss }]);
"#,
    ),
    (
        // more than stays in memory
        "spilling",
        r#"
let text = "to be or not to be ";
text.pad(300000, "that is the question ");
let many = []; for n in 0..60 { many.push(`${n} ${text}`); }
let long = dataset(many);
long.save("out/long.jsonl.gz");
long.save("out/long.parquet.zst");
let again = dataset("out/long.parquet.zst").unique("text");
again.save("out/again.parquet");
"#,
    ),
    (
        "cleaning",
        r#"
for part in 0..6 {
    let many = []; for n in 0..30 { many.push(#{ text: `The committee of year ${n * n + part} agreed that member ${n + part} is to read report ${n * 7} to all of them`, n: n }); }
    let path = `rows-${part}.jsonl`;
    // the second time they are unchanged
    try { dataset(path); } catch { dataset(many).save(path); }
}
let how = #{ piece_rows: 40, out: "out/clean" };
clean::run(stream("rows-*.jsonl"), clean::usual(), how + #{ format: "parquet" });
clean::run(stream("rows-*.jsonl"), [#{ rule: "unique", field: "n" }], how + #{ out: "out/once" });
clean::run(stream("rows-*.jsonl"), [#{ rule: "quality_lines", c4_line_ends: false }, #{ rule: "unique_substrings", ngram: 4 }], how + #{ out: "out/cut" });
"#,
    ),
    (
        "vocabulary",
        r#"
let grown = tok.extend(["statute", "tribunal"]);
net.resize_embeddings(grown.len());
vocab::init_embeddings(net, tok, grown, #{ method: "subtoken_mean" });
let stages = [#{ trainable: "new_embeddings", steps: 3 }, #{ trainable: "all", steps: 3, lora: #{ rank: 2 } }];
how.remove("steps");
train::run(net, data.train.encode(grown), data.test.encode(grown), how + #{ save_every: 4, stages: stages, out: "out/run" });
net.merge_lora();
net.save("out/grown");
grown.save("out/grown");
"#,
    ),
];

/// Whether every call and every moment is tested.
fn is_long() -> bool {
    std::env::var("LEVAIN_TEST_KILLS").as_deref() == Ok("all")
}

struct Run {
    folder: tempfile::TempDir,
}

impl Run {
    fn new(kind: &str) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let (_, text) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
        std::fs::write(folder.path().join("a.rhai"), format!("{SMALL}{text}")).unwrap();
        Run { folder }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn command(&self, fault: Option<String>) -> Command {
        let given = std::env::var_os("LEVAIN_TEST_BINARY").filter(|_| is_long());
        let mut command = Command::new(given.unwrap_or_else(|| env!("CARGO_BIN_EXE_levain").into()));
        command.args(["run", "a.rhai", "--threads", "1"]).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        match fault {
            Some(fault) => command.env("LEVAIN_TEST_FAULT", fault),
            None => command.env_remove("LEVAIN_TEST_FAULT"),
        };
        // a process that ends like this leaves a core dump otherwise
        #[cfg(unix)]
        // SAFETY: it changes a limit of the new process alone, and allocates no memory
        unsafe {
            use std::os::unix::process::CommandExt;
            command.pre_exec(|| {
                let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &none);
                Ok(())
            });
        }
        command
    }

    fn finish(&self, what: &str) {
        let output = self.command(None).output().unwrap();
        assert!(output.status.success(), "{what}: stuck: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Every file below a folder with a hash of its contents, and every folder.
fn tree(folder: &Path) -> BTreeMap<String, u64> {
    fn fill(folder: &Path, root: &Path, found: &mut BTreeMap<String, u64>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                found.insert(name, 0);
                fill(&path, root, found);
            } else {
                use std::hash::{DefaultHasher, Hasher};
                let mut hasher = DefaultHasher::new();
                hasher.write(&std::fs::read(&path).unwrap());
                found.insert(name, hasher.finish());
            }
        }
    }
    let mut found = BTreeMap::new();
    fill(folder, folder, &mut found);
    found
}

/// The result of an uninterrupted run.
fn whole(kind: &str) -> BTreeMap<String, u64> {
    let run = Run::new(kind);
    run.finish(kind);
    let tree = tree(&run.out());
    let litter: Vec<&String> =
        tree.keys().filter(|name| name.contains(".levain-") || name.ends_with(".claim")).collect();
    assert!(tree.len() >= 3 && litter.is_empty(), "{kind}: {litter:?}");
    tree
}

fn is_same(what: &str, found: &BTreeMap<String, u64>, whole: &BTreeMap<String, u64>) {
    let names: std::collections::BTreeSet<&String> = found.keys().chain(whole.keys()).collect();
    let differ: Vec<String> = names
        .into_iter()
        .filter(|name| found.get(*name) != whole.get(*name))
        .map(|name| match (found.contains_key(name), whole.contains_key(name)) {
            (true, false) => format!("{name} is litter"),
            (false, _) => format!("{name} is lost"),
            _ => format!("{name} differs"),
        })
        .collect();
    assert!(differ.is_empty(), "{what}: {}", differ.join(", "));
}

/// Kills at every `stride`th call, from a call on; returns the number of kills.
fn killed_at_calls(kind: &str, first: usize, stride: usize) -> usize {
    let whole = whole(kind);
    for (kills, call) in (first..).step_by(stride).enumerate() {
        let run = Run::new(kind);
        let output = run.command(Some(format!("kill@{call}"))).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return kills;
        }
        assert_eq!(output.status.code(), None, "{kind}: {told}");
        let what = format!("{kind}, killed at call {call}");
        run.finish(&what);
        is_same(&what, &tree(&run.out()), &whole);
    }
    unreachable!("a run ends")
}

fn kills(kind: &str) {
    // each run of the suite tests the same calls
    let stride = match kind {
        _ if is_long() => 1,
        "spilling" => 5,
        // six hundred calls
        "cleaning" => 61,
        _ => 17,
    };
    let kills = killed_at_calls(kind, if is_long() { 1 } else { 5 }, stride);
    assert!(kills >= 2, "{kills}");
    if is_long() {
        eprintln!("{kind}: killed at each of {kills} calls: 0 stuck, 0 litter, 0 unequal");
    }
}

#[test]
fn training_killed_at_any_call_resumes_to_the_same_files() {
    kills("training");
}

#[test]
fn saving_killed_at_any_call_is_done_again() {
    kills("saving");
}

#[test]
fn indexing_killed_at_any_call_is_done_again() {
    kills("indexing");
}

#[test]
fn a_sweep_killed_at_any_call_resumes_to_the_same_files() {
    kills("sweep");
}

#[test]
fn spilling_killed_at_any_call_is_done_again() {
    kills("spilling");
}

#[test]
fn cleaning_killed_at_any_call_resumes_to_the_same_files() {
    kills("cleaning");
}

#[test]
fn an_extended_vocabulary_killed_at_any_call_resumes_to_the_same_files() {
    kills("vocabulary");
}

/// A run killed between its result and the end of its claim is recognized as finished, and the claim is removed.
#[test]
fn a_claim_that_is_left_behind_a_result_is_removed() {
    let run = Run::new("sweep");
    run.finish("sweep");
    let whole = tree(&run.out());
    std::fs::write(run.out().join("0.01.json.claim"), "{}").unwrap();
    run.finish("sweep again");
    is_same("a claim left behind", &tree(&run.out()), &whole);
}

/// Runs it repeatedly, and sends a signal to each run after a random part of its duration, until one ends by itself; returns the
/// number of interrupted runs.
#[cfg(unix)]
fn stopped_again_and_again(run: &Run, takes: Duration, signal: libc::c_int, state: &mut u64) -> usize {
    for stops in 0..1000 {
        let mut child = run.command(None).spawn().unwrap();
        let until = Instant::now() + takes.mul_f64(1.2 * share(state));
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(300));
        }
        if child.try_wait().unwrap().is_none() {
            // SAFETY: a signal to a child that was not waited for, so that its number is still its own
            assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            return stops;
        }
        let told = String::from_utf8_lossy(&output.stderr);
        let expected = if signal == libc::SIGINT { Some(130) } else { None };
        // before its handler is installed, a signal ends it like any program
        let ended = output.status.code() == expected || output.status.code().is_none();
        assert!(ended, "stuck: {:?}: {told}", output.status);
    }
    panic!("it never ends")
}

/// The given number of signals at random moments, in runs of all these kinds.
#[cfg(unix)]
fn stopped_at_random(kinds: &[&str], signal: libc::c_int, wanted: usize) {
    let (mut state, mut stops, mut runs) = (signal as u64, 0, 0);
    let kinds: Vec<_> = kinds
        .iter()
        .map(|kind| {
            let whole = whole(kind);
            let begun = Instant::now();
            Run::new(kind).finish(kind);
            (*kind, whole, begun.elapsed())
        })
        .collect();
    while stops < wanted {
        for (kind, whole, takes) in &kinds {
            let run = Run::new(kind);
            stops += stopped_again_and_again(&run, *takes, signal, &mut state);
            runs += 1;
            is_same(&format!("{kind}, signal {signal}, run {runs}"), &tree(&run.out()), whole);
        }
    }
    if is_long() {
        eprintln!("signal {signal}: {stops} in {runs} runs: 0 stuck, 0 litter, 0 unequal");
    }
}

#[cfg(unix)]
#[test]
fn killed_at_random_it_resumes_to_the_same_files() {
    let all: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).filter(|kind| is_long() || *kind == "training").collect();
    stopped_at_random(&all, libc::SIGKILL, if is_long() { 500 } else { 4 });
}

#[cfg(unix)]
#[test]
fn interrupted_at_random_it_resumes_to_the_same_files() {
    stopped_at_random(&["training", "vocabulary"], libc::SIGINT, if is_long() { 200 } else { 4 });
}
