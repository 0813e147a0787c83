//! A search in several processes, some of them killed: the result equals that of one process.

use super::cli::Folder;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SCRIPT: &str = r#"
let cfg   = options(#{ out: "shared" }, args());
let space = #{ x: search::float(-3.0, 3.0), n: search::int(1, 9), how: search::choice(["a", "b"]) };
let work  = |trial| { sleep(0.02); (trial.params.x - 1.0) ** 2.0 + trial.params.n };
let found = search::run(space, work, #{ trials: 24, together: 4, control: false, quiet: true, out: cfg.out });
print(#{ trials: found.trials }.to_json());
"#;

fn begin(folder: &Folder) -> Child {
    Command::new(env!("CARGO_BIN_EXE_levain"))
        .args(["run", "search.rhai", "--threads", "1"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn four_processes_two_of_them_killed_make_the_trials_of_one() {
    let folder = Folder::new(&[("search.rhai", SCRIPT)]);
    let alone = folder.levain(&["run", "search.rhai", "out=alone"]);
    assert_eq!(alone.code, 0, "{}", alone.err);
    let mut workers: Vec<Child> = (0..4).map(|_| begin(&folder)).collect();
    for (number, worker) in workers.iter_mut().enumerate().take(2) {
        std::thread::sleep(Duration::from_millis(90 + 60 * number as u64));
        worker.kill().unwrap();
    }
    for worker in workers.into_iter().skip(2) {
        let output = worker.wait_with_output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        // taking over a claim is reported
        let last = out.lines().last().unwrap_or_default();
        assert_eq!(last, alone.out.trim_end(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let left = std::fs::read_dir(folder.path().join("shared/trials")).unwrap();
    let mut names: Vec<String> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".json"));
    assert!(names.is_empty(), "litter: {names:?}");
}

/// Trials that climb rungs, each from the state in its folder.
const CLIMBS: &str = r#"
let cfg   = options(#{ out: "shared", stop: "asha", seconds: 0.0 }, args());
let space = #{ x: search::float(-3.0, 3.0), n: search::int(1, 9) };
let work  = |trial| {
    // like a checkpoint: work after it is repeated
    let log = record(trial.folder + "/log.jsonl", #{ resume: trial.start_step });
    if log.len() != trial.start_step { throw `it goes on from ${trial.start_step}, and has done ${log.len()} steps`; }
    let score = 0.0;
    for step in trial.start_step + 1..trial.end_step + 1 {
        sleep(cfg.seconds);
        log.add(#{ step: step });
        score = (trial.params.x - 1.0) ** 2.0 + trial.params.n + 3.0 / step;
        if trial.report(step, score) { break; }
    }
    score
};
let found = search::run(space, work, #{ trials: 12, stop: cfg.stop, steps: 9, together: 4, quiet: true, out: cfg.out });
print(#{ trials: found.trials, control: found.control, best: found.best.number, steps: found.steps }.to_json());
"#;

#[test]
fn trials_that_climb_are_the_same_by_one_process_and_by_four_of_which_two_are_killed() {
    for stop in ["asha", "hyperband"] {
        let folder = Folder::new(&[("search.rhai", CLIMBS)]);
        let told = format!("stop={stop}");
        let alone = folder.levain(&["run", "search.rhai", "out=alone", &told]);
        assert_eq!(alone.code, 0, "{}", alone.err);
        let found: serde_json::Value = serde_json::from_str(alone.out.trim_end()).unwrap();
        let trials = found["trials"].as_array().unwrap();
        assert!(trials.iter().all(|trial| trial.get("error").is_none_or(serde_json::Value::is_null)), "{found}");
        // each trial at the top ran each step once
        let whole: Vec<_> = trials.iter().filter(|trial| trial["steps"] == 9).collect();
        assert!(!whole.is_empty() && whole.len() < trials.len() / 2, "{} of {}", whole.len(), trials.len());
        for trial in &whole {
            assert_eq!(trial["reports"].as_array().unwrap().len(), 9, "{trial}");
            assert_eq!(trial["rungs"].as_array().unwrap().iter().filter(|rung| rung[0] == 9).count(), 1);
        }
        assert!(whole.iter().any(|trial| trial["number"] == found["best"]));

        let worker = || {
            Command::new(env!("CARGO_BIN_EXE_levain"))
                .args(["run", "search.rhai", "--threads", "1", &told, "seconds=0.01"])
                .current_dir(folder.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut workers: Vec<Child> = (0..4).map(|_| worker()).collect();
        for worker in workers.iter_mut().take(2) {
            std::thread::sleep(Duration::from_millis(150));
            worker.kill().unwrap();
        }
        for worker in workers.into_iter().skip(2) {
            let output = worker.wait_with_output().unwrap();
            let out = String::from_utf8(output.stdout).unwrap();
            let last = out.lines().last().unwrap_or_default();
            assert_eq!(last, alone.out.trim_end(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("shared/result.json").replace("shared/", "alone/"), read("alone/result.json"));
        assert!(read("alone/search.html").contains("<svg"));
        // only the best folder is kept
        let left = std::fs::read_dir(folder.path().join("shared/trials")).unwrap().flatten();
        let left: Vec<String> =
            left.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert_eq!(left, [found["best"].to_string()], "{stop}");
        let status = folder.levain(&["status", "shared"]).out;
        assert!(
            status.contains("control: ") && status.contains(" done") && status.contains("nobody works"),
            "{status}"
        );
    }
}

#[test]
fn a_result_of_a_trial_that_was_cut_is_told_and_done_again_when_it_is_removed() {
    let folder = Folder::new(&[("search.rhai", SCRIPT)]);
    let whole = folder.levain(&["run", "search.rhai", "out=out"]);
    assert_eq!(whole.code, 0, "{}", whole.err);
    let path = folder.path().join("out/trials/3.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for cut in [text.len() - 20, text.len() / 2, 0] {
        std::fs::write(&path, &text[..cut]).unwrap();
        let told = folder.levain(&["run", "search.rhai", "out=out"]);
        assert_eq!(told.code, 2);
        assert!(told.err.contains("out/trials/3.json is "), "{}", told.err);
        assert!(told.err.contains("remove it, and the run is done again"), "{}", told.err);
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(folder.levain(&["run", "search.rhai", "out=out"]).out, whole.out);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}
