//! Ranks: `mpirun -n N levain run x.rhai` produces the bits of one process, and faults end with a message. With the real
//! launcher; without one, only tests that need none run. `tests/ranks.sh` is the long campaign.

use levain::ranks::{Launch, launch, tree};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A language model with dropout, trained with LoRA or whole; prints the hash of all weights.
const SCRIPT: &str = r#"
let cfg = options(#{ out: "", steps: 6, grad_accum: 4, lora: false, precision: "f32", save_every: 2, shard: false, moments: "f32" }, args());
let tok = tokenizer(["to be"], #{ vocab_size: 260 });
let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2 }, #{ seed: 1 });
net.precision = cfg.precision;
if cfg.lora { net.attach_lora(#{ rank: 4, dropout: 0.1 }); }
let rows = [];
for n in 0..37 { rows.push(`row ${n} of some text that is learned`); }
let data = dataset(rows).split(0.8);
let how  = #{ steps: cfg.steps, batch_size: 2, grad_accum: cfg.grad_accum, lr: 1e-2, seed: 3, eval_every: 3, save_every: cfg.save_every, shard_moments: cfg.shard, moments_dtype: cfg.moments, quiet: true };
if cfg.out != "" { how.out = cfg.out; }
let run  = train::run(net, data.train.encode(tok), data.test.encode(tok), how);
let sums = net.parameters().map(|w| w.sum().item());
print(`${run.steps} ${run.loss} ${run.best} ${sums}`);
if cfg.out != "" { net.save(cfg.out + "/model"); }
"#;

/// A script-defined network that draws random numbers in its loss and in its batches.
const BY_HAND: &str = r#"
let cfg = options(#{ out: "", steps: 5 }, args());
seed(5);
let w   = [param(randn([8, 16]) * 0.1), param(randn([16, 1]) * 0.1)];
let net = #{ parameters: w, loss: |x| (dropout((x @ w[0]).tanh(), 0.2) @ w[1] - x.sum(1).unsqueeze(1) + randn([6, 1])).square().mean() };
let run = train::run(net, |number| randn([6, 8]), (), #{ steps: cfg.steps, grad_accum: 4, lr: 1e-2, quiet: true });
print(`${run.steps} ${run.loss} ${w[0].sum().item()} ${w[1].sum().item()} ${rand([1]).item()}`);
"#;

/// Rules over six files of four encodings, a saved stream, generated and scored texts.
const ROWS: &str = r#"
let net  = model(#{ model_type: "llama", vocab_size: 260, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
let tok  = tokenizer(["to be"], #{ vocab_size: 260 });
let rows = stream("dirty", #{ encoding: "auto", on_error: "skip", aside: "out/broken.jsonl", file_field: "file" });
let rules = clean::usual(#{ html: "html", languages: ["en", "zh"], lines: true });
rules.insert(3, #{ rule: "filter", name: "long", keep: |row| row.text.len < 100000 });
rules.push(#{ rule: "perplexity", model: net, tokenizer: tok, keep: 0.9, max_length: 64 });
let done = clean::run(rows, rules, #{ out: "out/clean", piece_rows: 50 });
print(clean::report(done));
print(rows.map(|row| #{ text: `${row.get("text")}`, file: row.file, n: `${row.get("text")}`.len }).filter(|row| row.n > 20).normalize("text").save("out/mapped.jsonl"));
print(clean::run(dataset(["We the people", "We the people", "of the United States"]), [#{ rule: "normalize" }, #{ rule: "unique" }], #{ out: "out/small" }).kept_rows);
let prompts = [];
for n in 0..7 { prompts.push(`row ${n} of some text`); }
print(net.generate(tok, prompts, #{ max_new_tokens: 5, temperature: 1.0, seed: 3 }));
print(likelihood(net, tok, prompts, #{ batch_size: 2, max_length: 32 }));
print(net.generate(tok, "one", #{ max_new_tokens: 5 }));
try { stream("out/mapped.jsonl").map(|row| row.none + 1).save("out/none.jsonl"); } catch { print("fails"); }
"#;

/// The available launchers, by name.
pub fn launchers() -> Vec<&'static str> {
    let there = |name: &&str| {
        let found = Command::new(name).arg("--version").output();
        found.is_ok_and(|output| output.status.success())
    };
    ["mpirun.openmpi", "mpirun.mpich", "mpirun"].into_iter().filter(there).take(2).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("train.rhai"), SCRIPT).unwrap();
        std::fs::write(folder.path().join("hand.rhai"), BY_HAND).unwrap();
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn alone(&self, words: &[&str]) -> String {
        let output = Command::new(levain()).arg("run").args(words).current_dir(self.path()).output().unwrap();
        printed(&output)
    }

    fn ranks(&self, launcher: &str, count: usize, words: &[&str]) -> Command {
        let mut command = Command::new(launcher);
        if !launcher.ends_with("mpich") {
            command.arg("--oversubscribe");
        }
        command.args(["-n", &count.to_string()]).arg(levain()).args(["--threads", "1", "run"]).args(words);
        command.current_dir(self.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        command.env("OMPI_MCA_btl_vader_single_copy_mechanism", "none").env("LEVAIN_RANKS_TIMEOUT", "60");
        command
    }

    fn log(&self, out: &str) -> String {
        std::fs::read_to_string(self.path().join(out).join("log.jsonl")).unwrap_or_default()
    }

    fn wait_for(&self, out: &str, steps: usize, child: &mut Child) {
        let begun = Instant::now();
        while self.log(out).lines().count() < steps {
            assert!(begun.elapsed() < Duration::from_secs(60), "no step in a minute");
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn levain() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_levain"))
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push((path.strip_prefix(folder).unwrap().into(), std::fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

/// Whether a launcher is available; tests skipped without one are reported.
fn launcher(skipped: &str) -> Option<&'static str> {
    let found = launchers().first().copied();
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: {skipped}: there is no mpirun");
    }
    found
}

/// The processes of a launcher's children that run levain.
fn ranks_of(launcher: u32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut next = vec![launcher];
    while let Some(process) = next.pop() {
        let tasks = format!("/proc/{process}/task/{process}/children");
        for child in std::fs::read_to_string(tasks).unwrap_or_default().split_whitespace() {
            let child: u32 = child.parse().unwrap();
            let name = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            if name.trim() == "levain" {
                found.push(child as i32);
            }
            next.push(child);
        }
    }
    found
}

fn signal(process: i32, signal: i32) {
    // SAFETY: a signal to a process of a launcher that this test started
    assert_eq!(unsafe { libc::kill(process, signal) }, 0);
}

#[test]
fn ranks_come_to_the_bits_of_one_process() {
    let folder = Folder::new();
    launcher("training under ranks");
    for words in [
        ["train.rhai", "precision=f32"],
        ["train.rhai", "precision=bf16"],
        ["train.rhai", "lora=true"],
        ["hand.rhai", "steps=5"],
    ] {
        let alone = folder.alone(&words);
        assert_eq!(alone, folder.alone(&[&["--threads", "2"], &words[..]].concat()), "{words:?} on two threads");
        // another launcher is another library, whose messages have no precision
        let another = usize::from(words[1] == "precision=f32");
        for launcher in launchers().into_iter().take(1 + another) {
            let output = folder.ranks(launcher, 4, &words).output().unwrap();
            assert_eq!(alone, printed(&output), "{words:?} under {launcher}: {}", told(&output));
        }
    }
}

/// The blocks of docs/ranks.md in a language, in their order.
fn blocks(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string("docs/ranks.md").unwrap();
    let fence = format!("\n```{language}\n");
    let parts = page.split(&fence).skip(1);
    parts.map(|part| part.split_once("\n```").unwrap().0.to_string()).collect()
}

/// The steps of docs/ranks.md as written: its script in one process, in four, and on two hosts with a wire between them.
#[test]
fn the_page_does_what_it_tells() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("train.rhai"), &blocks("rhai")[0]).unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(levain(), folder.path().join("bin/levain")).unwrap();
    let [processes, shell, hosts] = blocks("sh").try_into().unwrap();
    let (shell, inside) = shell.split_once('\n').unwrap();
    let bash = |shell: &str, commands: &str| {
        // "$0" is the commands
        let mut command = Command::new("bash");
        command.args(["-c", &format!("exec {shell} -ec \"$0\""), commands]).current_dir(folder.path());
        let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).stdin(Stdio::null());
        // the page's advice on roots, containers and machines with few cores
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        command.env("OMPI_MCA_btl_vader_single_copy_mechanism", "none").env("OMPI_MCA_rmaps_base_oversubscribe", "1");
        command.output().unwrap()
    };
    let Some(_) = launcher("the page of ranks") else { return };
    let (install, processes) = processes.split_once('\n').unwrap();
    assert!(install.starts_with("apt-get install "), "{install}");
    printed(&bash("bash", processes));
    let open = bash("bash", "mpirun --version").stdout.starts_with(b"mpirun (Open MPI)");
    let spaces = bash(shell, &format!("{inside}\nip netns add one\nip link add v1 type veth peer name v2"));
    if !open || !spaces.status.success() {
        let why = if open { told(&spaces) } else { "mpirun is not Open MPI's".to_string() };
        let _ = writeln!(std::io::stderr(), "skipped: two hosts of the page of ranks: {}", why.trim());
        return;
    }
    let output = bash(shell, &format!("{inside}\n{hosts}"));
    let wire = printed(&output);
    let received = wire.lines().skip_while(|line| !line.contains("RX:")).nth(1).unwrap_or_else(|| panic!("{wire}"));
    let bytes: u64 = received.split_whitespace().next().unwrap().parse().unwrap();
    assert!(bytes > 2_000_000, "{bytes} bytes went over the wire, fewer than the gradients:\n{wire}");
}

/// Rows shared out among ranks produce the bytes of one process: cleaning in all its phases, a saved stream, generation, scores.
#[test]
fn rows_are_shared_out_and_come_to_the_bytes_of_one_process() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("rows.rhai"), ROWS).unwrap();
    std::fs::create_dir(folder.path().join("dirty")).unwrap();
    for entry in std::fs::read_dir("scripts/data/dirty").unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join("dirty").join(path.file_name().unwrap())).unwrap();
    }
    let out = folder.path().join("out");
    let alone = folder.alone(&["--threads", "1", "rows.rhai"]);
    let whole = files(&out);
    assert!(whole.iter().filter(|(_, bytes)| bytes.len() > 500).count() >= 5, "{alone}");
    assert!(alone.ends_with("fails\n"), "{alone}");
    let Some(launcher) = launcher("cleaning, saving and generating under ranks") else { return };
    for count in [2, 4] {
        std::fs::remove_dir_all(&out).unwrap();
        let output = folder.ranks(launcher, count, &["rows.rhai"]).output().unwrap();
        assert_eq!(alone, printed(&output), "{count} ranks: {}", told(&output));
        let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let found = files(&out);
        assert_eq!(names(&whole), names(&found));
        let differs = whole.iter().zip(&found).find(|(a, b)| a != b);
        assert!(differs.is_none(), "{count} ranks: {:?}", differs.map(|(file, _)| &file.0));
    }
}

/// A rank killed while rows are shared out ends the job, and the same command resumes to the same bytes, with any number of
/// ranks.
#[test]
fn cleaning_goes_on_where_a_rank_was_killed() {
    let Some(launcher) = launcher("a rank that is killed while it cleans") else { return };
    let folder = Folder::new();
    let script = r#"
let rules = [#{ rule: "normalize" }, #{ rule: "quality" }, #{ rule: "unique" }, #{ rule: "near_duplicates" }, #{ rule: "mask_pii" }];
clean::run(stream("rows-*.jsonl"), rules, #{ out: "out", piece_rows: 40 });
"#;
    std::fs::write(folder.path().join("clean.rhai"), script).unwrap();
    for part in 0..9 {
        let row = |n: usize| {
            format!(
                "{{\"text\": \"The committee of year {} agreed that member {} is to read report {n} to all of them.\"}}\n",
                n * n + part,
                n + part
            )
        };
        let text: String = (0..30).map(row).collect();
        std::fs::write(folder.path().join(format!("rows-{part}.jsonl")), text).unwrap();
    }
    folder.alone(&["clean.rhai"]);
    let out = folder.path().join("out");
    let whole = files(&out);
    std::fs::remove_dir_all(&out).unwrap();
    for call in [9, 30, 60] {
        // rank 0 alone writes, and ends before one such call
        let output = folder
            .ranks(launcher, 3, &["clean.rhai"])
            .env("LEVAIN_TEST_FAULT", format!("kill@{call}"))
            .output()
            .unwrap();
        assert!(!output.status.success(), "{call}");
    }
    printed(&folder.ranks(launcher, 2, &["clean.rhai"]).output().unwrap());
    assert!(files(&out) == whole);
}

#[test]
fn a_killed_rank_ends_the_job_and_the_same_command_resumes_with_any_number_of_ranks() {
    let Some(launcher) = launcher("a rank that is killed while it trains") else { return };
    let folder = Folder::new();
    let whole = folder.alone(&["train.rhai", "steps=30", "out=whole"]);
    let words = ["train.rhai", "steps=30", "out=killed"];
    let mut child = folder.ranks(launcher, 4, &words).spawn().unwrap();
    folder.wait_for("killed", 7, &mut child);
    signal(ranks_of(child.id())[2], libc::SIGKILL);
    assert!(!child.wait().unwrap().success());
    assert!(folder.path().join("killed/checkpoint/state.json").is_file(), "no checkpoint is left");
    assert_eq!(whole, printed(&folder.ranks(launcher, 2, &words).output().unwrap()));
    let weights = |out: &str| std::fs::read(folder.path().join(out).join("model/model.safetensors")).unwrap();
    assert_eq!(weights("whole"), weights("killed"));
    assert_eq!(folder.log("whole"), folder.log("killed"));
}

/// Moments sharded among ranks: the same bits, and the same files, from which any number of ranks resumes, sharded or not.
#[test]
fn divided_moments_change_no_bit_and_no_checkpoint() {
    let Some(launcher) = launcher("divided moments") else { return };
    let folder = Folder::new();
    for (kind, resumed) in [("f32", "shard=true"), ("bf16", "shard=false")] {
        let words = |name: &str, more: &str| {
            let out = format!("out={kind}-{name}");
            ["train.rhai", &format!("moments={kind}"), "steps=9", &out, more].map(String::from)
        };
        let command =
            |count: usize, words: [String; 5]| folder.ranks(launcher, count, &words.each_ref().map(|word| &word[..]));
        let whole = folder.alone(&words("whole", "shard=false").each_ref().map(|word| &word[..]));
        assert_eq!(whole, printed(&command(4, words("four", "shard=true")).output().unwrap()));
        // ended before a call that changes the disk, after a checkpoint
        let output = command(4, words("cut", "shard=true")).env("LEVAIN_TEST_FAULT", "kill@100").output().unwrap();
        assert!(!output.status.success());
        let left = folder.path().join(format!("{kind}-cut/checkpoint/optimizer.safetensors"));
        assert!(left.is_file(), "no checkpoint: {}", told(&output));
        assert_eq!(whole, printed(&command(2, words("cut", resumed)).output().unwrap()));
    }
}

#[test]
fn a_rank_that_stops_is_named_with_the_step() {
    let Some(launcher) = launcher("a rank that stops") else { return };
    let folder = Folder::new();
    let mut command = folder.ranks(launcher, 4, &["train.rhai", "steps=2000", "out=out"]);
    // four ranks on two cores: a working one is silent for a second too
    let mut child = command.env("LEVAIN_RANKS_TIMEOUT", "4").spawn().unwrap();
    folder.wait_for("out", 5, &mut child);
    // the ranks are started in their order
    let mut ranks = ranks_of(child.id());
    ranks.sort();
    signal(ranks[2], libc::SIGSTOP);
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    let told = told(&output);
    let named = told.lines().find(|line| line.contains("has waited 4 s for")).unwrap_or_else(|| panic!("{told}"));
    assert!(named.contains("at step ") && named.contains("rank 2"), "{told}");
}

#[test]
fn what_ranks_cannot_share_is_an_error_that_says_what_to_set() {
    let error = |count, accum| tree::share(0, count, accum).unwrap_err();
    assert_eq!(tree::share(1, 4, 8).unwrap(), 2..4);
    assert_eq!(tree::share(2, 3, 6).unwrap(), 4..6);
    assert_eq!(tree::share(0, 1, 5).unwrap(), 0..5);
    assert_eq!(
        error(4, 1).what(),
        "`grad_accum` is 1, which 4 ranks can't share: each takes 1, 2, 4, 8 … micro-batches"
    );
    assert!(error(4, 1).advice().unwrap().starts_with("set `grad_accum: 4` and `batch_size` so that"));
    assert!(error(2, 6).advice().unwrap().ends_with("or start 3 or 6 ranks"), "{:?}", error(2, 6).advice());
    let Some(launcher) = launcher("micro-batches that ranks cannot share") else { return };
    let folder = Folder::new();
    let output = folder.ranks(launcher, 4, &["train.rhai", "grad_accum=2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = told(&output);
    assert_eq!(told.matches("`grad_accum` is 2, which 4 ranks can't share").count(), 1, "{told}");
    assert!(told.contains("set `grad_accum: 4`"), "{told}");
}

#[test]
fn the_tree_over_ranks_is_the_tree_over_micro_batches() {
    let add = |a: String, b: String| format!("({a}+{b})");
    for all in 1..40 {
        let leaves = |range: std::ops::Range<usize>| range.map(|leaf| Some(leaf.to_string())).collect::<Vec<_>>();
        let whole = tree::joined(leaves(0..all), add);
        for count in 2..=all {
            let shares: Option<Vec<_>> = (0..count).map(|rank| tree::share(rank, count, all).ok()).collect();
            let Some(shares) = shares else { continue };
            let parts = shares.into_iter().map(|share| tree::joined(leaves(share), add)).collect();
            assert_eq!(tree::joined(parts, add), whole, "{count} ranks of {all}");
        }
    }
    assert_eq!(tree::joined(vec![None, Some(1), None], |a: i32, b| a - b), Some(1));
    assert_eq!(tree::joined(Vec::<Option<i32>>::new(), |a, b| a + b), None);
}

fn launched(variables: &[(&str, &str)]) -> levain::Result<Launch> {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    launch(|name| variables.get(name).cloned())
}

#[test]
fn launchers_are_known_by_their_variables() {
    let count = |variables: &[(&str, &str)]| match launched(variables).unwrap() {
        Launch::Alone => Some(1),
        Launch::Together { count, .. } => count,
    };
    assert_eq!(count(&[]), Some(1));
    assert_eq!(count(&[("OMPI_COMM_WORLD_SIZE", "4")]), Some(4));
    assert_eq!(count(&[("PMI_SIZE", "3"), ("PMI_RANK", "2")]), Some(3));
    assert_eq!(count(&[("PMIX_RANK", "0"), ("SLURM_STEP_NUM_TASKS", "8"), ("SLURM_PROCID", "0")]), Some(8));
    assert_eq!(count(&[("PMIX_RANK", "0")]), None);
    assert_eq!(count(&[("PMI_SIZE", "1")]), Some(1));
    assert_eq!(count(&[("OMPI_COMM_WORLD_SIZE", "4"), ("LEVAIN_RANKS", "off")]), Some(1));
    // a batch script of Slurm, which is one process
    assert_eq!(count(&[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")]), Some(1));
    let fault = |variables: &[(&str, &str)]| launched(variables).unwrap_err().to_string();
    let srun = [("SLURM_STEP_NUM_TASKS", "4"), ("SLURM_PROCID", "1")];
    assert_eq!(fault(&srun), "ranks: srun started 4 processes without MPI: each would do all the work");
    let torch = [("TORCHELASTIC_RUN_ID", "none"), ("WORLD_SIZE", "2"), ("RANK", "0")];
    assert_eq!(fault(&torch), "ranks: torchrun started 2 processes without MPI: each would do all the work");
    assert_eq!(fault(&[("PMI_SIZE", "four")]), "ranks: PMI_SIZE is `four`, not a number of processes");
    assert_eq!(fault(&[("LEVAIN_RANKS", "of")]), "LEVAIN_RANKS: `of` is neither `on` nor `off`");
}

#[test]
fn a_library_that_is_missing_or_lies_is_an_error() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("one.rhai"), "print(world_size());").unwrap();
    std::fs::write(folder.path().join("text.so"), "no library").unwrap();
    let run = |library: &str, more: &[(&str, &str)]| {
        let mut command = Command::new(levain());
        command.args(["run", "one.rhai"]).current_dir(folder.path()).env("PMI_SIZE", "4").env("LEVAIN_MPI", library);
        command.envs(more.iter().copied()).output().unwrap()
    };
    for (library, words) in [
        ("/nowhere/libmpi.so", "error: LEVAIN_MPI: /nowhere/libmpi.so can't be opened as a library"),
        ("./text.so", "error: LEVAIN_MPI: ./text.so can't be opened as a library"),
        ("libc.so.6", "error: ranks: libc.so.6 is not a library of MPI: it has no function MPI_Init"),
    ] {
        let output = run(library, &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(told(&output).starts_with(words), "{}", told(&output));
    }
    assert_eq!(printed(&run("/nowhere/libmpi.so", &[("LEVAIN_RANKS", "off")])), "1\n");
    let output = run("/nowhere/libmpi.so", &[("LEVAIN_RANKS_TIMEOUT", "soon")]);
    assert!(
        told(&output).starts_with("error: LEVAIN_RANKS_TIMEOUT: `soon` is not a number of seconds"),
        "{}",
        told(&output)
    );
    let output = run("/nowhere/libmpi.so", &[("PMI_SIZE", "1")]);
    assert_eq!(printed(&output), "1\n");
}

#[test]
fn rank_0_alone_prints_and_writes_and_ranks_that_differ_are_told() {
    let Some(launcher) = launcher("who prints and writes") else { return };
    let folder = Folder::new();
    let script = r#"
print(`${world_size()} ${[0, 1, 2].contains(rank())}`);
let data = dataset([#{ text: "a" }, #{ text: "b" }]);
data.save("out/rows.jsonl");
print(dataset("out/rows.jsonl").len());
chart("a").line("a", [1.0, 2.0]).save("out/a.svg");
let log = record("out/log.jsonl");
log.add(#{ step: 1, loss: 1.0 });
let net = model(#{ model_type: "llama", vocab_size: 16, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
net.save("out/net");
print(model("out/net").parameters().len());
print(runs::once("out/once.json", #{ a: 1 }, || 7));
try { data.save("out/rows.jsonl/x.jsonl"); } catch (e) { print(e.what); }
"#;
    std::fs::write(folder.path().join("writes.rhai"), script).unwrap();
    let output = folder.ranks(launcher, 3, &["writes.rhai"]).output().unwrap();
    let lines = printed(&output);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[..2], ["3 true", "2"], "{}", told(&output));
    assert_eq!(lines[3], "7");
    assert!(lines[4].contains("is a file, not a folder") && lines.len() == 5, "{lines:?}");
    std::fs::write(folder.path().join("apart.rhai"), "if rank() == 1 { dataset([\"a\"]).save(\"a.jsonl\"); }").unwrap();
    let output = folder.ranks(launcher, 3, &["apart.rhai"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let words = "ranks have taken different ways: rank 0 has come to `the end of the script`, rank 1 to `save a.jsonl`";
    assert!(told(&output).contains(words), "{}", told(&output));
    std::fs::write(folder.path().join("fails.rhai"), "if rank() == 2 { throw \"only here\"; }").unwrap();
    let output = folder.ranks(launcher, 3, &["fails.rhai"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("rank 2: error: only here"), "{}", told(&output));
}

#[test]
fn ctrl_c_is_agreed_on_at_a_step() {
    let folder = Folder::new();
    let whole = folder.alone(&["train.rhai", "steps=40", "out=whole", "save_every=0"]);
    launcher("Ctrl-C under ranks");
    for launcher in launchers() {
        let out = format!("out={launcher}");
        let words = ["train.rhai", "steps=40", &out, "save_every=0"];
        let mut child = folder.ranks(launcher, 4, &words).spawn().unwrap();
        folder.wait_for(launcher, 7, &mut child);
        // one rank alone hears of it
        signal(ranks_of(child.id())[3], libc::SIGINT);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", told(&output));
        let left = folder.path().join(launcher).join("checkpoint/state.json");
        assert!(left.is_file(), "{launcher} left no checkpoint");
        assert_eq!(whole, printed(&folder.ranks(launcher, 4, &words).output().unwrap()));
    }
}
