//! Guarantees of the training core for whole runs: the same bits in every environment, less memory on request, and a report of
//! time and memory. Each runs the real binary, as a person does.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn levain(words: &[&str]) -> Output {
    let done = Command::new(env!("CARGO_BIN_EXE_levain")).current_dir(env!("CARGO_MANIFEST_DIR")).args(words).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    done
}

fn printed(words: &[&str]) -> String {
    String::from_utf8(levain(words).stdout).unwrap()
}

/// Whether the fused kernels run, not the reference operations.
fn fused() -> bool {
    std::env::var("LEVAIN_KERNELS").as_deref() != Ok("off")
}

/// A script of a small model, in a file.
fn script(folder: &Path, text: &str) -> String {
    let path = folder.join("a.rhai");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

const TRAIN: &str = r#"
let cfg = options(#{ precision: "f32", moments_dtype: "f32", from: 0, to: 50, point: "" }, args());
seed(3);
let net = model(#{ model_type: "llama", vocab_size: 96, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 64 }, #{ seed: 5 });
net.precision = cfg.precision;
net.attach_lora(#{ rank: 4, alpha: 8.0, dropout: 0.1, layers: ["q_proj", "down_proj"] });
net.unfreeze("*.up_proj.weight");
let opt = adamw(net.parameters(), #{ lr: 1e-2, moments_dtype: cfg.moments_dtype });
let last = if cfg.point == "" { checkpoint() } else { checkpoint(cfg.point) };
if cfg.from > 0 { last.load(net, opt); }
let loss = ();
for step in cfg.from..cfg.to {
    let ids = randint(0, 96, [3, 40]);
    loss = net.loss(#{ ids: ids });
    opt.step(loss.backward().clip(1.0));
    print(`${step} ${loss.item()}`);
}
if cfg.point != "" { last.save(cfg.to, net, opt); }
for w in net.parameters() { print(`${w.name} ${w.detach().sum().item()} ${w.detach().square().sum().item()}`); }
"#;

#[test]
fn fifty_steps_are_the_same_bits_on_one_thread_or_two_in_one_go_or_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let file = script(folder.path(), TRAIN);
    for [precision, states] in [["f32", "f32"], ["bf16", "bf16"]] {
        let how = [format!("precision={precision}"), format!("moments_dtype={states}")];
        let run = |threads: &str, more: &[&str]| {
            let mut words = vec!["run", "--threads", threads, &file, &how[0], &how[1]];
            words.extend(more);
            printed(&words)
        };
        let whole = run("1", &[]);
        assert_eq!(whole.lines().filter(|line| line.starts_with(char::is_numeric)).count(), 50);
        assert!(!whole.contains("NaN"), "{whole}");
        assert_eq!(run("2", &[]), whole, "{precision}: two threads");
        let point = format!("point={}", folder.path().join(precision).display());
        let first = run("2", &["to=20", &point]);
        let rest = run("1", &["from=20", &point]);
        let steps = |text: &str| -> Vec<String> {
            text.lines().filter(|line| line.starts_with(char::is_numeric)).map(String::from).collect()
        };
        assert_eq!([steps(&first), steps(&rest)].concat(), steps(&whole), "{precision}: resumed");
        let after = |text: &str| text.split_once("49 ").unwrap().1.to_string();
        assert_eq!(after(&rest), after(&whole), "{precision}: weights after it was resumed");
    }
}

/// Precisions whose bits do not depend on the processor, as far as this one can emulate others.
#[test]
fn f32_is_the_same_bits_on_every_processor_with_avx2() {
    let folder = tempfile::tempdir().unwrap();
    let file = script(folder.path(), TRAIN);
    let run = |cpu: &str, precision: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
        command.args(["run", &file, precision, "to=6"]).env("LEVAIN_CPU", cpu).current_dir(env!("CARGO_MANIFEST_DIR"));
        let done = command.output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    };
    use levain::kernel::cpu::{Level, level};
    let whole = run("amx", "precision=f32").unwrap();
    if level() >= Level::Avx2 {
        for cpu in ["avx2", "avx512", "bf16"] {
            assert_eq!(run(cpu, "precision=f32").as_ref(), Some(&whole), "{cpu}");
        }
    }
    // by AMX if available, and by vector instructions
    let tiles = run("amx", "precision=bf16x3");
    assert_eq!(tiles.is_some(), level() >= Level::Bf16);
    assert_eq!(run("bf16", "precision=bf16x3"), tiles);
    assert!(run("avx512", "precision=bf16x3").is_none(), "it needs bf16");
}

const BATCH: &str = r#"
let cfg = options(#{ precision: "f32" }, args());
let net = model(#{ model_type: "llama", vocab_size: 96, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 64 }, #{ seed: 5 });
net.precision = cfg.precision;
seed(1);
let rows = [];
for row in 0..8 { rows.push(randint(0, 96, [24]).to_list()); }
let there = net.forward(rows);
rows.reverse();
let back = net.forward(rows);
for row in 0..8 { assert::eq(there[row], back[7 - row]); }
"#;

#[test]
fn a_row_is_the_same_bits_wherever_it_stands_in_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let file = script(folder.path(), BATCH);
    for precision in ["precision=f32", "precision=bf16"] {
        levain(&["run", &file, precision]);
    }
}

const RECOMPUTE: &str = r#"
let cfg = options(#{ recompute: false, precision: "f32" }, args());
let net = model(#{ model_type: "llama", vocab_size: 128, hidden_size: 64, num_hidden_layers: 6, num_attention_heads: 4, intermediate_size: 192 }, #{ seed: 5 });
net.precision = cfg.precision;
net.attach_lora(#{ rank: 4, alpha: 8.0, dropout: 0.2 });
net.unfreeze("*.mlp.*");
net.recompute = cfg.recompute;
let opt = adamw(net.parameters(), #{ lr: 1e-2 });
seed(2);
for step in 0..3 {
    let loss = net.loss(#{ ids: randint(0, 128, [4, 128]) });
    let grads = loss.backward();
    print(`${loss.item()} ${grads.norm()}`);
    opt.step(grads.clip(1.0));
}
"#;

/// The bytes of "at most 12.3 MB at once".
fn most(told: &str) -> f64 {
    let (number, unit) =
        told.split_once("at most ").unwrap().1.split_once(" at once").unwrap().0.split_once(' ').unwrap();
    let unit = ["B", "kB", "MB", "GB"].iter().position(|known| *known == unit).unwrap();
    number.parse::<f64>().unwrap() * 1e3f64.powi(unit as i32)
}

#[test]
fn recomputing_is_the_same_bits_in_less_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = script(folder.path(), RECOMPUTE);
    for precision in ["precision=f32", "precision=bf16"] {
        let run = |recompute| {
            let done = levain(&["run", "--profile", &file, precision, recompute]);
            (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
        };
        let ((plain, kept), (again, dropped)) = (run("recompute=false"), run("recompute=true"));
        assert_eq!(plain, again, "{precision}");
        assert!(most(&dropped) < 0.6 * most(&kept), "{precision}: {kept}\n{dropped}");
        assert!(dropped.contains(" recompute ") && !kept.contains(" recompute "), "{dropped}");
    }
}

const LENGTH: &str = r#"
let length = options(#{ length: 0 }, args()).length;
let heads  = || param(randn([1, length, 2, 16]));
attention(heads.call(), heads.call(), heads.call()).square().sum().backward();
"#;

#[test]
fn attentions_memory_grows_with_the_length_and_not_its_square() {
    let folder = tempfile::tempdir().unwrap();
    let file = script(folder.path(), LENGTH);
    let run = |length: usize| {
        let done = levain(&["run", "--profile", &file, &format!("length={length}")]);
        most(&String::from_utf8(done.stderr).unwrap())
    };
    if !fused() {
        return; // a reference operation holds all scores
    }
    let (short, long) = (run(1024), run(4096));
    assert!(long < 4.5 * short, "{short} and {long}");
    assert!(long < 4096.0 * 4096.0 * 4.0, "a matrix of all scores was held: {long}");
}

const LARGE: &str = r#"
let a = param(ones([1000000]));
let b = param(ones([1000000]));
let opt = adamw([a, b], #{ lr: 1e-3 });
for step in 0..2 { opt.step((a + b).sum().backward().clip(1.0)); }
"#;

#[test]
fn a_step_holds_no_second_copy_of_the_gradients() {
    if !fused() {
        return; // reference operations make each part of a step anew
    }
    let folder = tempfile::tempdir().unwrap();
    let done = levain(&["run", "--profile", &script(folder.path(), LARGE)]);
    // two weights, two gradients, four moments, and a weight that is being replaced: 4 MB each
    assert!(most(&String::from_utf8(done.stderr).unwrap()) < 38e6);
}

const TWO_STEPS: &str = r#"
let net = model(#{ model_type: "llama", vocab_size: 64, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64 }, #{ seed: 1 });
let opt = adamw(net.parameters(), #{ lr: 1e-3 });
for step in 0..2 { opt.step(net.loss(#{ ids: randint(0, 64, [2, 64]) }).backward().clip(1.0)); }
print("done");
"#;

#[test]
fn a_profile_tells_every_operation_and_what_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let file = script(folder.path(), TWO_STEPS);
    assert!(levain(&["run", &file]).stderr.is_empty());
    let done = levain(&["run", "--profile", &file]);
    assert_eq!(done.stdout, b"done\n");
    let told = String::from_utf8(done.stderr).unwrap();
    let lines: Vec<&str> = told.trim().lines().collect();
    assert!(lines[0].starts_with("profile: ") && lines[0].contains(" allocated, at most "), "{told}");
    let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    assert_eq!(
        words(lines[2]),
        ["operation", "pass", "calls", "time", "share", "GFLOP/s", "threads", "allocated"],
        "{told}"
    );
    let calls = |name: &str, pass: &str| {
        let line = lines.iter().map(|line| words(line)).find(|line| line.starts_with(&[name.into(), pass.into()]));
        line.unwrap_or_else(|| panic!("no {name} {pass} in\n{told}"))[2].parse::<u64>().unwrap()
    };
    // two steps of two layers: seven products each, two norms and the last one, one attention
    let products = if fused() { 28 } else { 30 }; // the reference has that of the loss too
    for (name, count) in [("linear_product", products), ("rms_norm", 10), ("attend", 4), ("rotate", 8), ("swiglu", 4)] {
        assert_eq!((calls(name, "forward"), calls(name, "backward")), (count, count), "{name}\n{told}");
    }
    let loss = if fused() { "tables_cross_entropy" } else { "cross_entropy" };
    assert_eq!((calls(loss, "forward"), calls("embedding", "backward")), (2, 2));
    let adamw =
        lines.iter().map(|line| words(line)).find(|line| line.first().is_some_and(|name| name == "adamw")).unwrap();
    assert_eq!(adamw[1], (2 * 20).to_string(), "{told}");
    assert!(lines.last().unwrap().trim_start().starts_with("(elsewhere)"), "{told}");
    let shares: f64 = lines[3..]
        .iter()
        .map(|line| words(line.split(" %").next().unwrap()).last().unwrap().parse::<f64>().unwrap())
        .sum();
    assert!((99.0..101.0).contains(&shares), "shares add up to {shares}\n{told}");
}

#[test]
fn a_trace_is_json_whose_operations_begin_and_end_in_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let file = script(folder.path(), TWO_STEPS);
    let trace = folder.path().join("trace.json").display().to_string();
    levain(&["run", &file, "--trace", &trace]);
    let events: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&trace).unwrap()).unwrap();
    let mut open = std::collections::BTreeMap::<i64, Vec<String>>::new();
    let (mut last, mut deepest) = (0.0, 0);
    for event in events.iter().filter(|event| event["ph"] != "C") {
        let (name, at) = (event["name"].as_str().unwrap().to_string(), event["ts"].as_f64().unwrap());
        assert!(at >= last, "{event} before {last}");
        last = at;
        let open = open.entry(event["tid"].as_i64().unwrap()).or_default();
        match event["ph"].as_str().unwrap() {
            "B" => open.push(name),
            "E" => assert_eq!(open.pop(), Some(name)),
            other => panic!("{other}"),
        }
        deepest = deepest.max(open.len());
    }
    assert!(open.values().all(Vec::is_empty), "{open:?}");
    assert_eq!(deepest, 2, "operations of backward are in the whole of it");
    let count = |pass: &str| events.iter().filter(|event| event["ph"] == "B" && event["cat"] == pass).count();
    assert!(count("forward") > 60 && count("backward") > 60);
    assert!(events.iter().any(|event| event["ph"] == "C" && event["args"]["bytes"].as_i64().unwrap() > 0));

    let place = format!("{file}/trace.json");
    let refused = Command::new(env!("CARGO_BIN_EXE_levain")).args(["run", "--trace", &place, &file]).output().unwrap();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
}
