//! Bad input, from the real binary: a clear error that names the place, exit code 2, and no overwritten files.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A small net and tokenizer, at the top of a script.
const SMALL: &str = "let tok = tokenizer([\"to be\"], #{ vocab_size: 260 });
let net = model(#{ model_type: \"llama\", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
let rows = dataset([\"We the people\", \"of the United States\"]).encode(tok).pack(8);
";

fn command(folder: &Path, script: &str) -> Command {
    std::fs::write(folder.join("a.rhai"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
    command.args(["run", "a.rhai"]).current_dir(folder).stdin(Stdio::null());
    command
}

fn judge(script: &str, output: &Output, parts: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{script}\n{told}");
    assert!(parts.iter().all(|part| told.contains(part)), "{script}\nsays\n{told}\nand not {parts:?}");
    assert!(!told.contains("internal error"), "{told}");
}

/// The script ends with exit code 2, and a message with all these words.
fn fault(folder: &Path, script: &str, parts: &[&str]) {
    judge(script, &command(folder, script).output().unwrap(), parts);
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

#[test]
fn names_that_are_misspelt() {
    let folder = folder(&[("rows.jsonl", b"{\"text\": \"a\"}\n")]);
    let path = folder.path();
    fault(path, "let w = param(tensor([1.0])); adamw([w], #{ lrr: 0.1 })", &["no option `lrr`", "did you mean `lr`?"]);
    fault(
        path,
        "let t = tensor([1.0]); t.squar()",
        &["squar: no such verb", "a.rhai:1:26", "did you mean `tensor.square()"],
    );
    fault(path, "dataset(\"row.jsonl\")", &["row.jsonl is not there"]);
    fault(path, "model(\"modle\")", &["model: modle is not there"]);
    fault(path, "tokenizer(\"tok\")", &["tokenizer: tok is not there"]);
    let kind = "model(#{ model_type: \"lama\", vocab_size: 8, hidden_size: 8, num_hidden_layers: 1 })";
    fault(path, kind, &["`lama`", "did you mean `llama`?"]);
}

#[test]
fn rows_that_are_broken() {
    let folder = folder(&[
        ("cut.jsonl", b"{\"text\": \"a\"}\n{\"text\": \"b\"\n"),
        ("other.jsonl", b"{\"text\": \"a\"}\n{\"txt\": 3}\n"),
        ("number.jsonl", b"{\"text\": \"a\"}\n{\"text\": {\"deep\": 3}}\n"),
        ("latin.jsonl", b"{\"text\": \"a\"}\n{\"text\": \"caf\xe9\"}\n"),
        ("empty.jsonl", b""),
    ]);
    let path = folder.path();
    fault(path, "dataset(\"cut.jsonl\")", &["cut.jsonl:2"]);
    fault(path, "dataset(\"latin.jsonl\")", &["latin.jsonl:2", "UTF-8"]);
    fault(path, "dataset(\"empty.jsonl\")", &["empty.jsonl is empty"]);
    let encode = |file: &str| format!("{SMALL} dataset(\"{file}\").encode(tok, #{{ text: \"text\" }})");
    fault(path, &encode("other.jsonl"), &["row 1", "`text`"]);
    fault(path, &encode("number.jsonl"), &["`text`"]);
    fault(path, "dataset(\"cut.jsonl\").column(\"txt\")", &["cut.jsonl:2"]);
    fault(path, "dataset(\"other.jsonl\").column(\"tet\")", &["no field `tet`", "did you mean `text`?"]);
}

#[test]
fn weights_that_are_cut_or_lie() {
    let whole = std::fs::read(format!("{ROOT}/tests/data/parity/llama/model.safetensors")).unwrap();
    let mut lying = whole.clone();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let folder = folder(&[
        ("cut.safetensors", &whole[..whole.len() - 100]),
        ("lying.safetensors", &lying),
        ("none.safetensors", b"none"),
        ("cut.gguf", b"GGUF\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x00"),
    ]);
    let path = folder.path();
    for name in ["cut", "lying", "none"] {
        fault(path, &format!("tensors(\"{name}.safetensors\")"), &[&format!("{name}.safetensors")]);
    }
    fault(path, "model(\"cut.gguf\")", &["cut.gguf"]);
    fault(path, "tokenizer(\"cut.gguf\")", &["cut.gguf"]);
}

#[test]
fn a_tokenizer_that_does_not_fit_its_model() {
    let folder = folder(&[]);
    let start = "let tok = tokenizer([\"to be\"], #{ vocab_size: 300 });
let net = model(#{ model_type: \"llama\", vocab_size: 160, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
let text = dataset([\"to be or not\"]);
";
    let fails = |end: &str, parts: &[&str]| fault(folder.path(), &format!("{start}{end}"), parts);
    fails(
        "net.generate(tok, \"to be\")",
        &["the tokenizer has 259 tokens, the model 160 embedding rows", "a.rhai:4:5"],
    );
    fails(
        "measure::loss(net, text.encode(tok))",
        &["outside the embeddings of 160 rows", "net.resize_embeddings(tok.len())"],
    );
    fails("measure::bits_per_byte(net, tok, text)", &["160 rows"]);
    fails("pretrain::run(net, tok, text, #{ max_length: 8, quiet: true })", &["160 rows"]);
    fails("net.forward([5, 600])", &["id 600 (row 0, position 1) is outside the embeddings of 160 rows"]);
    fails("net.loss(#{ ids: [5, 6, 7], labels: [5, 6, 999] })", &["label 999 is outside the embeddings of 160 rows"]);
}

#[test]
fn shapes_that_do_not_meet() {
    let folder = folder(&[]);
    fault(folder.path(), "zeros([2, 3]) @ zeros([4, 5])", &["matmul: cannot multiply [2, 3] by [4, 5]: 3 is not 4"]);
    fault(folder.path(), "zeros([2, 3]) + zeros([4])", &["add: cannot broadcast [2, 3] with [4]: 3 is not 4"]);
}

#[test]
fn training_that_learns_nothing_or_breaks() {
    let folder = folder(&[]);
    let fails = |end: &str, parts: &[&str]| fault(folder.path(), &format!("{SMALL}{end}"), parts);
    // a batch without loss tokens
    fails(
        "let chat = dataset([#{ messages: [#{ role: \"user\", content: \"a\" }] }]);
sft::run(net, tok, chat, #{ template: \"{% for m in messages %}{{ m.content }}{% endfor %}\", max_length: 8 })",
        &["a.rhai:5"],
    );
    fails(
        "let none = dataset([#{ ids: [1, 2, 3, 4], labels: [-100, -100, -100, -100] }]);
for batch in rows.batches(#{ batch_size: 1, epochs: 1 }) {
    net.loss(#{ ids: [1, 2, 3, 4], labels: [-100, -100, -100, -100] });
}",
        &["no token of this batch has a loss: all labels are -100"],
    );
    // weights that diverge
    fails(
        "train::run(net, rows, (), #{ steps: 30, batch_size: 1, lr: 1e30, warmup: 0.0, quiet: true })",
        &["error: train: step 2: the ", "a lower `lr`", "a.rhai:4:8"],
    );
}

#[test]
fn imports_that_are_missing_or_go_round() {
    let folder = folder(&[("one.rhai", b"import \"two\" as two;"), ("two.rhai", b"import \"one\" as one;")]);
    fault(folder.path(), "import \"twoo\" as two;", &["twoo.rhai is not there", "did you mean `two`?", "a.rhai:1:8"]);
    fault(folder.path(), "import \"one\" as one;", &["import one another: one.rhai → two.rhai → one.rhai"]);
}

/// Saves something of every kind into `out`, one line each.
const SAVES: [(&str, &str); 18] = [
    ("model", "net.save(\"out/net\");"),
    ("tokenizer", "tok.save(\"out/tok\");"),
    ("dataset", "dataset(long).save(\"out/rows.jsonl\");"),
    ("csv", "dataset(long).save(\"out/rows.csv\");"),
    ("zst", "dataset(long).save(\"out/rows.jsonl.zst\");"),
    ("parquet", "dataset(long).save(\"out/rows.parquet\");"),
    ("checkpoint", "checkpoint(\"out/point\").save(1, net, adamw(net.parameters()));"),
    ("tensor", "zeros([100, 100]).save(\"out/zeros.npy\");"),
    ("tensors", "save(#{ a: rand([50, 50]) }, \"out/a.safetensors\");"),
    ("figures", "save(#{ a: long }, \"out/a.json\");"),
    ("index", "index(long).save(\"out/index\");"),
    ("dense", "index(long.extract(0, 4), #{ model: net, tokenizer: tok }).save(\"out/index\");"),
    ("lora", "net.attach_lora(#{ rank: 2, seed: 1 }); net.save_lora(\"out/lora\", #{ base: \"net\" });"),
    ("page", "page(long[0]).add(chart(long[0]).line(\"a\", [1.0, 2.0])).save(\"out/page.html\");"),
    ("chart", "chart(long[0]).line(\"a\", [1.0, 2.0]).save(\"out/chart.svg\");"),
    ("png", "chart(long[0]).line(\"a\", [1.0, 2.0]).save(\"out/chart.png\");"),
    ("record", "let log = record(\"out/log.jsonl\"); log.add(#{ step: 1, long: long });"),
    ("resumed", "record(\"out/log.jsonl\", #{ resume: 9 }).add(#{ step: 6, long: long });"),
];

fn saving(line: &str) -> String {
    format!("{SMALL}let long = []; for i in 0..2000 {{ long.push(`row ${{i}} ${{rand([1]).item()}}`); }}\n{line}")
}

/// Every file below a folder, with its size and a hash of its contents.
fn contents(folder: &Path) -> Vec<(String, usize, u64)> {
    use std::hash::{DefaultHasher, Hasher};
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => {
                let bytes = std::fs::read(&path).unwrap();
                let mut hasher = DefaultHasher::new();
                hasher.write(&bytes);
                found.push((path.display().to_string(), bytes.len(), hasher.finish()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_path_below_a_file_can_not_be_written() {
    for (what, line) in SAVES {
        let folder = folder(&[("out", b"a file")]);
        fault(folder.path(), &saving(line), &["out is a file, not a folder"]);
        assert_eq!(std::fs::read(folder.path().join("out")).unwrap(), b"a file", "{what}");
    }
}

/// A folder that nobody may write to, not even the superuser: `/sys` is one on Linux.
#[cfg(target_os = "linux")]
#[test]
fn a_read_only_folder_can_not_be_written() {
    for (_, line) in SAVES {
        let folder = folder(&[]);
        std::os::unix::fs::symlink("/sys", folder.path().join("out")).unwrap();
        fault(folder.path(), &saving(line), &["error: ", "out", "denied"]);
    }
}

/// The disk is full: no file may grow beyond 2 KiB. Earlier saves remain bit for bit, and nothing else.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_what_was_there() {
    use std::os::unix::process::CommandExt;
    let mut tried = 0;
    for (what, line) in SAVES {
        let folder = folder(&[]);
        let first = command(folder.path(), &saving(line)).output().unwrap();
        assert!(first.status.success(), "{what}: {}", String::from_utf8_lossy(&first.stderr));
        let before = contents(&folder.path().join("out"));
        if before.iter().all(|(_, size, _)| *size <= 2048) {
            continue; // it fits
        }
        tried += 1;
        let mut again = command(folder.path(), &saving(line));
        // SAFETY: both calls only change the new process's own limits, and allocate no memory
        unsafe {
            again.pre_exec(|| {
                let limit = libc::rlimit { rlim_cur: 2048, rlim_max: 2048 };
                libc::setrlimit(libc::RLIMIT_FSIZE, &limit);
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                Ok(())
            });
        }
        judge(line, &again.output().unwrap(), &["error: ", "out"]);
        assert_eq!(contents(&folder.path().join("out")), before, "{what}");
    }
    assert!(tried >= 10, "{tried}");
}

/// The disk is full from any call on that changes it: earlier saves remain bit for bit, and nothing else.
#[test]
fn a_disk_that_fills_up_at_any_call_leaves_what_was_there() {
    std::thread::scope(|scope| {
        for (what, line) in SAVES {
            scope.spawn(move || {
                let folder = folder(&[]);
                let first = command(folder.path(), &saving(line)).output().unwrap();
                assert!(first.status.success(), "{what}: {}", String::from_utf8_lossy(&first.stderr));
                let before = contents(&folder.path().join("out"));
                let again = saving(&format!("seed(9);\n{line}")).replace("seed: 1", "seed: 2");
                for call in 1.. {
                    let output = command(folder.path(), &again)
                        .env("LEVAIN_TEST_FAULT", format!("full@{call}"))
                        .output()
                        .unwrap();
                    if output.status.success() {
                        assert!(call > 3, "{what} was saved in {call} calls");
                        return;
                    }
                    judge(line, &output, &["out", "no storage space"]);
                    assert_eq!(contents(&folder.path().join("out")), before, "{what}, full from call {call} on");
                }
            });
        }
    });
}

/// One call fails: the verb reports it or does not need the call, and the saved version opens, old or new.
#[test]
fn a_call_that_fails_leaves_what_opens() {
    let open = "print(model(\"out/net\").parameters()[0].square().sum().item() + tokenizer(\"out/net\").len() + index(\"out/index\").len());";
    let folder = folder(&[]);
    let run = |script: &str, fault: &str| {
        let output = command(folder.path(), script).env("LEVAIN_TEST_FAULT", fault).output().unwrap();
        let printed = String::from_utf8(output.stdout.clone()).unwrap();
        (output.status.code(), printed, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let save = |seed: usize| {
        let lines = "net.save(\"out/net\"); tok.save(\"out/net\"); index(long).save(\"out/index\");";
        saving(lines).replace("seed: 1", &format!("seed: {seed}"))
    };
    let found = |fault: &str| {
        let (code, printed, told) = run(open, "kill@1000000");
        assert_eq!(code, Some(0), "{fault}: {told}");
        printed
    };
    assert_eq!(run(&save(1), "").0, Some(0));
    let old = found("none");
    let mut seen = std::collections::BTreeSet::new();
    for call in 1.. {
        assert_eq!(run(&save(1), "").0, Some(0));
        let fault = format!("fail@{call}");
        let (code, _, told) = run(&save(2), &fault);
        let now = found(&fault);
        seen.insert(now.clone());
        if code == Some(0) && !told.contains("fails in a test") && call > 60 {
            assert_ne!(now, old);
            break;
        }
        assert!(code == Some(0) || code == Some(2) && told.contains("fails in a test"), "{fault}: {code:?} {told}");
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}
