//! `levain bench` as a gate: missing cases are reported, the machine class includes the kernels, results are compared and
//! machine-readable, and a fresh project passes its own workflow.

use super::cli::{Folder, Told};
use serde_json::Value;
use std::process::Command;

/// Runs the binary with environment variables.
fn with(folder: &Folder, words: &[&str], variables: &[(&str, &str)]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
    command.args(words).current_dir(folder.path()).env_remove("GITHUB_STEP_SUMMARY").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn baseline(folder: &Folder) -> Value {
    let mut files = std::fs::read_dir(folder.path().join("b/baselines")).unwrap();
    serde_json::from_slice(&std::fs::read(files.next().unwrap().unwrap().path()).unwrap()).unwrap()
}

#[test]
fn another_path_through_the_kernels_is_another_class() {
    let script = "let x = tensor([0.1, 0.2, 0.3]);\nbench::exact(\"sum\", x.sum().item() + if threads() > 0 { 0.0 } else { 1.0 });";
    let folder = Folder::new(&[("b/case.rhai", script)]);
    assert_eq!(folder.levain(&["bench", "b/case.rhai", "--save"]).code, 0);
    let kept = baseline(&folder);
    let own = kept["machine"]["kernels"].as_str().unwrap().to_string();
    assert_eq!(own, levain::kernel::cpu::level().name());
    // as if this processor rounded differently
    std::fs::write(folder.path().join("b/case.rhai"), script.replace("0.3]", "0.4]")).unwrap();
    assert_eq!(folder.levain(&["bench", "b/case.rhai"]).code, 1);
    for variable in [("LEVAIN_CPU", "plain"), ("LEVAIN_KERNELS", "off")] {
        if own == "plain" && variable.0 == "LEVAIN_CPU" {
            continue;
        }
        let told = with(&folder, &["bench", "b/case.rhai"], &[variable]);
        let kernels = if variable.1 == "off" { "reference" } else { "plain" };
        assert!(told.out.lines().next().unwrap().ends_with(&format!(", kernels {kernels}")), "{}", told.out);
        assert!(told.code == 0 && told.out.contains("may round otherwise"), "{}", told.out);
        // and has a baseline of its own
        let other = Folder::new(&[("b/case.rhai", script)]);
        let told = with(&other, &["bench", "b/case.rhai", "--save"], &[variable]);
        assert!(told.out.contains(&format!("kernels-{kernels}.json")), "{}", told.out);
    }
}

#[test]
fn words_of_the_environment_that_mean_nothing_are_faults() {
    let folder = Folder::new(&[("a.rhai", "print(1);")]);
    let told = with(&folder, &["run", "a.rhai"], &[("LEVAIN_CPU", "avx22")]);
    assert_eq!(
        (told.code, told.out.as_str(), told.err.as_str()),
        (
            2,
            "",
            "error: LEVAIN_CPU: `avx22` is not one of plain, avx2, avx512, bf16, amx\nhelp: did you mean `avx2`?\n"
        )
    );
    let told = with(&folder, &["run", "a.rhai"], &[("LEVAIN_KERNELS", "of")]);
    assert_eq!((told.code, told.err.as_str()), (2, "error: LEVAIN_KERNELS: `of` is neither `on` nor `off`\n"));
    for (variable, word) in
        [("LEVAIN_CPU", "avx2"), ("LEVAIN_CPU", ""), ("LEVAIN_KERNELS", "on"), ("LEVAIN_KERNELS", "")]
    {
        assert_eq!(with(&folder, &["run", "a.rhai"], &[(variable, word)]).out, "1\n", "{variable}={word}");
    }
}

#[test]
fn scripts_and_cases_that_vanish_are_told_and_dropped_when_saved() {
    let folder = Folder::new(&[
        ("b/one.rhai", "bench::exact(\"a\", 1); bench::exact(\"b\", 2);"),
        ("b/two.rhai", "bench::exact(\"c\", 3);"),
        ("b/sub/three.rhai", "bench::exact(\"d\", 4);"),
    ]);
    assert_eq!(folder.levain(&["bench", "b", "--save"]).code, 0);
    let told = folder.levain(&["bench", "b"]);
    assert!(told.out.ends_with("4 passed, 0 failed, 0 inconclusive\n"), "{}", told.out);
    std::fs::write(folder.path().join("b/one.rhai"), "bench::exact(\"a\", 1);").unwrap();
    std::fs::remove_file(folder.path().join("b/two.rhai")).unwrap();
    std::fs::remove_file(folder.path().join("b/sub/three.rhai")).unwrap();
    let told = folder.levain(&["bench", "b"]);
    for case in
        ["one.rhai\n", "b     in the baseline", "b/two.rhai\n", "c    in the baseline", "b/sub/three.rhai\n", "d  "]
    {
        assert!(told.out.contains(case), "{case}: {}", told.out);
    }
    assert!(told.code == 0 && told.out.ends_with("1 passed, 0 failed, 3 inconclusive\n"), "{}", told.out);
    assert_eq!(folder.levain(&["bench", "b", "--strict"]).code, 1);
    // one script alone implies nothing about the others
    let told = folder.levain(&["bench", "b/one.rhai"]);
    assert!(told.out.ends_with("1 passed, 0 failed, 1 inconclusive\n"), "{}", told.out);
    let told = folder.levain(&["bench", "b", "--save"]);
    for line in ["dropped one: b\n", "dropped two: c\n", "dropped three: d\n"] {
        assert!(told.out.contains(line), "{}", told.out);
    }
    let told = folder.levain(&["bench", "b", "--strict"]);
    assert_eq!((told.code, told.out.lines().last()), (0, Some("1 passed, 0 failed, 0 inconclusive")));
}

#[test]
fn exact_is_exact_in_kind_too_and_to_digits_also_twice() {
    let folder = Folder::new(&[(
        "b/a.rhai",
        "bench::exact(\"v\", 1);\nbench::exact(\"w\", [\"1, 2\"]);\nbench::exact(\"x\", 0.0);",
    )]);
    folder.levain(&["bench", "b", "--save"]);
    let other = "bench::exact(\"v\", \"1\");\nbench::exact(\"w\", [\"1\", \"2\"]);\nbench::exact(\"x\", -0.0);";
    std::fs::write(folder.path().join("b/a.rhai"), other).unwrap();
    let told = folder.levain(&["bench", "b"]);
    assert!(told.out.ends_with("0 passed, 3 failed, 0 inconclusive\n"), "{}", told.out);
    // three rounds, since one case depends on the system; `jitter` is equal to its digits in each
    let script = "let t = timestamp();\nlet n = 0.0; for i in 0..999 { n += 1e-9; }\n\
                  bench::exact(\"jitter\", 2.0 + t.elapsed * 1e-9, #{ digits: 3 });\nbench::memory(\"m\", #{ margin: 9.0 });";
    std::fs::write(folder.path().join("b/a.rhai"), script).unwrap();
    assert_eq!(folder.levain(&["bench", "b", "--save"]).code, 0);
    let told = folder.levain(&["bench", "b", "--strict"]);
    assert!(told.code == 0 && told.out.contains("equal to 3 digits"), "{}", told.out);
}

#[test]
fn a_case_that_is_not_in_every_round_fails() {
    let folder = Folder::new(&[]);
    let script = "bench::memory(\"m\", #{ margin: 9.0 });\nif !exists(\"met.txt\") { bench::exact(\"first\", 1); }\ndataset([\"x\"]).save(\"met.txt\");";
    std::fs::write(folder.path().join("a.rhai"), script).unwrap();
    let told = folder.levain(&["bench", "a.rhai"]);
    assert!(told.code == 1 && told.out.contains("a case of 1 of 3 rounds"), "{}", told.out);
}

#[test]
fn cases_are_chosen_by_their_names() {
    let script = "bench::exact(\"a one\", 1);\nbench::speed(\"slow\", #{ seconds: 60.0, min_samples: 100, warm_up: 5.0 }, || sleep(0.02));\n\
                  bench::speed(\"quick\", #{ seconds: 0.02, warm_up: 0.0 }, || 1);";
    let folder = Folder::new(&[("b/case.rhai", script), ("b/other.rhai", "bench::exact(\"b two\", 2);")]);
    folder.levain(&["bench", "b/other.rhai", "--save"]);
    let told = folder.levain(&["bench", "b", "--filter", "quick", "--save"]);
    assert!(told.code == 0 && told.out.contains("1 passed, 0 failed"), "{}{}", told.out, told.err);
    assert!(!told.out.contains("slow") && !told.out.contains("a one"), "{}", told.out);
    // unselected cases are neither removed from the baseline nor reported missing
    let kept = baseline(&folder);
    assert!(kept["scripts"]["other"]["b two"].is_object() && kept["scripts"]["case"]["quick"].is_object(), "{kept}");
    let told = folder.levain(&["bench", "b", "--filter", "other", "--strict"]);
    assert_eq!((told.code, told.out.lines().last()), (0, Some("1 passed, 0 failed, 0 inconclusive")), "{}", told.out);
    let told = folder.levain(&["bench", "b/other.rhai", "--filter", "none"]);
    assert_eq!((told.code, told.err.as_str()), (2, "error: bench: there is no case whose name holds `none`\n"));
    let told =
        with(&folder, &["bench", "b/case.rhai", "--filter", "a one", "--against", env!("CARGO_BIN_EXE_levain")], &[]);
    assert!(told.code == 0 && told.out.ends_with("1 passed, 0 failed, 0 inconclusive\n"), "{}", told.out);
}

#[test]
fn two_saved_results_are_compared_without_a_run() {
    let script = |n: i64, loss: f64, more: &str| {
        format!(
            "bench::exact(\"count\", {n}); bench::exact(\"loss\", {loss:?}, #{{ digits: 2 }});\n\
             bench::scores(\"quiz\", [{loss:?}, {loss:?}, 0.3], #{{ better: \"lower\", margin: 0.5 }});\n{more}"
        )
    };
    let folder = Folder::new(&[("case.rhai", script(3, 0.5, "bench::exact(\"old\", 1);").as_str())]);
    let save = |file: &str| folder.levain(&["bench", "case.rhai", "--save", "--baseline", file]);
    assert_eq!(save("old.json").code, 0);
    std::fs::write(folder.path().join("case.rhai"), script(4, 0.5001, "bench::exact(\"new\", 1);")).unwrap();
    assert_eq!(save("new.json").code, 0);
    std::fs::remove_file(folder.path().join("case.rhai")).unwrap();
    let told = folder.levain(&["bench", "--compare", "old.json", "new.json"]);
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    for line in ["FAIL          count", "was 3, is 4", "PASS          loss", "equal to 2 digits", "PASS          quiz"]
    {
        assert!(told.out.contains(line), "{line}: {}", told.out);
    }
    assert!(
        told.out.contains("in the old, not in the new") && told.out.contains("not in the baseline"),
        "{}",
        told.out
    );
    let told = folder.levain(&["bench", "--compare", "old.json", "old.json", "--strict", "--junit", "j.xml"]);
    assert_eq!((told.code, told.out.lines().last()), (0, Some("4 passed, 0 failed, 0 inconclusive")), "{}", told.out);
    well_formed(&std::fs::read_to_string(folder.path().join("j.xml")).unwrap());
    for words in [&["--compare", "old.json"][..], &["--compare", "old.json", "new.json", "--save"]] {
        assert_eq!(folder.levain(&[&["bench"], words].concat()).code, 2, "{words:?}");
    }
    let told = folder.levain(&["bench", "--compare", "old.json", "none.json"]);
    assert_eq!((told.code, told.err.as_str()), (2, "error: baseline: none.json is not there\n"));
}

#[test]
fn benchmarks_are_annotated_and_values_of_two_lines_keep_the_table() {
    let folder = Folder::new(&[("b/a.rhai", "bench::exact(\"v\", \"one\\ntwo\"); bench::exact(\"n\", 1);")]);
    folder.levain(&["bench", "b", "--save"]);
    std::fs::write(folder.path().join("b/a.rhai"), "bench::exact(\"v\", \"one\\nthree\"); bench::exact(\"m\", 1);")
        .unwrap();
    let told = folder.levain(&["bench", "b", "--format", "github"]);
    assert_eq!(told.code, 1);
    assert!(told.out.contains("::error file=b/a.rhai,title=v::FAIL: was \"one"), "{}", told.out);
    assert!(told.out.contains("::notice file=b/a.rhai,title=m::INCONCLUSIVE: not in the baseline\n"), "{}", told.out);
    let rows = told.out.lines().filter(|line| line.starts_with("  FAIL") || line.starts_with("  INCON"));
    assert_eq!(rows.count(), 3, "{}", told.out);
    std::fs::write(folder.path().join("b/a.rhai"), "bench::exact(\"v\", 1 / 0);").unwrap();
    let told = folder.levain(&["bench", "b", "--format", "github"]);
    assert!(told.code == 2 && told.out.contains("::error file=b/a.rhai,title=benchmark::error: "), "{}", told.out);
}

/// JUnit XML: closed elements, attributes required by Jenkins' schema, and no character that XML forbids.
fn well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in xml.split('<').skip(1).map(|part| part.split('>').next().unwrap()) {
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        let required: &[&str] = match name {
            "?xml" => continue,
            "testsuite" => &["name", "tests", "failures", "errors"],
            "testcase" => &["name"],
            "failure" | "error" | "skipped" | "system-out" => &[],
            other => panic!("<{other}> is not JUnit's"),
        };
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{xml}");
            continue;
        }
        let inside = match name {
            "testsuite" => open.is_empty(),
            "testcase" => open == ["testsuite"],
            _ => open == ["testsuite", "testcase"],
        };
        assert!(inside, "<{name}> in {open:?}: {xml}");
        required.iter().for_each(|key| assert!(tag.contains(&format!(" {key}=\"")), "<{tag}> has no {key}"));
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} stay open: {xml}");
    let known = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{7e}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    assert!(xml.chars().all(known), "{xml:?}");
    let counted = |name: &str| xml.matches(&format!("<{name}")).count();
    let count =
        |name: &str| xml.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse::<usize>();
    assert_eq!((count("tests"), count("failures")), (Ok(counted("testcase")), Ok(counted("failure"))), "{xml}");
    assert_eq!((count("errors"), count("skipped")), (Ok(counted("error")), Ok(counted("skipped"))), "{xml}");
}

#[test]
fn junit_is_that_of_the_schema_whatever_stands_in_it() {
    let script = "fn test_good() { }\nfn test_bad() { print(\"\\x1b[1m \\x00 ]]> <b> \\\"é\\\" 专 \\u{ffff}\"); throw \"a\\r\\nb & <c>\"; }\nfn test_no(x) { }\n";
    let folder = Folder::new(&[
        ("t/a.rhai", script),
        ("t/b.rhai", "let a = (1"),
        ("b/a.rhai", "bench::exact(\"a < b & c\", \"\\x01]]>\"); bench::exact(\"d\", 1);"),
        ("b/c.rhai", "bench::exact(\"e\", 1 / 0);"),
    ]);
    folder.levain(&["bench", "b/a.rhai", "--save"]);
    std::fs::write(folder.path().join("b/a.rhai"), "bench::exact(\"a < b & c\", 2); bench::exact(\"f\", 1);").unwrap();
    folder.levain(&["test", "t", "--junit", "out/tests.xml"]);
    folder.levain(&["bench", "b", "--junit", "out/bench.xml"]);
    for file in ["out/tests.xml", "out/bench.xml"] {
        well_formed(&std::fs::read_to_string(folder.path().join(file)).unwrap());
    }
    well_formed(&folder.levain(&["bench", "b", "--format", "junit"]).out);
}

#[test]
fn findings_go_to_code_scanning_and_to_code_quality() {
    let folder = Folder::new(&[("s/a b.rhai", "let x = 1;\nfoo(2);\nfoo(2);\n"), ("s/other.rhai", "print(1);")]);
    let told = folder.levain(&["check", "./s", "none.rhai", "--format", "sarif"]);
    assert_eq!(told.code, 2);
    let json: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((json["version"].as_str(), json["runs"].as_array().map(Vec::len)), (Some("2.1.0"), Some(1)));
    let results = json["runs"][0]["results"].as_array().unwrap();
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "s/a%20b.rhai");
    assert_eq!((&results[0]["level"], &place["region"]["startLine"]), (&"warning".into(), &1.into()));
    assert!(results.iter().all(|result| result["message"]["text"].is_string() && result["ruleId"].is_string()));
    let rules: Vec<&Value> =
        json["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    assert!(results.iter().all(|result| rules.contains(&&result["ruleId"])), "{rules:?}");
    let told = folder.levain(&["check", "s", "none.rhai", "--format", "codeclimate"]);
    let json: Value = serde_json::from_str(&told.out).unwrap();
    let issues = json.as_array().unwrap();
    let prints: std::collections::BTreeSet<&str> =
        issues.iter().map(|issue| issue["fingerprint"].as_str().unwrap()).collect();
    assert_eq!((prints.len(), issues.len()), (results.len(), results.len()));
    for issue in issues {
        assert!(["major", "minor"].contains(&issue["severity"].as_str().unwrap()), "{issue}");
        assert!(issue["location"]["lines"]["begin"].is_u64() && issue["check_name"].is_string(), "{issue}");
        assert!(!issue["location"]["path"].as_str().unwrap().starts_with("./"), "{issue}");
    }
    // the same finding a line below has the same print
    let before: Vec<String> = prints.iter().map(ToString::to_string).collect();
    let text = std::fs::read_to_string(folder.path().join("s/a b.rhai")).unwrap();
    std::fs::write(folder.path().join("s/a b.rhai"), format!("// more\n{text}")).unwrap();
    let told = folder.levain(&["check", "s", "none.rhai", "--format", "codeclimate"]);
    assert!(before.iter().all(|print| told.out.contains(print.as_str())), "{}", told.out);
}

#[test]
fn a_check_of_nothing_is_told() {
    let folder = Folder::new(&[("s/a.rhai", "print(1);"), ("empty/x.txt", "")]);
    let told = folder.levain(&["check", "empty"]);
    assert!(told.code == 2 && told.err.contains("error: check: there is no script"), "{}", told.err);
    let told = folder.levain(&["check", "empty", "s"]);
    assert_eq!((told.code, told.err.as_str()), (0, "warning: check: empty holds no script\n"));
}

/// An output that cannot be written at the end is reported before the work.
#[test]
fn places_that_can_not_be_written_are_told_first() {
    let folder =
        Folder::new(&[("b/a.rhai", "print(\"ran\"); bench::exact(\"a\", 1);"), ("t.rhai", "print(1);"), ("file", "")]);
    let told = folder.levain(&["bench", "b", "--history", "file/h.jsonl"]);
    assert!(
        told.code == 2 && !told.out.contains("ran") && told.err.contains("file/h.jsonl"),
        "{}{}",
        told.out,
        told.err
    );
    for words in [&["bench", "b"][..], &["test", "t.rhai"], &["check", "t.rhai"]] {
        let told = with(&folder, words, &[("GITHUB_STEP_SUMMARY", "file/summary.md")]);
        assert!(told.code == 2 && told.out.is_empty(), "{words:?}: {}{}", told.out, told.err);
    }
}

/// The shell lines that begin with `levain`, without trailing comments.
fn lines(text: &str) -> Vec<String> {
    let commands =
        text.lines().map(|line| line.trim().trim_start_matches("- run: ").split(" #").next().unwrap().trim());
    commands.filter(|line| line.starts_with("levain ")).map(str::to_string).collect()
}

#[test]
fn a_fresh_project_passes_every_command_of_its_workflow_and_of_the_readme() {
    let folder = Folder::new(&[]);
    let git = |words: &[&str]| {
        assert!(Command::new("git").args(words).current_dir(folder.path()).output().unwrap().status.success())
    };
    git(&["init", "-q", "."]);
    let told = folder.levain(&["new", "."]);
    assert_eq!(told.code, 0, "{}", told.err);
    let workflow = std::fs::read_to_string(folder.path().join(".github/workflows/levain.yml")).unwrap();
    assert!(workflow.contains(&format!("levain@{}", env!("CARGO_PKG_VERSION"))) && !workflow.contains("{version}"));
    let readme = std::fs::read_to_string("README.md").unwrap();
    let shown = readme.split("## In CI").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut commands = lines(&workflow);
    assert!(commands.len() >= 3, "{commands:?}");
    commands.extend(shown.split("```").skip(1).step_by(2).flat_map(lines));
    assert!(commands.len() >= 7, "{commands:?}");
    commands.push("levain run experiment.rhai steps=2".to_string());
    // with a new baseline, and with an existing one
    commands.push("levain bench --save".to_string());
    commands.push("levain bench --strict --filter vocabulary".to_string());
    for command in &commands {
        let command = command.replace("PATH-TO-BASE", env!("CARGO_BIN_EXE_levain"));
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let told = folder.levain(&words);
        assert_eq!(told.code, 0, "{command}\n{}{}", told.out, told.err);
        assert!(!told.out.contains("::error"), "{command}\n{}", told.out);
    }
    let history = std::fs::read_to_string(folder.path().join("out/history.jsonl")).unwrap();
    assert_eq!(history.lines().count(), 2);
    // outputs of a run are not part of the repository
    let told = Command::new("git").args(["status", "--porcelain"]).current_dir(folder.path()).output().unwrap();
    let left = String::from_utf8(told.stdout).unwrap();
    assert!(!left.contains("out/") && left.contains(".github/") && left.contains("experiment.rhai"), "{left}");
}
