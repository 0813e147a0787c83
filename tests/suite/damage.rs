//! Damage: a flipped bit in any byte of a file written by levain is detected on reading, and the error names the file.

use super::chance::next;
use levain::script::Host;
use std::path::{Path, PathBuf};

/// The error message of a script, or nothing.
fn run(script: &str) -> Option<String> {
    Host::for_script("a.rhai", script).run("a.rhai", script).err().map(|fault| fault.to_string())
}

/// Saves one of each below `DIR`.
const SAVE: &str = r#"
let tok  = tokenizer(["to be or not to be"], #{ vocab_size: 262 }).with_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}");
let net  = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
let rows = []; for n in 0..20 { rows.push(`row ${n} of ${n * n}`); }
net.save("DIR/net");
tok.save("DIR/net");
let base = model("DIR/net");
base.attach_lora(#{ rank: 2, seed: 1 });
base.save_lora("DIR/lora");
base.save_adapter("DIR/adapter");
index(rows, #{ model: net, tokenizer: tok }).save("DIR/index");
let w   = param(tensor([1.0, 2.0, 3.0]), "w");
let opt = adamw([w]);
opt.step(w.sum().backward());
checkpoint("DIR/point").save(1, [w], opt, #{ best: 3.5, order: [1, 2, 3] });
let log = record("DIR/log.jsonl");
for step in 1..=9 { log.add(#{ step: step, loss: 1.0 / step }); }
runs::once("DIR/result.json", #{ seed: 1, lr: 1e-3 }, || #{ loss: 1.25, curve: [3.0, 2.0] });
"#;

/// The functions that read a file, and the files that they read.
const READ: [(&str, &[&str]); 8] = [
    (
        "model(\"DIR/net\"); tokenizer(\"DIR/net\")",
        &[
            "net/config.json",
            "net/generation_config.json",
            "net/model.safetensors",
            "net/tokenizer.json",
            "net/tokenizer_config.json",
            "net/special_tokens_map.json",
            "net/chat_template.jinja",
            "net/levain_checksums.json",
        ],
    ),
    (
        "model(\"DIR/lora\")",
        &["lora/adapter_config.json", "lora/adapter_model.safetensors", "lora/levain_checksums.json"],
    ),
    (
        "model(\"DIR/adapter\")",
        &["adapter/levain_adapter.json", "adapter/levain_adapter.safetensors", "adapter/levain_checksums.json"],
    ),
    (
        "index(\"DIR/index\", #{ model: model(\"DIR/net\"), tokenizer: tokenizer(\"DIR/net\") })",
        &["index/index.json", "index/passages.parquet", "index/vectors.safetensors", "index/levain_checksums.json"],
    ),
    (
        "let w = param(tensor([0.0, 0.0, 0.0]), \"w\"); checkpoint(\"DIR/point\").load([w], adamw([w]))",
        &[
            "point/state.json",
            "point/weights.safetensors",
            "point/optimizer.safetensors",
            "point/script.rhai",
            "point/levain_checksums.json",
        ],
    ),
    ("record(\"DIR/log.jsonl\", #{ resume: 100 })", &["log.jsonl"]),
    ("dataset(\"DIR/log.jsonl\")", &["log.jsonl"]),
    ("runs::stored(\"DIR/result.json\")", &["result.json"]),
];

fn saved(folder: &Path) {
    // a separate host records no script
    levain::train::checkpoint::runs_script("print(\"a script\");\n");
    let script = SAVE.replace("DIR", &folder.display().to_string());
    assert_eq!(run(&script), None);
    // intact files open
    for (script, files) in READ {
        assert_eq!(run(&script.replace("DIR", &folder.display().to_string())), None, "{script}");
        files.iter().for_each(|file| assert!(folder.join(file).is_file(), "{file}"));
    }
}

#[test]
fn one_bit_in_any_byte_is_found_and_told_by_name() {
    const FLIPS: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path());
    let all: Vec<(&str, &str)> =
        READ.iter().flat_map(|(script, files)| files.iter().map(move |file| (*script, *file))).collect();
    let mut state = 18;
    let mut missed = Vec::new();
    for flip in 0..FLIPS {
        let (script, file) = all[flip % all.len()];
        let path = folder.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        // formats look at the ends of a file
        let at = match next(&mut state) % 4 {
            0 => bytes.len() - 1 - next(&mut state) % bytes.len().min(40),
            _ => next(&mut state) % bytes.len(),
        };
        let bit = next(&mut state) % 8;
        bytes[at] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        match run(&script.replace("DIR", &folder.path().display().to_string())) {
            Some(told) if told.contains(file) => {}
            told => missed.push(format!("{file}: bit {bit} of byte {at} of {}: {told:?}", bytes.len())),
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(missed.is_empty(), "{} of {FLIPS} not found:\n{}", missed.len(), missed.join("\n"));
}

/// The message states the fault and the remedy, and an intentionally edited file opens once the remedy is applied.
#[test]
fn a_file_that_was_changed_by_hand_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path());
    let at = |name: &str| folder.path().join(name);
    let open = format!("model(\"{}\").config", at("net").display());
    let config = std::fs::read_to_string(at("net/config.json")).unwrap();
    let changed = config.replace("1e-5", "1e-6").replace("1e-05", "1e-06").replace("0.00001", "0.00002");
    let changed = if changed == config { config.replace("10000", "20000") } else { changed };
    assert_ne!(changed, config);
    std::fs::write(at("net/config.json"), changed).unwrap();
    let told = run(&open).unwrap();
    let sums = at("net/levain_checksums.json");
    assert!(told.contains("net/config.json is damaged: "), "{told}");
    assert!(told.contains(&format!("if it was changed on purpose, remove {}", sums.display())), "{told}");
    std::fs::remove_file(sums).unwrap();
    assert_eq!(run(&open), None);

    std::fs::write(at("point/weights.safetensors"), b"").unwrap();
    let point = READ[4].0.replace("DIR", &folder.path().display().to_string());
    assert!(run(&point).unwrap().contains("weights.safetensors is damaged: it is cut off, 0 of "));
}

/// A file of a saved folder that levain itself overwrites counts as valid, as does a tokenizer that joins a model.
#[test]
fn what_levain_writes_into_a_saved_folder_is_known() {
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path());
    let place = folder.path().display();
    let again = format!(
        "save(#{{ w: ones([2]) }}, \"{place}/net/model.safetensors\"); tensors(\"{place}/net/model.safetensors\")"
    );
    assert_eq!(run(&again), None);
    let table = std::fs::read_to_string(folder.path().join("net/levain_checksums.json")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        assert!(table.contains(&format!("\"{name}\"")), "{table}");
    }
}

#[test]
fn a_baseline_that_is_damaged_is_told() {
    use levain::measure::baseline::Baseline;
    use levain::measure::machine::Machine;
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("base.json");
    Baseline::new(Machine::here()).save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(Baseline::open(&path).is_ok());
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(&path, &bytes).unwrap();
            let told = Baseline::open(&path).map(|_| ()).unwrap_err();
            assert!(told.what().contains("base.json"), "{told}");
        }
    }
    // taken out, it is an ordinary file
    let text = String::from_utf8(whole).unwrap();
    let plain = text.split(",\n  \"levain_crc32\"").next().unwrap().to_string() + "\n}\n";
    std::fs::write(&path, plain).unwrap();
    assert!(Baseline::open(&path).is_ok());
}

/// Rows beyond the memory limit are in an unnamed file, which on Linux is reachable through the process.
#[cfg(target_os = "linux")]
#[test]
fn a_bit_of_the_rows_on_disk_is_found() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::FileExt;
    use std::process::{Command, Stdio};
    const SCRIPT: &str = r#"
let text = "to be or not to be ";
text.pad(500000, "that is the question ");
let many = []; for n in 0..40 { many.push(`${n} ${text}`); }
let rows = dataset(many);
print("here");
sleep(WAIT);
print(rows[3].text.len());
"#;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("a.rhai");
    for damaged in [false, true] {
        std::fs::write(&script, SCRIPT.replace("WAIT", if damaged { "3.0" } else { "0.0" })).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
        command.arg("run").arg(&script).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        if damaged {
            let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
            let files = open.map(|entry| entry.unwrap().path());
            let is_rows = |path: &PathBuf| {
                let leads = std::fs::read_link(path).is_ok_and(|to| to.display().to_string().contains("(deleted)"));
                leads && path.metadata().is_ok_and(|facts| facts.is_file() && facts.len() > 1 << 20)
            };
            let file = files.into_iter().find(is_rows).expect("rows in a file");
            let file = std::fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, 1_600_000).unwrap();
            file.write_all_at(&[byte[0] ^ 4], 1_600_000).unwrap();
        }
        line.clear();
        out.read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(if damaged { 2 } else { 0 }), "{told}");
        assert_eq!(told.contains("dataset: the temporary file with its rows is damaged"), damaged, "{told}");
    }
}
