//! Output for people, from the real binary: errors, help, exit codes.

use std::path::Path;
use std::process::{Command, Stdio};

/// A fresh folder with files, the working directory of the binary.
pub struct Folder(tempfile::TempDir);

pub struct Told {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Folder(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn levain(&self, words: &[&str]) -> Told {
        self.fed(words, "")
    }

    fn fed(&self, words: &[&str], input: &str) -> Told {
        use std::io::Write;
        let mut child = Command::new(env!("CARGO_BIN_EXE_levain"))
            .args(words)
            .current_dir(self.path())
            .env_remove("GITHUB_STEP_SUMMARY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Told {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs a script that must fail, and compares its message.
fn fault(script: &str, expected: &str) {
    let told = Folder::new(&[("a.rhai", script)]).levain(&["run", "a.rhai"]);
    assert_eq!(told.err, expected.trim_start_matches('\n'), "{script}");
    assert_eq!(told.code, 2, "{script}");
}

#[test]
fn a_script_prints_and_ends_with_0() {
    let told = Folder::new(&[("a.rhai", "print(1 + 1);")]).levain(&["run", "a.rhai"]);
    assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (0, "2\n", ""));
}

#[test]
fn an_error_of_a_verb_shows_its_line_and_help() {
    fault(
        "options(#{ lr: 0.1, steps: 3 }, #{ stepz: 4 });",
        "
error: options: there is no option `stepz`
  a.rhai:1:36
1 | options(#{ lr: 0.1, steps: 3 }, #{ stepz: 4 });
  |                                    ^
help: did you mean `steps`?
",
    );
}

#[test]
fn a_thrown_error_tells_the_calls() {
    fault(
        "fn inner(x) {\n    throw `no ${x}`;\n}\nfn outer(x) { inner(x + 1) }\nouter(1);\n",
        "
error: no 2
  a.rhai:2:5
2 |     throw `no ${x}`;
  |     ^
  in `inner`, called at a.rhai:4:15
  in `outer`, called at a.rhai:5:1
",
    );
}

#[test]
fn misspelt_names_are_found_before_anything_runs() {
    let script = "print(\"started\");\nlet hidden = [3, 1];\nhidden.psh(2);\nprint(hiden);\nassert::eqs(1, 2);\n";
    let told = Folder::new(&[("a.rhai", script)]).levain(&["run", "a.rhai"]);
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    assert_eq!(
        told.err,
        "error: psh: no such verb on a list
  a.rhai:3:8
3 | hidden.psh(2);
  |        ^
help: did you mean `push`?
error: hiden: no such variable
  a.rhai:4:7
4 | print(hiden);
  |       ^
help: did you mean `hidden`?
error: assert::eqs: no such function
  a.rhai:5:9
5 | assert::eqs(1, 2);
  |         ^
help: did you mean `assert::eq`?
"
    );
}

#[test]
fn a_missing_key_names_the_nearest() {
    fault(
        "let m = #{ rate: 1 };\nm.rat\n",
        "
error: rat: the map has no such key
  a.rhai:2:3
2 | m.rat
  |   ^
help: did you mean `rate`?
",
    );
}

#[test]
fn a_script_that_ends_too_early() {
    fault(
        "let a = (1\n",
        "
error: syntax: `)` expected for a matching ( in this expression
  a.rhai:1:11
1 | let a = (1
  |           ^
",
    );
}

#[test]
fn wrong_types_and_the_bounds_of_a_list() {
    fault(
        "let a = \"x\";\nprint(a - 2);\n",
        "
error: -: not for a string and an int
  a.rhai:2:9
2 | print(a - 2);
  |         ^
",
    );
    fault(
        "let a = [1];\nprint(a[3]);\n",
        "
error: []: index 3 of a list of 1
  a.rhai:2:9
2 | print(a[3]);
  |         ^
",
    );
}

#[test]
fn wide_characters_keep_the_caret_in_place() {
    let told = Folder::new(&[("a.rhai", "let a = [\"法律\", 1]; a[7]")]).levain(&["run", "a.rhai"]);
    let lines: Vec<&str> = told.err.lines().collect();
    assert_eq!(lines[2], "1 | let a = [\"法律\", 1]; a[7]");
    assert_eq!(lines[3], "  |                        ^");
}

#[test]
fn imports_are_relative_to_the_file_that_imports() {
    let folder = Folder::new(&[
        ("a.rhai", "import \"lib/b\" as b;\nprint(b::twice(4));\nb::bad();\n"),
        ("lib/b.rhai", "import \"deep/c\" as c;\nfn twice(x) { c::double(x) }\nfn bad() { c::bad() }\n"),
        ("lib/deep/c.rhai", "fn double(x) { 2 * x }\nfn bad() {\n    [][0]\n}\n"),
    ]);
    let told = folder.levain(&["run", "a.rhai"]);
    assert_eq!((told.code, told.out.as_str()), (2, "8\n"));
    assert_eq!(
        told.err,
        "error: []: index 0 of a list of 0
  lib/deep/c.rhai:3:8
3 |     [][0]
  |        ^
  in `bad`, called at lib/b.rhai:3:15
  in `bad`, called at a.rhai:3:4
"
    );
}

#[test]
fn imports_that_are_missing_or_go_round() {
    let folder = Folder::new(&[
        ("a.rhai", "import \"heper\" as h;\nh::f();\n"),
        ("helper.rhai", "fn f() { 1 }"),
        ("round.rhai", "import \"one\" as one;\none::f();\n"),
        ("one.rhai", "import \"two\" as two;\nfn f() { 1 }"),
        ("two.rhai", "import \"one\" as one;\nfn f() { 1 }"),
    ]);
    let told = folder.levain(&["run", "a.rhai"]);
    assert_eq!(told.code, 2);
    assert!(told.err.starts_with("error: import: heper.rhai is not there\n  a.rhai:1:8\n"), "{}", told.err);
    assert!(told.err.ends_with("help: did you mean `helper`?\n"), "{}", told.err);
    let told = folder.levain(&["run", "round.rhai"]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("import one another: one.rhai → two.rhai → one.rhai"), "{}", told.err);
}

#[test]
fn arguments_are_typed_by_their_defaults() {
    let script =
        "let cfg = options(#{ steps: 300, lr: 1e-3, name: \"x\", flag: false, out: () }, args());\nprint(cfg);";
    let folder = Folder::new(&[("a.rhai", script), ("b.rhai", "print(1);")]);
    let told = folder.levain(&["run", "a.rhai", "steps=20", "lr=1", "name=007", "flag=true", "out=3e2"]);
    assert_eq!(told.out, "#{\"flag\": true, \"lr\": 1.0, \"name\": \"007\", \"out\": 300.0, \"steps\": 20}\n");
    let told = folder.levain(&["run", "a.rhai", "steps=many"]);
    assert_eq!(
        told.err.lines().next(),
        Some("error: options: option `steps` takes a whole number, not a string (many)")
    );
    let told = folder.levain(&["run", "a.rhai", "steps"]);
    assert_eq!((told.code, told.err.as_str()), (2, "error: args: `steps` is not key=value\n"));
    let told = folder.levain(&["run", "b.rhai", "steps=2"]);
    assert_eq!(
        (told.code, told.err.lines().next()),
        (2, Some("error: args: b.rhai takes none, and was given `steps=2`"))
    );
    // a script that does not parse reports the position, whatever its arguments
    let folder = Folder::new(&[("c.rhai", "let cfg = options(#{ steps: 300 }, args();")]);
    let told = folder.levain(&["run", "c.rhai", "steps=2"]);
    assert!(told.err.starts_with("error: syntax: "), "{}", told.err);
}

#[test]
fn exit_codes() {
    let folder = Folder::new(&[
        ("exit.rhai", "print(1); exit(1); print(2);"),
        ("value.rhai", "7"),
        ("test/bad.rhai", "fn test_bad() { assert::eq(1 + 1, 3); }\nfn test_good() { assert::eq(1, 1); }"),
    ]);
    let told = folder.levain(&["run", "exit.rhai"]);
    assert_eq!((told.code, told.out.as_str()), (1, "1\n"));
    assert_eq!(folder.levain(&["run", "value.rhai"]).code, 0);
    // also in a closure called by a native verb
    let told = Folder::new(&[("a.rhai", "[4].map(|n| exit(n)); print(1);")]).levain(&["run", "a.rhai"]);
    assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (4, "", ""));
    assert_eq!(folder.levain(&["run", "none.rhai"]).err, "error: script: none.rhai is not there\n");
    assert_eq!(folder.levain(&["run", "none.rhai"]).code, 2);
    let told = folder.levain(&["test", "test"]);
    assert_eq!(told.code, 1);
    assert_eq!(
        told.out,
        "FAILED test/bad.rhai test_bad
  error: assert::eq: 2 is not 3
    test/bad.rhai:1:25
  1 | fn test_bad() { assert::eq(1 + 1, 3); }
    |                         ^

1 passed, 1 failed
"
    );
    assert_eq!(folder.levain(&["test", "test", "--filter", "good"]).out, "1 passed, 0 failed\n");
}

#[test]
fn a_script_on_standard_input() {
    let folder = Folder::new(&[]);
    let told = folder.fed(&["-"], "print(3);");
    assert_eq!((told.code, told.out.as_str()), (0, "3\n"));
    let told = folder.fed(&[], "print(4);\nfoo(1)");
    assert_eq!(told.code, 2);
    assert!(told.err.starts_with("error: foo: no such function\n  standard input:2:1\n"), "{}", told.err);
    let told = folder.fed(&["-", "n=4"], "print(options(#{ n: 1 }, args()).n);");
    assert_eq!((told.code, told.out.as_str()), (0, "4\n"));
}

#[test]
fn help_of_a_verb_and_of_nothing() {
    let folder = Folder::new(&[]);
    let told = folder.levain(&["help", "assert::that"]);
    assert_eq!(told.code, 0);
    assert!(told.out.starts_with("assert::that(value)\n    Asserts that `value` is `true`.\n"), "{}", told.out);
    let told = folder.levain(&["help", "opitons"]);
    assert_eq!(
        (told.code, told.err.as_str()),
        (2, "error: help: nothing is called `opitons`\nhelp: did you mean `options`?\n")
    );
    assert!(folder.levain(&["help"]).out.contains("standard library"));
    assert!(folder.levain(&["help", "--search", "grouped thousands"]).out.starts_with("grouped(x: int)"));
}

#[test]
fn caught_errors_tell_who_what_and_help() {
    let script = "let given = #{}; given.set(\"lrr\", 2);\ntry { options(#{ lr: 1 }, given) } catch (e) { print(`${e.who} | ${e.what} | ${e.help}`); }";
    let told = Folder::new(&[("a.rhai", script)]).levain(&["run", "a.rhai"]);
    assert_eq!(told.out, "options | there is no option `lrr` | did you mean `lr`?\n");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_130() {
    let folder = Folder::new(&[("a.rhai", "print(\"up\"); let x = 1; loop { x += 1; }")]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_levain"))
        .args(["run", "a.rhai"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // it runs as soon as it prints
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Three stages with LoRA, dropout, replay and tests between.
#[cfg(unix)]
const STAGES: &str = r#"
seed(1);
let tok = tokenizer(["to be"], #{ vocab_size: 260 });
let net = model(#{ model_type: "llama", vocab_size: 260, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2 }, #{ seed: 1 });
net.resize_embeddings(264);
let texts = [];
for n in 0..16 { texts.push("row " + n + " of some text that is learned"); }
let rows = dataset(texts).encode(tok).pack(32);
let run = train::run(net, rows, rows, #{
    batch_size: 2, lr: 1e-3, seed: 3, eval_every: 7, save_every: 5, out: "run", quiet: true,
    replay: #{ rows: dataset(["another text", "and one more"]).encode(tok).pack(32), ratio: 0.3 },
    stages: [
        #{ trainable: "new_embeddings", steps: 40, lr: 1e-2, schedule: "constant" },
        #{ trainable: ["new_embeddings", "lora"], steps: 40, lora: #{ rank: 2, dropout: 0.5 }, groups: [#{ parts: "lora", lr: 1e-3 }] },
        #{ trainable: "all", steps: 30, merge: true },
    ],
});
let numbers = [];
for name in net.names() { numbers.push(net[name].sum().item()); }
print(numbers);
"#;

#[cfg(unix)]
#[test]
fn a_run_in_stages_goes_on_to_the_same_bits() {
    let unbroken = Folder::new(&[("a.rhai", STAGES)]);
    let whole = unbroken.levain(&["run", "a.rhai"]);
    assert_eq!(whole.code, 0, "{}", whole.err);
    let steps = |folder: &Folder| std::fs::read_to_string(folder.path().join("run/log.jsonl")).unwrap();
    // once in each stage
    for rows in [8, 55, 90] {
        let folder = Folder::new(&[("a.rhai", STAGES)]);
        let mut child = Command::new(env!("CARGO_BIN_EXE_levain"))
            .args(["run", "a.rhai"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let log = folder.path().join("run/log.jsonl");
        let begun = std::time::Instant::now();
        while std::fs::read_to_string(&log).map_or(0, |text| text.lines().count()) < rows {
            assert!(begun.elapsed().as_secs() < 120 && child.try_wait().unwrap().is_none(), "it did not get to {rows}");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{rows}");
        let on = folder.levain(&["run", "a.rhai"]);
        assert!(steps(&folder) == steps(&unbroken), "stopped after {rows} steps");
        assert!(on.out == whole.out, "stopped after {rows} steps:\n{}{}\n{}", on.err, on.out, whole.out);
    }
}

#[test]
fn threads_are_bounded() {
    let folder = Folder::new(&[("a.rhai", "print(threads());")]);
    for count in ["100000", "0", "-1", "many"] {
        let words = [format!("--threads={count}"), "run".into(), "a.rhai".into()];
        let told = folder.levain(&words.each_ref().map(String::as_str));
        assert!(told.code == 2 && told.err.contains(count), "--threads {count}: {} {}", told.code, told.err);
        let run = Command::new(env!("CARGO_BIN_EXE_levain"))
            .args(["run", "a.rhai"])
            .current_dir(folder.path())
            .env("LEVAIN_THREADS", count)
            .output()
            .unwrap();
        let expected = format!(
            "error: LEVAIN_THREADS: `{count}` is not a number of threads from 1 to 1024\n\
             help: leave it out, and there are as many as the machine has cores\n"
        );
        assert_eq!((String::from_utf8_lossy(&run.stderr).as_ref(), run.status.code()), (&*expected, Some(2)));
    }
    assert_eq!(folder.levain(&["run", "a.rhai", "--threads", "3"]).out, "3\n");
}
