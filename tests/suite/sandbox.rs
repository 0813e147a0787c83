//! Malicious scripts, in the sandbox of the command line: each ends in an error, within its limits.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MEMORY: u64 = 300 << 20;

pub struct Told {
    pub code: i32,
    pub out: String,
    pub err: String,
    /// Peak memory in bytes.
    pub peak: u64,
    pub time: Duration,
}

/// A folder with a sandbox `in` and, outside of it, a secret in several forms.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    for (name, text) in [
        ("secret.txt", "password\n"),
        ("secret.jsonl", "{\"text\": \"password\"}\n"),
        ("secret.rhai", "fn f() { \"password\" }\n"),
        ("in/own.txt", "mine\n"),
        ("in/lib.rhai", "fn f() { 7 }\n"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path(), folder.path().join("in/up")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("nothing.txt"), folder.path().join("in/dangling.txt")).unwrap();
    }
    folder
}

fn sandboxed(folder: &Path, script: &str) -> Told {
    std::fs::write(folder.join("in/a.rhai"), script).unwrap();
    let start = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_levain"))
        .args(["run", "in/a.rhai", "--sandbox", "in", "--operations", "3000000", "--memory", "300M", "--disk", "20M"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = wait(child);
    Told { time: start.elapsed(), ..output }
}

/// Waits for a process, and returns its peak memory: polled throughout, since the system's final number includes the memory of
/// the process that started it.
#[cfg(unix)]
pub fn wait(child: std::process::Child) -> Told {
    let status = format!("/proc/{}/status", child.id());
    let look = std::thread::spawn(move || {
        let mut peak = 0;
        while let Some(now) = std::fs::read_to_string(&status).ok().and_then(|text| peak_of(&text)) {
            peak = peak.max(now);
            std::thread::sleep(Duration::from_millis(1));
        }
        peak
    });
    let output = child.wait_with_output().unwrap();
    Told {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        peak: look.join().unwrap(),
        time: Duration::ZERO,
    }
}

/// Peak memory of a process so far, in bytes; `None` when it has ended.
#[cfg(unix)]
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

/// The script ends with exit code 2 and this message, soon, and with little more memory than its limit.
fn ends(folder: &Path, script: &str, message: &str) {
    let told = sandboxed(folder, script);
    assert!(told.err.contains(message), "{script}\nexit code {}\n{}{}", told.code, told.out, told.err);
    assert_eq!(told.code, 2, "{script}\n{}", told.err);
    assert!(!told.out.contains("password") && !told.err.contains("password"), "{script}\n{}{}", told.out, told.err);
    assert!(told.peak < MEMORY + (150 << 20), "{script}: {} MB", told.peak >> 20);
    assert!(told.time < Duration::from_secs(60), "{script}: {:?}", told.time);
}

#[test]
fn loops_without_an_end() {
    let folder = folder();
    let limit = "error: limit: more than 3,000,000 operations";
    ends(folder.path(), "loop { }", limit);
    ends(folder.path(), "let x = 0; while true { x += 1; }", limit);
    // in closures called by native loops
    ends(folder.path(), "let a = []; a.pad(1000, 1); a.map(|x| { for i in 0..100000 { x += i; } x })", limit);
    ends(folder.path(), "dataset([1, 2]).map(|row| { let x = 0; loop { x += 1; } })", limit);
    // catching it does not allow a script to continue
    ends(folder.path(), "loop { try { loop { } } catch { } }", limit);
    ends(folder.path(), "sleep(1000000);", limit);
}

#[test]
fn memory_without_an_end() {
    let folder = folder();
    ends(folder.path(), "let s = \"x\"; loop { s += s; }", "error: limit: a string of more than");
    ends(
        folder.path(),
        "let s = \"\"; s.pad(60000000, 'x'); let a = []; loop { a.push(s + a.len()); }",
        "error: limit: ",
    );
    ends(folder.path(), "let a = [1]; loop { a += a; }", "error: limit: a list of more than");
    ends(folder.path(), "let a = [1]; loop { a.push(a); }", "error: limit: ");
    ends(folder.path(), "let m = #{}; let i = 0; loop { m.set(`k${i}`, `${i}`); i += 1; }", "error: limit: ");
    ends(folder.path(), "let a = []; loop { a.push(ones([1000, 1000])); }", "where this script may hold");
    ends(folder.path(), "let a = []; loop { a.push(ones([300, 300])); }", "error: limit: ");
    ends(folder.path(), "let t = ones([1000]); loop { t = cat([t, t, t], 0); }", "where this script may hold");
}

#[test]
fn shapes_beyond_all_measure() {
    let folder = folder();
    for script in [
        "zeros([1000000, 1000000])",
        "rand([9223372036854775807, 2])",
        "tensor([1.0]).expand([100000, 100000]).exp()",
        "let t = ones([100000, 1]); t @ t.t()",
        "ones([10]).pad(0, 1000000000000, 0)",
        "one_hot(arange(100000), 100000)",
        "model(#{ model_type: \"llama\", vocab_size: 1000000, hidden_size: 100000, num_hidden_layers: 100, num_attention_heads: 10 })",
    ] {
        ends(folder.path(), script, "error: ");
    }
}

#[test]
fn recursion_without_an_end() {
    let folder = folder();
    let limit = "error: calls are nested more than 128 deep";
    ends(folder.path(), "fn f(x) { f(x + 1) } f(0);", limit);
    ends(folder.path(), "fn f(x) { g(x) } fn g(x) { f(x) } f(0);", limit);
    ends(folder.path(), "fn f(x) { [x].map(|y| f(y)) } f(0);", limit);
}

#[test]
fn reading_outside() {
    let folder = folder();
    let whole = folder.path().join("secret.txt").display().to_string();
    for path in ["secret.txt", "in/../secret.txt", "in/up/secret.txt", "/etc/passwd.txt", &whole, "in/dangling.txt"] {
        ends(folder.path(), &format!("print(dataset(\"{path}\")[0])"), "may not be read by this script");
    }
    for script in [
        "dataset(\"secret.jsonl\")",
        "stream(\"secret.jsonl\")",
        "tokenizer(\".\")",
        "tokenizer(\"../vocab.txt\")",
        "model(\"..\")",
        "tensors(\"secret.safetensors\")",
        "tensor(\"secret.npy\")",
        "checkpoint(\"point\").load([])",
        "record(\"log.jsonl\", #{ resume: 1 })",
    ] {
        ends(folder.path(), script, "error: ");
    }
    ends(folder.path(), "bench::start()", "error: ");
}

#[test]
fn writing_outside() {
    let folder = folder();
    let refused = "may not be written by this script";
    for script in [
        "dataset([\"x\"]).save(\"new.txt\")",
        "dataset([\"x\"]).save(\"in/../new.txt\")",
        "dataset([\"x\"]).save(\"in/up/secret.txt\")",
        "dataset([\"x\"]).save(\"in/dangling.txt\")",
        "ones([2]).save(\"new.npy\")",
        "tokenizer([\"to be\"], #{ vocab_size: 260 }).save(\"new\")",
        "model(#{ model_type: \"llama\", vocab_size: 8, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 1 }).save(\"new\")",
        "chart(\"c\").line(\"a\", [1.0, 2.0]).save(\"new.svg\")",
        "record(\"new.jsonl\").add(#{ step: 1 })",
        "let w = param(tensor([1.0])); checkpoint(\"new\").save(1, [w], sgd([w]))",
    ] {
        ends(folder.path(), script, refused);
    }
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["in", "secret.jsonl", "secret.rhai", "secret.txt"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("secret.txt")).unwrap(), "password\n");
}

#[test]
fn importing_outside() {
    let folder = folder();
    for path in ["../secret", "up/secret", "/etc/hosts"] {
        ends(folder.path(), &format!("import \"{path}\" as s; print(s::f());"), "may not be read by this script");
    }
}

#[test]
fn what_is_inside_is_free() {
    let folder = folder();
    let script = "import \"lib\" as lib;
        dataset(\"in/own.txt\").save(\"in/out/new.txt\");
        tokenizer([\"to be\"], #{ vocab_size: 260 }).save(\"in/tok\");
        print(lib::f() + tokenizer(\"in/tok\").len());";
    let told = sandboxed(folder.path(), script);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(folder.path().join("in/out/new.txt")).unwrap(), "mine\n");
}

/// A tokenizer from the net includes a template, which is a program of its own.
#[test]
fn chat_templates_without_an_end() {
    let folder = folder();
    let told = sandboxed(folder.path(), "tokenizer([\"to be\"], #{ vocab_size: 260 }).save(\"in/tok\");");
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let chat = "tok.apply_chat_template([#{ role: \"user\", content: \"hi\" }])";
    for (template, message) in [
        ("{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}", "does not end"),
        (
            "{% set ns = namespace(s='x') %}{% for a in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "does not end",
        ),
        (
            "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}{{ ns.a|length }}",
            "does not end",
        ),
        (
            "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}",
            "does not end",
        ),
        ("{{ 'a' * 10 ** 12 }}", "does not end"),
        ("{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}", "fails"),
    ] {
        std::fs::write(folder.path().join("in/tok/chat_template.jinja"), template).unwrap();
        let told = format!("error: apply_chat_template: the template {message}");
        ends(folder.path(), &format!("let tok = tokenizer(\"in/tok\"); {chat}"), &told);
        // a script that catches it and retries does not run forever either
        let again = format!("let tok = tokenizer(\"in/tok\"); loop {{ try {{ {chat} }} catch {{ }} }}");
        ends(folder.path(), &again, "error: limit: more than 3,000,000 operations");
    }
}

#[test]
fn disks_are_not_filled() {
    let folder = folder();
    let limit = "error: limit: more than 21.0 MB written to files";
    let text = "let s = \"\"; s.pad(1000000, 'x');";
    for script in [
        "loop { ones([1000, 1000]).save(\"in/a.npy\"); }",
        "let i = 0; loop { ones([1000, 1000]).save(`in/${i}.safetensors`); i += 1; }",
        &format!("{text} let log = record(\"in/log.jsonl\"); loop {{ log.add(#{{ s: s }}); }}"),
        &format!("{text} let rows = []; rows.pad(50, s); dataset(rows).save(\"in/a.txt\")"),
        "let rows = dataset(rand([90000]).to_list()); loop { rows.save(\"in/a.parquet\") }",
    ] {
        ends(folder.path(), script, limit);
    }
    // unpacked data is also on a disk: 100 MB in a file of some kilobytes
    let packed = std::fs::File::create(folder.path().join("in/bomb.parquet.zst")).unwrap();
    let mut packed = zstd::Encoder::new(packed, 3).unwrap().auto_finish();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 100 << 20), &mut packed).unwrap();
    drop(packed);
    ends(folder.path(), "dataset(\"in/bomb.parquet.zst\")", limit);
    ends(folder.path(), "loop { try { dataset(\"in/bomb.parquet.zst\") } catch { } }", limit);
}
