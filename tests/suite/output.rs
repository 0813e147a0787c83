//! Output that can't be written is an error, in every command: a full disk, and a closed reader.

use super::cli::Folder;
use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

const LEVAIN: &str = env!("CARGO_BIN_EXE_levain");

/// Runs a command whose standard output is `to`; returns its exit code and messages.
fn onto(folder: &Folder, words: &[&str], to: impl Into<Stdio>) -> (Option<i32>, String) {
    let mut command = Command::new(LEVAIN);
    command.args(words).current_dir(folder.path()).env_remove("GITHUB_STEP_SUMMARY");
    let output = command.stdin(Stdio::null()).stdout(to).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A pipe with a closed reader.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn project() -> Folder {
    Folder::new(&[
        ("many.rhai", "for i in 0..10000 { print(`line ${i}`); }\ndataset([\"x\"]).save(\"after.txt\");\n"),
        ("caught.rhai", "try { print(1); } catch { }\nwrite(2);\ndataset([\"x\"]).save(\"after.txt\");\n"),
        ("t/a.rhai", "fn test_a() { print(1); }\n"),
        ("b/a.rhai", "print(1);\nbench::exact(\"a\", 1);\n"),
    ])
}

const COMMANDS: [&[&str]; 14] = [
    &["run", "many.rhai"],
    &["run", "caught.rhai"],
    &["test", "t"],
    &["check", "t", "--format", "json"],
    &["check", "many.rhai", "--format", "sarif"],
    &["bench", "b"],
    &["bench", "b", "--format", "json"],
    &["help"],
    &["help", "tensor"],
    &["help", "--format", "markdown"],
    &["completions", "bash"],
    &["definitions", "d"],
    &["--help"],
    &["--version"],
];

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_fault_in_every_command() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for words in COMMANDS {
        let folder = project();
        let (code, told) = onto(&folder, words, full());
        assert_eq!(told, "error: output: standard output: No space left on device\n", "{words:?}");
        assert_eq!(code, Some(2), "{words:?}");
        assert!(!folder.path().join("after.txt").exists(), "{words:?} went on");
    }
    let folder = project();
    assert_eq!(onto(&folder, &["new", "x"], full()).0, Some(2));
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_a_fault_in_every_command() {
    for words in COMMANDS {
        let folder = project();
        let (code, told) = onto(&folder, words, closed());
        assert_eq!(told, "error: output: standard output is closed: what reads it has ended\n", "{words:?}");
        assert_eq!(code, Some(2), "{words:?}");
        assert!(!folder.path().join("after.txt").exists(), "{words:?} went on");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn errors_that_nobody_can_read_are_no_panic() {
    let folder = Folder::new(&[
        ("bad.rhai", "no_such(1);"),
        ("thrown.rhai", "throw 1;"),
        ("bar.rhai", "let bar = progress(3, \"work\"); for i in 0..3 { bar.tick(); } bar.done(); print(\"end\");"),
    ]);
    for (file, code) in [("bad.rhai", 2), ("thrown.rhai", 2), ("bar.rhai", 0)] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(LEVAIN);
        command.args(["run", file]).current_dir(folder.path()).stderr(full);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{file}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), if code == 0 { "end\n" } else { "" }, "{file}");
    }
}

/// The prompt with a pipe as its output, and a script on standard input.
#[cfg(target_os = "linux")]
#[test]
fn a_script_on_standard_input_is_no_exception() {
    use std::io::Write;
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut child = Command::new(LEVAIN).stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"print(1);").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left on device"));
}

/// Every file below a folder, with its contents.
fn contents(folder: &std::path::Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => drop(found.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
        // an empty folder counts too
        found.entry(path).or_default();
    }
    found
}

/// A disk that is full from any call on: a command that writes a file reports it, and leaves the earlier files and no more.
#[test]
fn a_disk_that_fills_up_is_a_fault_in_every_command_that_writes_a_file() {
    let commands: [&[&str]; 7] = [
        &["new", "x"],
        &["new", "."],
        &["new", "x.rhai"],
        &["run", "traced.rhai", "--trace", "old.json"],
        &["test", "t", "--junit", "old.xml"],
        &["bench", "b", "--junit", "old.xml"],
        &["bench", "b", "--baseline", "old.json", "--save"],
    ];
    for words in commands {
        let folder = Folder::new(&[
            ("traced.rhai", "zeros([2]).sum();\n"),
            ("t/a.rhai", "fn test_a() { }\n"),
            ("b/a.rhai", "bench::exact(\"a\", 1);\n"),
            ("old.xml", "<old/>\n"),
        ]);
        let before = contents(folder.path());
        let mut tried = 0;
        for call in 1..200 {
            let mut command = Command::new(LEVAIN);
            command.args(words).current_dir(folder.path()).env_remove("GITHUB_STEP_SUMMARY");
            let output = command.env("LEVAIN_TEST_FAULT", format!("full@{call}")).output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                break;
            }
            tried += 1;
            assert!(output.status.code() == Some(2) && told.contains("no storage space"), "{words:?} {call}: {told}");
            assert_eq!(contents(folder.path()), before, "{words:?}, full from call {call} on");
        }
        assert!(tried > 0, "{words:?}");
        assert_ne!(contents(folder.path()), before, "{words:?}");
    }
}
