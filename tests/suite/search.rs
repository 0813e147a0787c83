//! A search in several processes, of which some are killed: the trials of one process alone.

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
        // a claim that was taken over is told
        let last = out.lines().last().unwrap_or_default();
        assert_eq!(last, alone.out.trim_end(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let left = std::fs::read_dir(folder.path().join("shared/trials")).unwrap();
    let mut names: Vec<String> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".json"));
    assert!(names.is_empty(), "litter: {names:?}");
}
