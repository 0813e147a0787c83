//! What the fuzz targets do: some bytes become a file, and a script opens it.
//!
//! Each parser is reached as a script reaches it, so that no door is left out and none is invented. The outcome may be a value or
//! an error that a person reads, and never a panic. The suite includes this file too (`tests/suite/fuzz.rs`), and
//! runs every target over its seeds and over small changes of them, on stable.

use levain::script::{Cause, Fault};
use levain::{Limits, Runtime};
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

/// One parser.
pub struct Target {
    /// The seeds are in `fuzz/seeds/NAME`.
    pub name: &'static str,
    /// The files that the bytes become, in a folder of their own, divided at [`NEXT`].
    pub files: &'static [&'static str],
    /// What opens them.
    pub script: &'static str,
}

/// Divides the bytes of an input into files.
pub const NEXT: &[u8] = b"\n=== next file ===\n";

const fn target(name: &'static str, files: &'static [&'static str], script: &'static str) -> Target {
    Target { name, files, script }
}

pub const TARGETS: &[Target] = &[
    target(
        "adapter",
        &["m/config.json", "m/model.safetensors", "a/adapter_config.json", "a/adapter_model.safetensors"],
        r#"model("m").open_lora("a")"#,
    ),
    target("baseline", &["x.json"], ""),
    target("bench_history", &["x.jsonl"], ""),
    target(
        "chat_template",
        &["x.jinja"],
        r#"fn open(text) {
            let tok = tokenizer(["to be"], #{ vocab_size: 260 }).with_chat_template(text);
            tok.apply_chat_template([#{ role: "user", content: "hi" }])
        }"#,
    ),
    target(
        "checkpoint",
        &["c/state.json", "c/weights.safetensors", "c/optimizer.safetensors"],
        r#"let w = param(tensor([1.0, 2.0])); checkpoint("c").load([w], adamw([w], #{ lr: 0.1 }))"#,
    ),
    target("config", &["m/config.json", "m/model.safetensors"], r#"model("m")"#),
    target("csv", &["x.csv"], r#"for row in dataset("x.csv") { row.to_string() }"#),
    target("gguf", &["x.gguf"], r#"try { tokenizer("x.gguf").encode("a b") } catch { } model("x.gguf")"#),
    target("html", &["x.html"], r#"dataset("x.html").html_to_text("html")[0].html.to_string()"#),
    target("index", &["i/index.json", "i/passages.parquet"], r#"index("i").search("what is it")"#),
    target("json", &["x.json"], r#"for row in dataset("x.json") { row.to_string() }"#),
    target("jsonl", &["x.jsonl"], r#"for row in dataset("x.jsonl") { row.to_string() }"#),
    // a socket's parts behind the identity of its client
    target("messages", &["header", "parent", "metadata", "content", "buffer"], ""),
    target("npy", &["x.npy"], r#"tensor("x.npy").to_string()"#),
    target("parquet", &["x.parquet"], r#"for row in dataset("x.parquet") { row.to_string() }"#),
    target("pytorch", &["x.bin"], r#"tensors("x.bin").to_string()"#),
    target("record", &["x.jsonl"], r#"record("x.jsonl", #{ resume: 3 }).rows().to_string()"#),
    target("safetensors", &["x.safetensors"], r#"tensors("x.safetensors").to_string()"#),
    target("script", &["x.rhai"], ""),
    target("tar", &["x.tar"], r#"for row in dataset("x.tar") { row.to_string() }"#),
    target(
        "tekken",
        &["tekken.json"],
        r#"let tok = tokenizer("tekken.json"); tok.decode(tok.encode("the cat 专利权 sat").ids)"#,
    ),
    target(
        "tokenizer",
        &["x.json"],
        r#"let tok = tokenizer("x.json"); tok.decode(tok.encode("the cat 专利权 sat").ids)"#,
    ),
    target(
        "tokenizer_model",
        &["t/tokenizer.model", "t/tokenizer_config.json"],
        r#"let tok = tokenizer("t"); tok.decode(tok.encode("the cat 专利权 ﬁ sat").ids)"#,
    ),
    target(
        "vocab",
        &["t/vocab.txt", "t/tokenizer_config.json", "t/special_tokens_map.json"],
        r#"let tok = tokenizer("t"); tok.decode(tok.encode("the cat 专利权 sat").ids)"#,
    ),
    target(
        "vocab_merges",
        &["t/vocab.json", "t/merges.txt", "t/tokenizer_config.json", "t/added_tokens.json"],
        r#"let tok = tokenizer("t"); tok.decode(tok.encode("the cat 专利权 sat").ids)"#,
    ),
    target("warc", &["x.warc"], r#"for row in dataset("x.warc") { row.to_string() }"#),
    target("zip", &["x.zip"], r#"for row in dataset("x.zip") { row.to_string() }"#),
];

/// What a small file may cost.
const TIME: Duration = Duration::from_secs(10);
const MEMORY: u64 = 1 << 30;

/// One engine and one folder a thread.
struct Place {
    runtime: Runtime,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder for the files");
        let limits = Limits { operations: None, time: Some(TIME), memory: Some(MEMORY), ..Limits::strict() };
        let runtime = Runtime::builder().limits(limits).allow(folder.path()).print(|_| {}).build();
        Place { runtime: runtime.expect("a runtime"), folder }
    }
}

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Runs a target over some bytes, and returns the fault that a person would read.
///
/// # Panics
/// Where levain did, told of a fault of its own, or took more time or memory than a small file may cost.
pub fn run(name: &str, bytes: &[u8]) -> Result<(), Fault> {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    PLACE.with_borrow_mut(|place| {
        let place = place.get_or_insert_with(Place::new);
        write(place.folder.path(), target, bytes);
        let opened = open(place, target);
        if let Err(fault) = &opened {
            assert!(fault.cause != Cause::Internal, "{name}: {fault}");
            assert!(!fault.message.starts_with("limit: more than"), "{name}: {fault}");
        }
        opened
    })
}

fn write(folder: &Path, target: &Target, bytes: &[u8]) {
    let mut rest = Some(bytes);
    for file in target.files {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().expect("a folder above a file")).expect("a folder for a file");
        let Some(bytes) = rest else {
            // an input may have fewer files than the target takes
            let _ = std::fs::remove_file(&path);
            continue;
        };
        let at = bytes.windows(NEXT.len()).position(|some| some == NEXT);
        std::fs::write(&path, &bytes[..at.unwrap_or(bytes.len())]).expect("a file for the bytes");
        rest = at.map(|at| &bytes[at + NEXT.len()..]);
    }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn open(place: &mut Place, target: &Target) -> Result<(), Fault> {
    let path = place.folder.path().join(target.files[0]);
    match target.name {
        "baseline" => levain::measure::baseline::Baseline::open(&path).map(|_| ()).map_err(Fault::from),
        "bench_history" => levain::measure::bench::history::read(&path).map(|_| ()).map_err(Fault::from),
        "messages" => {
            let part = |name: &&str| std::fs::read(place.folder.path().join(name)).unwrap_or_default();
            let known = [b"client".to_vec(), b"<IDS|MSG>".to_vec(), Vec::new()];
            let parts = known.into_iter().chain(target.files.iter().map(part)).collect();
            levain::cli::rehearse(parts).map_err(Fault::from)
        }
        "chat_template" => place.runtime.load("open", target.script)?.call("open", (text(&path),)).map(|_| ()),
        "script" => {
            let text = text(&path);
            match place.runtime.check("x.rhai", &text).into_iter().find(|fault| fault.cause == Cause::Internal) {
                Some(fault) => Err(fault),
                None => Ok(()),
            }
        }
        _ => {
            // paths of a script are relative to the process; those of a target, to its folder
            let folder = place.folder.path().display().to_string();
            let mut script = target.script.to_string();
            for file in target.files {
                let name = file.split('/').next().unwrap_or(file);
                script = script.replace(&format!("\"{name}\""), &format!("{:?}", format!("{folder}/{name}")));
            }
            place.runtime.run(&script).map(|_| ())
        }
    }
}
