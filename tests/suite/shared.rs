//! Folders shared by several processes: claims of other machines, lost claims, the output of `levain status`, and a verdict by
//! four workers, two of them killed.

use super::cli::Folder;
use super::verdict::without_seconds;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Seconds between two beats in these tests; a claim is stale after twelve.
const BEAT: f64 = 0.05;

const ONCE: &str = "let cfg = options(#{ seconds: 0.0 }, args());
print(runs::once(\"runs/a.json\", #{ seed: 7 }, || { sleep(cfg.seconds); #{ loss: 1.5 } }).loss);
";

fn begin(folder: &Folder, words: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
    command.arg("run").args(words).args(["--threads", "1"]).current_dir(folder.path());
    command.env("LEVAIN_TEST_BEAT", BEAT.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The output of a process: exit code, output, errors.
fn end(child: Child) -> (i32, String, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A claim of another machine.
fn foreign(path: &Path, host: &str, boot: &str, beat: u64, now: u64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let since = now - 60;
    let text = format!(
        "{{\"host\":\"{host}\",\"process\":7,\"boot\":\"{boot}\",\"since\":{since},\"now\":{now},\"number\":1,\"beat\":{beat},\"doing\":[\"control, seed 7\",30,120]}}"
    );
    // a beat is always read completely
    let whole = path.with_extension("part");
    std::fs::write(&whole, text).unwrap();
    std::fs::rename(whole, path).unwrap();
}

fn set_age(path: &Path, seconds: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

#[test]
fn a_claim_of_another_machine_holds_while_it_beats_and_is_taken_over_when_it_is_silent() {
    let folder = Folder::new(&[("a.rhai", ONCE)]);
    let claim = folder.path().join("runs/a.json.claim");
    // one written just now: it may still beat
    foreign(&claim, "elsewhere", "b1", 0, now());
    let (code, _, told) = end(begin(&folder, &["a.rhai"]));
    assert!(code == 2 && told.contains("is claimed by process 7 on elsewhere, for 1 min"), "{told}");
    assert!(told.contains("its claim is free when it has not beaten for"), "{told}");

    // one that is old by the folder's clock, but still beats
    set_age(&claim, 3600);
    let mut child = begin(&folder, &["a.rhai"]);
    let mut beat = 0;
    while child.try_wait().unwrap().is_none() {
        beat += 1;
        foreign(&claim, "elsewhere", "b1", beat, now());
        set_age(&claim, 3600);
        std::thread::sleep(Duration::from_secs_f64(BEAT / 4.0));
    }
    let (code, _, told) = end(child);
    assert!(code == 2 && told.contains("is claimed by process 7 on elsewhere"), "{told}");

    // and one that does not: its machine has this one's name, which proves nothing
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    foreign(&claim, host.trim(), "b1", beat, now());
    set_age(&claim, 3600);
    let (code, out, told) = end(begin(&folder, &["a.rhai"]));
    assert_eq!((code, out.lines().last()), (0, Some("1.5")), "{told}");
    assert!(out.contains("runs/a.json: process 7 ended before it was done; this one takes its claim over"), "{out}");
    assert!(!claim.exists() && !folder.path().join("runs/a.json.claim.next").exists());
}

/// A clock that is hours ahead makes no claim younger: a waiting process measures time itself.
#[test]
fn a_claim_from_the_future_is_taken_over_when_it_is_silent() {
    let script = "let jobs = [#{ path: \"runs/a.json\", options: #{} }];
print(runs::all(jobs, |job| 2));
";
    let folder = Folder::new(&[("a.rhai", script)]);
    let claim = folder.path().join("runs/a.json.claim");
    foreign(&claim, "elsewhere", "b1", 3, now() + 7200);
    let file = std::fs::OpenOptions::new().write(true).open(&claim).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(7200)).unwrap();
    let (code, out, told) = end(begin(&folder, &["a.rhai"]));
    assert_eq!((code, out.lines().last()), (0, Some("[2]")), "{out}{told}");
}

#[test]
fn a_process_that_lost_its_claim_stores_nothing() {
    let folder = Folder::new(&[("a.rhai", ONCE)]);
    let claim = folder.path().join("runs/a.json.claim");
    let child = begin(&folder, &["a.rhai", "seconds=0.6"]);
    until("it claims", || std::fs::read_to_string(&claim).is_ok_and(|text| text.contains("\"process\":")));
    // like a machine that saw no beat of it, and renames its own over it
    let next = folder.path().join("next");
    foreign(&next, "elsewhere", "b1", 0, now());
    std::fs::rename(&next, &claim).unwrap();
    let (code, _, told) = end(child);
    assert!(
        code == 2 && told.contains("is claimed by another process, since this one stood still for too long"),
        "{told}"
    );
    assert!(!folder.path().join("runs/a.json").exists());
    assert!(std::fs::read_to_string(&claim).unwrap().contains("elsewhere"), "it is not removed by who lost it");
}

#[test]
fn beats_tell_how_far_the_work_is() {
    let script = "let bar = progress(100, \"counting\", #{ quiet: true });
runs::once(\"runs/a.json\", #{}, || { for n in 0..400 { if n < 40 { bar.tick(#{}); } sleep(0.01); } 1 });
";
    let folder = Folder::new(&[("a.rhai", script)]);
    let claim = folder.path().join("runs/a.json.claim");
    let mut child = begin(&folder, &["a.rhai"]);
    until("it beats", || std::fs::read_to_string(&claim).is_ok_and(|text| text.contains("[\"counting\",40,100]")));
    let told = folder.levain(&["status", "."]);
    assert!(
        told.out.contains("counting: 40 of 100") && told.out.contains(&child.id().to_string()),
        "{}{}",
        told.out,
        told.err
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let told = folder.levain(&["status", "."]);
    assert!(told.out.contains("has ended: the next process takes it over"), "{}", told.out);
}

#[test]
fn status_tells_who_does_what_and_what_is_wrong() {
    let script = "let jobs = (0..4).to_array().map(|n| #{ path: `out/runs/${n}.json`, options: #{ n: n } });
runs::plan(\"out\", jobs);
for at in 0..2 { runs::offer(jobs[at], |job| if at == 1 { #{ failed: \"the loss is NaN\" } } else { 1 }); }
";
    let script = script.replace("(0..4).to_array().map", "[0, 1, 2, 3].map");
    let folder = Folder::new(&[("a.rhai", &script)]);
    let (code, _, told) = end(begin(&folder, &["a.rhai"]));
    assert_eq!(code, 0, "{told}");
    let at = |name: &str| folder.path().join("out").join(name);
    let status = || {
        let told = folder.levain(&["status", "out"]);
        assert_eq!((told.code, told.err.as_str()), (0, ""));
        told.out
    };
    let told = status();
    assert!(told.contains("runs: 2 of 4 done, 1 of them failed, and nobody works on the rest"), "{told}");
    assert!(told.contains("nobody works in out"), "{told}");

    // a machine whose clock is three hours ahead, a silent one, and two with the same name
    foreign(&at("runs/2.json.claim"), "ahead", "b1", 4, now() + 3 * 3600);
    foreign(&at("runs/3.json.claim"), "twin", "b2", 4, now());
    foreign(&at("other/run.claim"), "twin", "b3", 4, now());
    let told = status();
    assert!(told.contains("warning: the clock of ahead is 3.0 h ahead of that of out"), "{told}");
    assert!(told.contains("warning: 2 machines are called twin"), "{told}");
    assert!(told.contains("control, seed 7: 30 of 120") && told.contains(" left"), "{told}");
    set_age(&at("runs/3.json.claim"), 600);
    let told = status();
    assert!(told.contains("no beat for 10 min: the next process takes it over"), "{told}");
    assert!(!told.contains("machines are called twin"), "{told}");

    // a truncated result
    let result = at("runs/0.json");
    let text = std::fs::read_to_string(&result).unwrap();
    std::fs::write(&result, text.replace("\"n\":0", "\"n\":5")).unwrap();
    assert!(status().contains("runs/0.json is damaged: it is not what its checksum says"));
    let told = folder.levain(&["status", "nowhere"]);
    assert!(told.code == 2 && told.err.contains("status: nowhere is not a folder"), "{}", told.err);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(folder.levain(&["status", "empty"]).err.contains("empty has no runs"));
}

const VERDICT: &str = r#"
let cfg = options(#{ out: "out", base: "base" }, args());
verdict::run(#{
    base: cfg.base, domain: "texts.jsonl", general: "texts.jsonl", pairs: "pairs.jsonl", arms: ["control", "extended", "base"],
    text_chars: 16, batch_size: 4, steps: 40, format_steps: 2, seeds: 3, eval_texts: 4, eval_questions: 3, new_tokens: 30, out: cfg.out
});
"#;

const DATA: &str = r#"
let tok = tokenizer(["to be"], #{ vocab_size: 260 });
for seed in 1..3 {
    let base = if seed == 1 { "base" } else { "other" };
    model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: seed }).save(base);
    tok.save(base);
}
let texts = [];
for n in 0..80 { texts.push(`row ${n} of text that says ${n * n} and ends here`); }
let pairs = [];
for n in 0..12 { pairs.push(#{ question: `what does row ${n} say?`, answer: `${n * n}` }); }
dataset(texts).save("texts.jsonl");
dataset(pairs).save("pairs.jsonl");
"#;

/// A result without elapsed seconds.
fn without_times(folder: &Folder, out: &str) -> String {
    without_seconds(&folder.path().join(out).join("result.json")).to_string()
}

#[test]
fn a_verdict_by_four_workers_of_which_two_are_killed_is_that_of_one() {
    let folder = Folder::new(&[("data.rhai", DATA), ("verdict.rhai", VERDICT)]);
    assert_eq!(end(begin(&folder, &["data.rhai"])).0, 0);
    let (code, _, told) = end(begin(&folder, &["verdict.rhai", "out=alone"]));
    assert_eq!(code, 0, "{told}");

    let runs = folder.path().join("out/runs");
    let results = || {
        let names = std::fs::read_dir(&runs).into_iter().flatten().flatten();
        names.filter(|entry| entry.file_name().to_string_lossy().ends_with(".json")).count()
    };
    let mut workers: Vec<Child> = (0..4).map(|_| begin(&folder, &["verdict.rhai"])).collect();
    until("the first run is done", || results() > 0);
    let first = workers.remove(0);
    let second = workers.remove(0);
    let killed = [first, second].map(|mut worker| {
        worker.kill().unwrap();
        end(worker).1
    });
    let mut told: Vec<String> = killed.to_vec();
    for worker in workers {
        let (code, out, error) = end(worker);
        assert_eq!(code, 0, "{error}");
        told.push(out);
    }
    assert_eq!(without_times(&folder, "out"), without_times(&folder, "alone"));
    // each run once: a worker reports its work
    let told = told.concat();
    let mut done: Vec<&str> = told.lines().filter(|line| line.contains(": done here")).collect();
    let count = done.len();
    done.sort_unstable();
    done.dedup();
    assert_eq!(count, done.len(), "a run was done twice:\n{told}");
    let all = results();
    assert!(count <= all && count + 2 >= all, "{count} told of {all}");
    let litter = std::fs::read_dir(&runs).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let litter: Vec<String> = litter.filter(|name| name.contains(".claim")).collect();
    assert!(litter.is_empty(), "{litter:?}");
    let status = folder.levain(&["status", "out"]).out;
    assert!(
        status.contains(&format!("runs: {all} of {all} done")) && status.contains("nobody works in out"),
        "{status}"
    );

    // files of the same name with another content
    let base = folder.path().join("base/model.safetensors");
    std::fs::copy(folder.path().join("other/model.safetensors"), &base).unwrap();
    std::fs::remove_file(folder.path().join("base/levain_checksums.json")).unwrap();
    let (code, _, told) = end(begin(&folder, &["verdict.rhai"]));
    assert!(code == 2 && told.contains("the base of the runs in out is not what this machine has"), "{told}");
}
