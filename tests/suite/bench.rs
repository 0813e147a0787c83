//! `levain bench`, by its binary: verdicts, baselines, reports, and invalid input.

use levain::measure::bench::Scored;
use levain::measure::bench::decision::Decision;
use levain::measure::bench::scores;
use levain::measure::proportion::mcnemar;
use levain::measure::statistics::{median_interval, ratio_interval};
use levain::tensor::Rng;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const LEVAIN: &str = env!("CARGO_BIN_EXE_levain");

/// A folder with one benchmark, `case.rhai`.
fn bench(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("case.rhai"), script).unwrap();
    folder
}

fn levain(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(LEVAIN);
    command.current_dir(folder).arg("bench").args(args).env_remove("GITHUB_STEP_SUMMARY");
    command.output().unwrap()
}

/// Exit code, standard output, standard error.
fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_string();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn run(folder: &TempDir, args: &[&str]) -> (i32, String, String) {
    told(&levain(folder.path(), args))
}

fn baseline(folder: &TempDir) -> std::path::PathBuf {
    fs::read_dir(folder.path().join("baselines")).unwrap().next().unwrap().unwrap().path()
}

/// Changes the stored baseline as JSON.
fn edit(folder: &TempDir, change: impl FnOnce(&mut Value)) {
    let path = baseline(folder);
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    // as a person edits it by hand
    json.as_object_mut().unwrap().remove("levain_crc32");
    fs::write(path, json.to_string()).unwrap();
}

fn write(folder: &TempDir, script: &str) {
    fs::write(folder.path().join("case.rhai"), script).unwrap();
}

#[test]
fn exact_numbers_are_equal_bit_for_bit_or_to_digits() {
    let folder = bench("bench::exact(\"a\", 0.1 + 0.2); bench::exact(\"b\", 2.34567, #{ digits: 2 });");
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert_eq!(code, 0);
    assert!(out.contains("no baseline yet") && out.contains("0 passed, 0 failed, 2 inconclusive"), "{out}");
    let (code, out, _) = run(&folder, &["case.rhai", "--strict"]);
    assert_eq!(code, 1, "{out}");
    let (code, out, _) = run(&folder, &["case.rhai", "--save"]);
    assert!(code == 0 && out.contains("saved baselines/"), "{out}");
    let (code, out, _) = run(&folder, &["case.rhai", "--strict"]);
    assert!(code == 0 && out.contains("2 passed, 0 failed, 0 inconclusive"), "{out}");
    // one unit in the last place of `a`, a third digit of `b`
    write(&folder, "bench::exact(\"a\", 0.3); bench::exact(\"b\", 2.3499, #{ digits: 2 });");
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert_eq!(code, 1);
    assert!(out.contains("FAIL          a") && out.contains("was 0.30000000000000004, is 0.3"), "{out}");
    assert!(out.contains("PASS          b") && out.contains("equal to 2 digits"), "{out}");
}

#[test]
fn what_is_not_the_same_twice_fails_without_a_baseline() {
    // the timed case asks for three rounds
    let script =
        "bench::exact(\"time\", timestamp().elapsed); bench::speed(\"s\", #{ seconds: 0.02, warm_up: 0.0 }, || 1);";
    let (code, out, _) = run(&bench(script), &["case.rhai"]);
    assert!(code == 1 && out.contains("not the same twice"), "{out}");
}

#[test]
fn scores_are_paired_and_flips_are_listed() {
    let all = |right: &dyn Fn(usize) -> bool| {
        let items: Vec<String> = (0..40).map(|item| format!("q{item}: {}", right(item))).collect();
        format!("bench::scores(\"quiz\", #{{ {} }});", items.join(", "))
    };
    let folder = bench(&all(&|item| item < 30));
    run(&folder, &["case.rhai", "--save"]);
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 0 && out.contains("40 items equal"), "{out}");
    // the same mean, two flips
    write(&folder, &all(&|item| (1..31).contains(&item)));
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 0 && out.contains("lost 1 (q0), won 1 (q30)") && out.contains("INCONCLUSIVE"), "{out}");
    write(&folder, &all(&|item| item < 20));
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 1 && out.contains("McNemar p 0.002; lost 10 (q20, "), "{out}");
    // numbers, and a direction
    let folder = bench("bench::scores(\"loss\", [1.0, 2.0, 3.0, 4.0], #{ better: \"lower\" });");
    run(&folder, &["case.rhai", "--save"]);
    write(&folder, "bench::scores(\"loss\", [1.1, 2.2, 3.1, 4.2], #{ better: \"lower\" });");
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 1 && out.contains("-0.1500"), "{out}");
    write(&folder, "bench::scores(\"loss\", [0.9, 1.9, 2.9], #{ better: \"lower\" });");
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 0 && out.contains("1 items without a pair"), "{out}");
}

/// A folder with a baseline of scores; then the same script with other scores.
fn rescored(before: &str, after: &str, more: &str) -> (i32, String) {
    let folder = bench(&format!("bench::scores(\"s\", {before}{more});"));
    run(&folder, &["case.rhai", "--save"]);
    write(&folder, &format!("bench::scores(\"s\", {after}{more});"));
    let (code, out, _) = run(&folder, &["case.rhai"]);
    (code, out)
}

#[test]
fn scores_fail_by_a_loss_beyond_the_margin_and_by_no_other() {
    let told = |before: &str, after: &str, more: &str, code: i32, part: &str| {
        let (found, out) = rescored(before, after, more);
        assert!(found == code && out.contains(part), "{before} then {after}{more}: {found}\n{out}");
    };
    // rounding
    told("[0.5]", "[0.5 - 1e-12]", "", 0, "PASS          s  0.5000 over 1  1 items equal");
    told("[0.5, 0.7]", "[0.5 - 1e-12, 0.7 - 1e-12]", "", 0, "2 items equal");
    told("[5e9, 7e9]", "[5e9 - 1.0, 7e9 - 1.0]", "", 0, "2 items equal");
    told("[0.5, 0.7, 0.2]", "[0.5 - 1e-7, 0.7 - 2e-7, 0.2 - 1e-7]", "", 0, "PASS          s");
    // a loss within the margin, and one beyond it
    told(
        "[1.0, 1.2, 0.9, 1.1]",
        "[1.01, 1.22, 0.91, 1.12]",
        ", #{ margin: 0.5, better: \"lower\" }",
        0,
        "PASS          s",
    );
    told(
        "[1.0, 1.2, 0.9, 1.1]",
        "[1.91, 2.22, 1.81, 2.12]",
        ", #{ margin: 0.5, better: \"lower\" }",
        1,
        "a loss of over 0.5",
    );
    told("[1.0, 2.0, 3.0]", "[1.0, 1.9, 2.95]", "", 0, "the interval contains -0.01");
    told("[0.5]", "[0.1]", "", 0, "INCONCLUSIVE  s  0.1000 over 1  -0.4000: one item gives no interval");
    told("[0.5]", "[0.1]", ", #{ alpha: 0.6 }", 2, "option `alpha` is 0.6");
}

#[test]
fn lost_answers_count_beyond_the_margin() {
    let script = |lost: usize| {
        format!("let all = []; for item in 0..2000 {{ all.push(item >= {lost}); }} bench::scores(\"s\", all);")
    };
    let folder = bench(&script(0));
    run(&folder, &["case.rhai", "--save"]);
    // McNemar's test is significant, and the loss is within the margin: the upper end of 6 of 2,000 is below 1 %
    write(&folder, &script(6));
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 0 && out.contains("PASS          s") && out.contains("McNemar p 0.031"), "{out}");
    write(&folder, &script(60));
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 1 && out.contains("a loss of over 0.01, McNemar p < 0.001"), "{out}");
}

#[test]
fn another_machine_does_not_fail_scores_by_its_rounding() {
    let script = |less: &str| {
        format!("bench::scores(\"s\", [0.5 - {less}, 0.7 - {less}, 0.2 - {less}, 0.4 - {less}], #{{ margin: 0.0 }});")
    };
    let folder = bench(&script("0.0"));
    run(&folder, &["case.rhai", "--save"]);
    write(&folder, &script("1e-6"));
    assert_eq!(run(&folder, &["case.rhai"]).0, 1, "on the same machine any loss counts that is beyond a margin of 0");
    edit(&folder, |json| json["machine"]["cpu"] = "another".into());
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 0 && out.contains("INCONCLUSIVE  s") && out.contains("may round otherwise"), "{out}");
    write(&folder, &script("0.1"));
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 1 && out.contains("FAIL          s"), "{out}");
}

/// Failure rate of scores: rounding never, half the margin rarely, three times the margin nearly always.
/// `scripts/bench/statistics.rhai` has more cases.
#[test]
fn the_gate_of_scores_is_right_about_losses() {
    let mut rng = Rng::new(5);
    let mut failed = |items: usize, sd: f64, loss: f64, times: usize| {
        let fails = (0..times).filter(|_| {
            let before = (0..items).map(|item| (item.to_string(), 0.5)).collect();
            let scores = (0..items).map(|item| (item.to_string(), 0.5 - loss + sd * rng.normal())).collect();
            let case = Scored { name: "s".into(), items: scores, margin: 0.01, alpha: 0.05, lower_is_better: false };
            scores::judge(&case, &before, false).decision == Decision::Fail
        });
        fails.count() as f64 / times as f64
    };
    for items in [1, 2, 3, 5, 10, 50] {
        assert_eq!(failed(items, 1e-9, 0.0, 500), 0.0);
        assert_eq!(failed(items, 1e-6, 0.0, 500), 0.0);
    }
    assert!(failed(200, 0.1, 0.005, 1000) <= 0.015);
    assert!(failed(200, 0.05, 0.03, 1000) >= 0.95);
    assert!(failed(200, 0.1, 0.05, 1000) >= 0.95);
}

#[test]
fn a_case_that_takes_twice_as_long_fails_against_a_binary_and_a_baseline() {
    let script = |turns: usize| {
        format!(
            "bench::speed(\"loop\", #{{ seconds: 0.3 }}, || {{ let s = 0; for i in 0..{turns} {{ s += i; }} }});\n\
             bench::exact(\"turns\", {turns});"
        )
    };
    let folder = bench(&script(60000));
    fs::create_dir(folder.path().join("old")).unwrap();
    fs::write(folder.path().join("old/case.rhai"), script(20000)).unwrap();
    // the other binary is this one, on an older script
    let other = folder.path().join("other");
    fs::write(&other, format!("#!/bin/sh\ncd old && exec {LEVAIN} \"$@\"\n")).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (code, out, _) = run(&folder, &["case.rhai", "--against", "./other"]);
    assert!(code == 1 && out.contains("FAIL          loop") && out.contains("FAIL          turns"), "{out}");
    let (code, out, _) = run(&folder, &["case.rhai", "--against", LEVAIN, "--rounds", "2"]);
    assert!(code == 0 && !out.contains("FAIL"), "{out}");
}

#[test]
fn a_baseline_of_another_machine_judges_what_does_not_depend_on_it() {
    let script = "bench::exact(\"count\", 3); bench::exact(\"loss\", 1.5);\n\
                  bench::speed(\"s\", #{ seconds: 0.02, warm_up: 0.0 }, || 1);";
    let folder = bench(script);
    run(&folder, &["case.rhai", "--save"]);
    edit(&folder, |json| json["machine"]["cpu"] = "another".into());
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 0 && out.contains("of another machine: another"), "{out}");
    assert!(out.contains("INCONCLUSIVE  s") && out.contains("PASS          count"), "{out}");
    write(&folder, &script.replace("1.5", "1.25"));
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 0 && out.contains("INCONCLUSIVE  loss"), "{out}");
    write(&folder, &script.replace("3)", "4)"));
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 1 && out.contains("was 3, is 4"), "{out}");
    // saved under the same name, it belongs to this machine from now on
    run(&folder, &["case.rhai", "--save"]);
    assert_eq!(run(&folder, &["case.rhai"]).0, 0);
}

#[test]
fn cases_that_come_and_go_are_told() {
    let folder = bench("bench::exact(\"a\", 1); bench::exact(\"b\", 2);");
    run(&folder, &["case.rhai", "--save"]);
    write(&folder, "bench::exact(\"b\", 2); bench::exact(\"c\", 3);");
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert_eq!(code, 0);
    assert!(out.contains("not in the baseline") && out.contains("in the baseline, not in this run"), "{out}");
}

#[test]
fn bad_input_is_told_and_exits_with_2() {
    let folder = bench("bench::exact(\"a\", 1);");
    let faults = |args: &[&str], part: &str| {
        let (code, out, err) = run(&folder, args);
        assert!(code == 2 && err.contains(part), "{args:?} gave {code}\n{out}{err}");
    };
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("empty/plain.rhai"), "print(1); // not bench::exact").unwrap();
    faults(&["empty"], "empty holds no benchmark");
    faults(&["none.rhai"], "none.rhai is not there");
    faults(&[], "scripts/bench is not there");
    faults(&["case.rhai", "--format", "xml"], "invalid value 'xml'");
    faults(&["case.rhai", "--rounds", "0"], "0 is not in 1..");
    faults(&["case.rhai", "--baseline", "none.json"], "none.json is not there");
    faults(&["case.rhai", "--against", "none"], "none is not there");
    faults(&["case.rhai", "--against", "/bin/true"], "/bin/true does not run benchmarks");
    fs::write(folder.path().join("bad.json"), "{ \"format\": 1, ").unwrap();
    faults(&["case.rhai", "--baseline", "bad.json"], "bad.json: not JSON");
    fs::write(folder.path().join("bad.json"), "{ \"a\": 1 }").unwrap();
    faults(&["case.rhai", "--baseline", "bad.json"], "bad.json: no baseline");
    fs::write(folder.path().join("bad.json"), "{ \"format\": 9, \"levain\": \"3.0\" }").unwrap();
    faults(&["case.rhai", "--baseline", "bad.json"], "format 9, written by levain 3.0; this one reads 1");
    fs::write(folder.path().join("bad.json"), "{ \"format\": 1, \"levain\": 3 }").unwrap();
    faults(&["case.rhai", "--baseline", "bad.json"], "not a baseline");
    fs::write(folder.path().join("bad.jsonl"), "nothing\nnor here").unwrap();
    faults(&["case.rhai", "--history", "bad.jsonl"], "no line of it is a run");
}

#[test]
fn a_script_that_goes_wrong_is_told_and_nothing_is_saved() {
    let folder = bench("bench::exact(\"a\", 1);\nbench::speed(\"b\", || [1][2]);");
    for args in [&["case.rhai"][..], &["case.rhai", "--save"], &["case.rhai", "--against", LEVAIN]] {
        let (code, out, _) = run(&folder, args);
        assert!(code == 2 && out.contains("case.rhai:2:") && out.contains("1 script went wrong"), "{out}");
    }
    assert!(!folder.path().join("baselines").exists());
    write(&folder, "bench::exact(\"a\", 1); bench::exact(\"a\", 2);");
    let (code, out, _) = run(&folder, &["case.rhai"]);
    assert!(code == 2 && out.contains("two cases are called `a`"), "{out}");
}

#[test]
fn reports_for_machines_hold_every_case() {
    let folder = bench("print(\"hello\"); bench::exact(\"a < b\", 1); bench::exact(\"c|d\", \"x\");");
    run(&folder, &["case.rhai", "--save"]);
    write(&folder, "print(\"hello\"); bench::exact(\"a < b\", 1); bench::exact(\"c|d\", \"y\");");
    let (code, out, _) = run(&folder, &["case.rhai", "--format", "json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(code == 1 && json["failed"] == 1 && json["cases"][1]["decision"] == "FAIL", "{out}");
    let (_, out, _) = run(&folder, &["case.rhai", "--format", "junit"]);
    assert!(
        out.contains("tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\"") && out.contains("name=\"a &lt; b\""),
        "{out}"
    );
    let (_, out, _) = run(&folder, &["case.rhai", "--format", "markdown"]);
    assert!(out.contains("| FAIL | case.rhai | c\\|d | \"y\" | was \"x\", is \"y\" |"), "{out}");
    let summary = folder.path().join("summary.md");
    let mut command = Command::new(LEVAIN);
    command
        .current_dir(folder.path())
        .args(["bench", "case.rhai"])
        .stdout(std::process::Stdio::null())
        .env("GITHUB_STEP_SUMMARY", &summary);
    assert_eq!(command.status().unwrap().code(), Some(1));
    assert!(fs::read_to_string(summary).unwrap().contains("1 passed, 1 failed"));
}

#[test]
fn history_grows_and_survives_damage() {
    let folder = bench("bench::exact(\"a\", 1.5);");
    run(&folder, &["case.rhai", "--history", "h.jsonl"]);
    let (_, out, _) = run(&folder, &["case.rhai", "--history", "h.jsonl"]);
    assert!(out.contains("history of 2 runs") && out.contains("▁▁  case.rhai: a  1.5 → 1.5"), "{out}");
    // a kill in the middle of a line
    let path = folder.path().join("h.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    let (code, out, err) = run(&folder, &["case.rhai", "--history", "h.jsonl"]);
    assert!(
        code == 0 && err.contains("h.jsonl: line 2 can't be read") && out.contains("history of 2 runs"),
        "{out}{err}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
}

#[test]
fn a_script_that_never_ends_is_ended_and_told() {
    for script in ["bench::exact(\"v\", 1); loop { }", "bench::speed(\"s\", || { loop { } });"] {
        let (code, out, _) = run(&bench(script), &["case.rhai", "--limit", "0.5"]);
        assert!(code == 2 && out.contains("bench: takes longer than 0.5 s"), "{script} gave {code}\n{out}");
    }
}

#[test]
fn a_sweep_has_a_table_and_a_chart() {
    let script = "bench::sweep(#{ batch: [1, 8], seq: [64, 128, 256] }, |p| #{ tokens: p.batch * p.seq });";
    let (code, out, _) = run(&bench(script), &["case.rhai"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("batch  seq  tokens") && out.contains("    8  256    2048"), "{out}");
    // two lines over the key that has more numbers
    assert!(out.contains("batch 1") && out.contains("batch 8") && out.contains('└') && out.contains("seq\n"), "{out}");
}

#[test]
fn intervals_hold_what_they_say() {
    let mut rng = Rng::new(1);
    let (mut median_in, mut ratio_in) = (0, 0);
    for _ in 0..200 {
        let values: Vec<f64> = (0..40).map(|_| 1.0 + 0.1 * rng.normal()).collect();
        let found = median_interval(&values);
        median_in += usize::from(found.low <= 1.0 && 1.0 <= found.high);
        let rounds: Vec<Vec<f64>> = values.chunks(10).map(<[f64]>::to_vec).collect();
        let found = ratio_interval(&rounds).unwrap();
        ratio_in += usize::from(found.low <= 1.0 && 1.0 <= found.high);
    }
    // 99 % of 200, approximately
    assert!(median_in >= 190 && ratio_in >= 185, "{median_in} and {ratio_in} of 200");
    assert_eq!(ratio_interval(&[]), None);
}

#[test]
fn mcnemar_is_the_binomial_test() {
    // R: binom.test(1, 6)$p.value and others
    for (lost, won, p) in [(0, 0, 1.0), (1, 5, 0.21875), (0, 10, 0.001953125), (5, 5, 1.0), (40, 20, 0.01349)] {
        assert!((mcnemar(lost, won) - p).abs() < 1e-4, "{lost} {won}: {}", mcnemar(lost, won));
    }
}
