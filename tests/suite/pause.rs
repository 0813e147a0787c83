//! Ctrl-C is a pause, and a kill loses only the work after the last checkpoint: the same command resumes to the bits of an
//! uninterrupted run. With the real binary, and real signals.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = r#"
let cfg  = options(#{ out: "", steps: 240 }, args());
let tok  = tokenizer(["to be"], #{ vocab_size: 260 });
let net  = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2 }, #{ seed: 1 });
net.attach_lora(#{ rank: 4, dropout: 0.1 });      // what is dropped is part of the bits
let rows = [];
for n in 0..40 { rows.push(`row ${n} of some text that is learned`); }
let data = dataset(rows).split(0.8);
let run = train::run(net, data.train.encode(tok), data.test.encode(tok), #{
    steps: cfg.steps, batch_size: 4, lr: 1e-3, seed: 3, eval_every: 20, save_every: 10, out: cfg.out, quiet: true
});
print(`${run.steps} ${run.loss} ${run.best}`);
"#;

/// A script-defined network, whose batches are random.
const BY_HAND: &str = r#"
let cfg = options(#{ out: "", steps: 240 }, args());
seed(5);
let w    = [param(randn([64, 384]) * 0.1), param(randn([384, 384]) * 0.05), param(randn([384, 1]) * 0.05)];
let of   = |x| ((x @ w[0]).tanh() @ w[1]).tanh() @ w[2];
let net  = #{ parameters: w, loss: |x| (dropout(of.call(x), 0.1) - x.square().sum(1).unsqueeze(1)).square().mean() };
let test = [randn([64, 64])];
let run  = train::run(net, |number| randn([192, 64]), test, #{
    steps: cfg.steps, grad_accum: 2, lr: 1e-3, eval_every: 20, save_every: 10, out: cfg.out, quiet: true
});
print(`${run.steps} ${run.loss} ${run.best} ${w[2].sum().item()}`);
"#;

struct Run<'a> {
    folder: &'a Path,
    out: &'a str,
}

impl Run<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
        command.args(["run", "train.rhai", &format!("out={}", self.out)]).current_dir(self.folder);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self) -> Child {
        self.command().spawn().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join(self.out).join("log.jsonl")).unwrap_or_default()
    }

    /// Starts, waits until `steps` rows are logged, sends `signal`, and returns the exit code.
    fn stopped_after(&self, steps: usize, signal: libc::c_int) -> Option<i32> {
        self.stopped(self.command(), steps, signal)
    }

    fn stopped(&self, mut command: Command, steps: usize, signal: libc::c_int) -> Option<i32> {
        let mut child = command.spawn().unwrap();
        let begun = Instant::now();
        while self.log().lines().count() < steps {
            assert!(begun.elapsed() < Duration::from_secs(120), "no step in two minutes");
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
            std::thread::sleep(Duration::from_millis(1));
        }
        // SAFETY: a signal to a child that was not waited for, so that its number is still its own
        assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
        child.wait().unwrap().code()
    }

    fn finish(&self) -> String {
        let output = self.start().wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn what_was_stopped_resumes_to_the_same_bits() {
    resumes(SCRIPT);
}

#[test]
fn a_network_written_in_a_script_resumes_to_the_same_bits() {
    resumes(BY_HAND);
}

fn resumes(script: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.rhai"), script).unwrap();
    let run = |out: &'static str| Run { folder: folder.path(), out };

    let whole = run("whole");
    let told = whole.finish();
    assert_eq!(whole.log().lines().count(), 240);

    let paused = run("paused");
    assert_eq!(paused.stopped_after(15, libc::SIGINT), Some(130));
    let steps = paused.log().lines().count();
    assert!((15..240).contains(&steps), "{steps} steps");
    assert_eq!(paused.finish(), told);
    assert_eq!(paused.log(), whole.log());

    let killed = run("killed");
    assert_eq!(killed.stopped_after(37, libc::SIGKILL), None);
    assert_eq!(killed.finish(), told);
    assert_eq!(killed.log(), whole.log());
}

#[test]
fn interrupted_again_and_again_it_is_the_same_log() {
    let folder = tempfile::tempdir().unwrap();
    // evaluated before the first step, and often, with micro-batches that each draw a mask
    let script = SCRIPT.replace("eval_every: 20", "eval_every: 3, eval_on_start: true, grad_accum: 2, min_lr: 1e-4");
    std::fs::write(folder.path().join("train.rhai"), script).unwrap();
    let run = |out: &'static str| Run { folder: folder.path(), out };
    let whole = run("whole");
    let told = whole.finish();
    assert_eq!(whole.log().lines().count(), 241);
    let paused = run("paused");
    for steps in [1, 2, 4, 5, 7, 13, 14, 22, 31, 40, 41, 52] {
        // it may end before the signal on a busy machine
        if paused.stopped_after(steps, libc::SIGINT) != Some(130) {
            break;
        }
    }
    assert_eq!(paused.finish(), told);
    assert_eq!(paused.log(), whole.log());
}

/// Closing the terminal pauses a run; under `nohup`, which ignores SIGHUP before levain starts, the run continues.
#[test]
fn the_end_of_a_terminal_is_a_pause_and_counts_for_nothing_under_nohup() {
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.rhai"), SCRIPT).unwrap();
    for (out, action, code) in [("paused", libc::SIG_DFL, Some(130)), ("nohup", libc::SIG_IGN, Some(0))] {
        let run = Run { folder: folder.path(), out };
        let mut command = run.command();
        // SAFETY: it changes the new process's own action alone, and allocates no memory
        unsafe {
            command.pre_exec(move || {
                libc::signal(libc::SIGHUP, action);
                Ok(())
            });
        }
        assert_eq!(run.stopped(command, 5, libc::SIGHUP), code, "{out}");
        assert_eq!(run.log().lines().count() == 240, out == "nohup");
    }
}

#[test]
fn a_claim_holds_as_long_as_its_process_lives() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let script = "let cfg = options(#{ seconds: 0.0 }, args());
print(runs::once(\"runs/a.json\", #{ seed: 7 }, || { sleep(cfg.seconds); #{ loss: 1.5 } }).loss);
";
    std::fs::write(at("a.rhai"), script).unwrap();
    let run = |seconds: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
        command.args(["run", "a.rhai", &format!("seconds={seconds}")]).current_dir(folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut slow = run("600").spawn().unwrap();
    let begun = Instant::now();
    let claimed = || std::fs::read_to_string(at("runs/a.json.claim")).is_ok_and(|text| text.contains("\"process\":"));
    while !claimed() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no claim in a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    let refused = run("0").output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains(&format!("is claimed by process {} on ", slow.id())), "{told}");

    // a kill leaves the claim, which the next run takes over
    slow.kill().unwrap();
    slow.wait().unwrap();
    assert!(claimed() && !at("runs/a.json").exists());
    let told = String::from_utf8(run("0").output().unwrap().stdout).unwrap();
    let stale =
        format!("runs/a.json: process {} ended before it was done; this one takes its claim over\n1.5\n", slow.id());
    assert_eq!(told, stale);
    assert!(!at("runs/a.json.claim").exists());
    assert_eq!(String::from_utf8(run("600").output().unwrap().stdout).unwrap(), "1.5\n");

    // the state of another machine is unknown
    std::fs::remove_file(at("runs/a.json")).unwrap();
    std::fs::write(at("runs/a.json.claim"), "{\"host\":\"elsewhere\",\"process\":7}").unwrap();
    let refused = run("0").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is claimed by process 7 on elsewhere"));
}
