//! Cleaning of hostile input: files that change during the run, false lengths, rules that leave nothing, a full disk. The result
//! is a clear error, and existing files are not lost.

use levain::clean::run::{CleanRun, CleanStep};
use levain::data::step::Step;
use levain::data::{Dataset, Source, Stream};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

fn rows(count: usize) -> String {
    (0..count)
        .map(|at| format!("{{\"text\": \"The committee of year {at} agreed that it is to be read.\"}}\n"))
        .collect()
}

fn run(folder: &Path, script: &str, fault: &str) -> Output {
    std::fs::write(folder.join("a.rhai"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
    command.args(["run", "a.rhai"]).current_dir(folder).stdin(Stdio::null()).env("LEVAIN_TEST_FAULT", fault);
    command.output().unwrap()
}

/// The script ends with exit code 2 and a message with all these words.
fn fails(folder: &Path, script: &str, words: &[&str]) {
    let output = run(folder, script, "");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{script}\n{told}");
    assert!(words.iter().all(|word| told.contains(word)), "{script}\nsays\n{told}\nand not {words:?}");
}

/// The files that a run puts into a cleaned folder together.
fn cleaned(folder: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let names = ["clean.jsonl", "removed.parquet", "shortened.parquet", "report.json"];
    names.into_iter().filter_map(|name| Some((name, std::fs::read(folder.join(name)).ok()?))).collect()
}

#[test]
fn a_file_that_changes_while_it_is_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    // more than one read
    std::fs::write(&path, rows(40_000)).unwrap();
    let told = |change: &dyn Fn()| {
        let mut parts = Stream::open(Source::from(path.as_path())).unwrap().blocks().unwrap();
        parts.next().unwrap().unwrap();
        change();
        parts.find_map(Result::err).expect("an error").to_string()
    };
    let longer = || {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(rows(10).as_bytes()).unwrap();
    };
    let first = told(&longer);
    assert!(first.contains("rows.jsonl: had ") && first.contains(" bytes when it was opened and has "), "{first}");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let touched = || std::fs::File::options().append(true).open(&path).unwrap().set_modified(later).unwrap();
    assert!(told(&touched).contains("rows.jsonl: was written to while it was read"));
}

/// Writes to the source file of the rows on reading them.
struct Writes(PathBuf);

impl Step for Writes {
    fn label(&self) -> String {
        "writes".into()
    }

    fn apply(&self, rows: Dataset, _: usize) -> levain::Result<Dataset> {
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.0).unwrap();
        file.write_all(self::rows(1).as_bytes()).unwrap();
        Ok(rows)
    }
}

#[test]
fn a_file_that_changes_while_it_is_cleaned_is_told_and_nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    std::fs::write(&path, rows(50)).unwrap();
    let clean = |step: CleanStep| {
        let run = CleanRun {
            steps: vec![step],
            field: "text".into(),
            out: out.clone(),
            format: "jsonl".into(),
            piece_rows: 1000,
        };
        run.run(&Stream::open(Source::from(path.as_path())).unwrap())
    };
    clean(CleanStep::Unique("text".into())).unwrap();
    let before = cleaned(&out);
    assert_eq!(before.len(), 4);
    let error = clean(CleanStep::Keep("writes".into(), Arc::new(Writes(path.clone())))).unwrap_err();
    assert!(error.to_string().contains("rows.jsonl was written to while it was cleaned"), "{error}");
    assert_eq!(cleaned(&out), before);
    // the next run sees all of it
    assert_eq!(clean(CleanStep::Unique("text".into())).unwrap().rows, 51);
}

#[test]
fn a_rule_that_leaves_nothing_and_names_that_are_none_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.jsonl"), rows(50)).unwrap();
    let clean =
        |open: &str, rules: &str| format!("clean::run(stream(\"rows.jsonl\"{open}), {rules}, #{{ out: \"out\" }});");
    let first = run(folder.path(), &clean("", "clean::usual()"), "");
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let before = cleaned(&folder.path().join("out"));
    assert_eq!(before.len(), 4);
    for (open, rules, words) in [
        ("", r#"[#{ rule: "quality", languages: ["ja"] }]"#, "removes all of 50 rows"),
        // after a rule that leaves some, and in a later phase
        (
            "",
            r#"[#{ rule: "unique" }, #{ rule: "near_duplicates" }, #{ rule: "filter", name: "none", keep: |row| false }]"#,
            "`none` removes all of",
        ),
        ("", r#"[#{ rule: "unique", field: "words" }]"#, "there is no field `words`"),
        ("", r#"[#{ rule: "qualitty" }]"#, "did you mean `quality`?"),
        (", #{ encoding: \"gb18031\" }", "clean::usual()", "there is no encoding `gb18031`"),
        (", #{ encoding: \"utf-16\" }", "clean::usual()", "rows.jsonl"),
    ] {
        fails(folder.path(), &clean(open, rules), &[words]);
        assert_eq!(cleaned(&folder.path().join("out")), before, "{rules}");
    }
}

/// Disk full from a call on: either the old files or the new ones are there, and with free space the same command produces the
/// bytes of a run that never failed.
#[test]
fn a_disk_that_fills_up_while_cleaning_loses_nothing() {
    let script =
        |rules: &str| format!("clean::run(stream(\"rows.jsonl\"), {rules}, #{{ out: \"out\", piece_rows: 20 }});");
    let (old, new) = (script("[#{ rule: \"unique\" }]"), script("clean::usual()"));
    let made = |scripts: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rows.jsonl"), rows(50)).unwrap();
        for script in scripts {
            let output = run(folder.path(), script, "");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        folder
    };
    let out = |folder: &tempfile::TempDir| cleaned(&folder.path().join("out"));
    let (before, whole) = (out(&made(&[&old])), out(&made(&[&new])));
    assert!(before.len() == 4 && whole.len() == 4 && before != whole);
    let mut tried = 0;
    for call in (1..).step_by(3) {
        let folder = made(&[&old]);
        let output = run(folder.path(), &new, &format!("full@{call}"));
        if output.status.success() {
            break;
        }
        tried += 1;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("no storage space") && told.contains("out"), "full from call {call} on: {told}");
        let left = out(&folder);
        assert!(left == before || left == whole, "full from call {call} on");
        assert!(run(folder.path(), &new, "").status.success());
        assert_eq!(out(&folder), whole, "full from call {call} on");
    }
    assert!(tried > 5, "{tried}");
}

/// A rule with a closure is the same rule in another process: finished work is not repeated, and killed work resumes.
#[test]
fn a_run_with_a_closure_goes_on_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.jsonl"), rows(50)).unwrap();
    let script = r#"let least = 10;
clean::run(stream("rows.jsonl"), [#{ rule: "filter", name: "short", keep: |row| row.text.len > least && row.text.contains("year") }], #{ out: "out", piece_rows: 20 });"#;
    let killed = run(folder.path(), script, "kill@38");
    assert!(!killed.status.success());
    let told = |output: Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let goes_on = told(run(folder.path(), script, ""));
    assert!(goes_on.contains("goes on after"), "{goes_on}");
    let again = told(run(folder.path(), script, ""));
    assert!(again.contains("nothing is done again"), "{again}");
}

/// Every byte of a parquet file replaced: an error or rows, and never a panic or unbounded memory.
#[test]
fn a_parquet_file_whose_lengths_lie_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let source = folder.path().join("rows.jsonl");
    std::fs::write(&source, rows(20)).unwrap();
    let data = Dataset::from(Source::from(source.as_path()).read("dataset").unwrap());
    levain::data::save(&data, &path, levain::data::TextForm::default()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let (mut faults, mut named) = (0, 0);
    for at in 0..whole.len() {
        for value in [0xff, 0x7f, whole[at] ^ 0x10] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            std::fs::write(&path, &bytes).unwrap();
            if let Err(error) = Source::from(path.as_path()).read("dataset") {
                faults += 1;
                named += usize::from(error.to_string().contains("rows.parquet"));
            }
        }
    }
    assert!(faults > whole.len() / 2, "{faults} faults of {} bytes", whole.len());
    assert_eq!(faults, named);
}
