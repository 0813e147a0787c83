//! Ctrl-C is a pause, and a kill loses no more than what came after the last checkpoint: the same command goes on to
//! the bits of a run that was never stopped. With the real binary, and real signals.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = r#"
let cfg  = options(#{ out: "", steps: 240 }, args());
let tok  = tokenizer(["to be"], #{ vocab_size: 260 });
let net  = model(#{ kind: "llama", vocab: tok.len(), hidden: 32, layers: 2, heads: 2 }, #{ seed: 1 });
net.attach_lora(#{ rank: 4, dropout: 0.1 });      // what is dropped is part of the bits
let rows = [];
for n in 0..40 { rows.push(`row ${n} of some text that is learned`); }
let data = dataset(rows).split(0.8);
let run = train::run(net, data.train.encode(tok), data.test.encode(tok), #{
    steps: cfg.steps, size: 4, lr: 1e-3, seed: 3, every: 20, save: 10, out: cfg.out, quiet: true
});
print(`${run.steps} ${run.loss} ${run.best}`);
"#;

struct Run<'a> {
    folder: &'a Path,
    out: &'a str,
}

impl Run<'_> {
    fn start(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_levain"))
            .args(["run", "train.rhai", &format!("out={}", self.out)])
            .current_dir(self.folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join(self.out).join("log.jsonl")).unwrap_or_default()
    }

    /// Starts, waits until `steps` rows are logged, sends `signal`, and gives the exit code.
    fn stopped_after(&self, steps: usize, signal: libc::c_int) -> Option<i32> {
        let mut child = self.start();
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
fn what_was_stopped_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.rhai"), SCRIPT).unwrap();
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
