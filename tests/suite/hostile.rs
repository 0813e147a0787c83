//! A hundred malicious scripts (`tests/data/hostile/scripts.txt`), in the sandbox of the command line: each ends with the
//! expected error, with at most a tenth more memory than its limit, and within a second of its time limit.

use super::sandbox::{Told, wait};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const MEMORY: u64 = 300 << 20;
/// Time limits of the scripts that end by the clock, and of the others, which should not reach it.
const SECONDS: [f64; 2] = [0.5, 30.0];

struct Case {
    words: String,
    script: String,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string("tests/data/hostile/scripts.txt").unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("//"));
    let mut cases: Vec<Case> = Vec::new();
    for line in lines {
        match (line.strip_prefix("=== "), cases.last_mut()) {
            (Some(words), _) => cases.push(Case { words: words.into(), script: String::new() }),
            (None, Some(case)) => case.script += &format!("{line}\n"),
            (None, None) => assert_eq!(line, ""),
        }
    }
    cases
}

/// A folder with a sandbox `in`, files outside that scripts may not open, and files with a false size.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("in");
    std::fs::create_dir(&inside).unwrap();
    for name in ["pipe.jsonl", "pipe.json", "pipe.npy", "pipe.rhai"] {
        assert!(Command::new("mkfifo").arg(inside.join(name)).status().unwrap().success());
    }
    for (name, to) in [("link.jsonl", "pipe.jsonl"), ("zero.txt", "/dev/zero"), ("self.txt", "/proc/self/environ")] {
        std::os::unix::fs::symlink(to, inside.join(name)).unwrap();
    }
    // it exists as long as its folder
    drop(std::os::unix::net::UnixListener::bind(inside.join("socket.jsonl")).unwrap());
    let wide: String = (0..12_000).map(|row| format!("{{\"f{row}\": 1}}\n")).collect();
    std::fs::write(inside.join("wide.jsonl"), wide).unwrap();
    std::fs::write(inside.join("deep.jsonl"), format!("{{\"a\": {}", "[".repeat(1_000_000))).unwrap();
    std::fs::File::create(inside.join("sparse.jsonl")).unwrap().set_len(1 << 40).unwrap();
    std::fs::write(
        inside.join("ids.json"),
        r#"{"model": {"type": "BPE", "vocab": {"a": 4294967295}, "merges": []}, "added_tokens": [{"id": 4000000000, "content": "<b>"}]}"#,
    )
    .unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000)}\n";
    let npy = [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    std::fs::write(inside.join("huge.npy"), npy).unwrap();
    let header = r#"{"a":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}"#;
    let huge = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    std::fs::write(inside.join("huge.safetensors"), huge).unwrap();
    let row = format!("{{\"a\": \"{}\"}}\n", "x".repeat(1 << 20));
    let packed = std::fs::File::create(inside.join("bomb.jsonl.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    (0..400).for_each(|_| std::io::Write::write_all(&mut packed, row.trim_end().as_bytes()).unwrap());
    packed.finish().unwrap();
    let packed = std::fs::File::create(inside.join("bomb.parquet.zst")).unwrap();
    let mut packed = zstd::Encoder::new(packed, 3).unwrap().auto_finish();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 100 << 20), &mut packed).unwrap();
    drop(packed);
    folder
}

fn run(case: &Case, folder: &Path, sandbox: &str) -> Told {
    std::fs::write(folder.join("in/a.rhai"), &case.script).unwrap();
    let by_clock = case.words.starts_with("time:");
    let operations = if by_clock { "1000000000000" } else { "3000000" };
    let time = SECONDS[usize::from(!by_clock)].to_string();
    let start = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_levain"))
        .args(["run", "in/a.rhai", "--sandbox", sandbox, "--operations", operations, "--time", &time])
        .args(["--memory", "300M", "--disk", "20M"])
        .env("LEVAIN_THREADS", "2")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = wait(child);
    Told { time: start.elapsed(), ..told }
}

/// The fault in how a case ended.
fn wrong(case: &Case, told: &Told) -> Option<String> {
    let by_clock = case.words.starts_with("time:");
    let limit = SECONDS[usize::from(!by_clock)];
    let words = if by_clock { "error: limit: more than 0.5 seconds" } else { &case.words };
    let what = match () {
        _ if told.code != 2 => format!("exit code {}", told.code),
        _ if !told.err.contains(words) => format!("not the words {words:?}"),
        _ if told.err.contains("panicked") || told.err.contains("internal error") => "a panic".to_string(),
        // a time limit error names the place
        _ if by_clock && !told.err.contains("in/a.rhai:") => "the process was ended".to_string(),
        _ if told.time > Duration::from_secs_f64(limit + 1.0) => format!("{:?}", told.time),
        _ if told.peak > MEMORY + MEMORY / 10 => format!("{} MB", told.peak >> 20),
        _ => return None,
    };
    Some(format!("{}{what}\n{}{}", case.script, told.out, told.err))
}

#[test]
fn a_hundred_scripts_end_within_their_limits() {
    let cases = cases();
    assert!(cases.len() >= 100, "{}", cases.len());
    let chosen = std::env::var("LEVAIN_TEST_HOSTILE").unwrap_or_default();
    let next = Mutex::new(cases.iter().filter(|case| case.script.contains(&chosen)));
    let failed = Mutex::new(Vec::new());
    let work = || {
        let folder = folder();
        while let Some(case) = { next.lock().unwrap().next() } {
            // a busy machine is not the limit's fault
            let first = wrong(case, &run(case, folder.path(), "in"));
            if let Some(what) = first.and_then(|_| wrong(case, &run(case, folder.path(), "in"))) {
                failed.lock().unwrap().push(what);
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {}\n\n{}", failed.len(), cases.len(), failed.join("\n"));
}

/// Even where everything may be read, kernel files may not.
#[test]
fn files_of_the_kernel_are_not_files() {
    let folder = folder();
    for (path, kind) in [("in/self.txt", "a file of the system's kernel"), ("in/zero.txt", "a device")] {
        let case = Case { words: format!("{path} is {kind}"), script: format!("dataset(\"{path}\")\n") };
        let found = wrong(&case, &run(&case, folder.path(), "/"));
        assert_eq!(found, None);
    }
}

/// Outside a sandbox a pipe is readable as usual: `levain run x.rhai < rows`, or the shell's `<(…)`.
#[test]
fn a_pipe_is_read_where_nothing_is_confined() {
    let folder = folder();
    let pipe = folder.path().join("in/pipe.jsonl");
    std::fs::write(folder.path().join("in/a.rhai"), "print(dataset(\"in/pipe.jsonl\").len());").unwrap();
    let write = std::thread::spawn(move || std::fs::write(pipe, "{\"a\": 1}\n{\"a\": 2}\n").unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
    let output = command.args(["run", "in/a.rhai"]).current_dir(folder.path()).output().unwrap();
    write.join().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n", "{}", String::from_utf8_lossy(&output.stderr));
}
