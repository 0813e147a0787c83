//! `levain bench [PATH…]`: runs benchmark scripts, each in a process of its own, and judges what they give.

mod books;

use super::{FAULT, INTERRUPTED, SHORT, interrupt};
use crate::cancel::{self, Cancel};
use crate::measure::bench::drive::{self, Finding, Pass};
use crate::measure::bench::format::plural;
use crate::measure::bench::judge::{self, Case, Decision, Judged, Kept, Origin};
use crate::measure::bench::report::{Report, Row};
use crate::measure::bench::{attach, history, wire};
use crate::measure::machine::Machine;
use crate::script::{Cause, Host, read_script, suite};
use crate::{Error, Result, bail};
use books::Books;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a project keeps its benchmarks.
const FOLDER: &str = "scripts/bench";

#[derive(clap::Args)]
pub struct Args {
    /// scripts, or folders of them; without any: scripts/bench. Of a folder, those that name `bench::` run
    paths: Vec<PathBuf>,
    /// Keep what comes out as the baseline for this class of machine
    #[arg(long)]
    save: bool,
    /// Compare with this file (or save to it) instead of the one for this class of machine in baselines/ beside the scripts
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Compare with another levain binary, that takes turns with this one at every sample
    #[arg(long, value_name = "BINARY", conflicts_with_all = ["save", "baseline"])]
    against: Option<PathBuf>,
    /// How often each script with timed cases runs; against a binary the most that it runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// A script that takes longer is ended, and has gone wrong
    #[arg(long, value_name = "SECONDS", default_value_t = 3600.0, value_parser = super::seconds)]
    limit: f64,
    /// What standard output gets
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 1 on INCONCLUSIVE too
    #[arg(long)]
    strict: bool,
    /// Add a line to this file (jsonl), and show the trend
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Run one script for a `levain bench` at the other end of the pipe
    #[arg(long, hide = true)]
    worker: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Junit,
}

pub fn main(args: &Args) -> u8 {
    if args.worker {
        return worker(args.paths.first().map(PathBuf::as_path).unwrap_or(Path::new("")));
    }
    let cancel = Cancel::default();
    interrupt::stops(&cancel);
    match cancel::under(&cancel, || run(args)) {
        Ok(code) => code,
        Err(error) if error.is_interrupted() => {
            eprintln!("interrupted");
            INTERRUPTED
        }
        Err(error) => {
            eprint!("{}", crate::script::Fault::from(error));
            FAULT
        }
    }
}

/// Runs a script, and tells its cases to the process that started this one.
fn worker(path: &Path) -> u8 {
    let tell = |message: &wire::FromWorker| wire::send(&mut std::io::stdout().lock(), message).is_ok();
    let version = env!("CARGO_PKG_VERSION").to_string();
    if !tell(&wire::FromWorker::Hello { protocol: wire::PROTOCOL, version }) {
        return FAULT;
    }
    let text = match read_script(path) {
        Ok(text) => text,
        Err(error) => {
            tell(&wire::FromWorker::Fault(crate::script::Fault::from(error).to_string()));
            return FAULT;
        }
    };
    let name = path.display().to_string();
    let host = Host::for_script(&name, &text);
    super::start_workers(&host.needs);
    interrupt::stops(&host.cancel);
    host.output.capture();
    let output = host.output.clone();
    attach(wire::Worker { printed: move || output.take() });
    let result = host.run(&name, &text);
    let printed = host.output.take();
    if !printed.is_empty() {
        tell(&wire::FromWorker::Printed(printed));
    }
    match result {
        Ok(_) if host.run_state.ended().is_some_and(|code| code > 0) => {
            let code = host.run_state.ended().unwrap_or_default();
            let fault = crate::script::Fault::plain(format!("bench: {name} ended with `exit({code})`"));
            tell(&wire::FromWorker::Fault(fault.to_string()));
            FAULT
        }
        Ok(_) => {
            tell(&wire::FromWorker::End);
            0
        }
        Err(fault) if fault.cause == Cause::Interrupted => INTERRUPTED,
        Err(fault) => {
            tell(&wire::FromWorker::Fault(fault.to_string()));
            FAULT
        }
    }
}

fn run(args: &Args) -> Result<u8> {
    let scripts = scripts(&args.paths)?;
    let machine = Machine::here();
    let earlier = args.history.as_deref().map(history::read).transpose()?;
    let mut books = Books::open(args, &scripts, machine.clone())?;
    let mut report = Report { machine, compared: books.told(args), rows: Vec::new(), faults: Vec::new() };
    if args.format == Format::Text {
        print!("{}", report.heading());
    }
    for script in &scripts {
        measure(args, script, &mut books, &mut report)?;
    }
    if args.save && report.faults.is_empty() {
        books.save()?;
    }
    match args.format {
        Format::Text => print!("{}", report.text()),
        Format::Json => print!("{}", report.json()),
        Format::Markdown => print!("{}", report.markdown()),
        Format::Junit => print!("{}", report.junit()),
    }
    if args.save && args.format == Format::Text {
        match report.faults.len() {
            0 => books.paths().for_each(|path| println!("saved {}", path.display())),
            _ => println!("nothing saved"),
        }
    }
    step_summary(&report)?;
    if let (Some(path), Some(earlier)) = (&args.history, earlier) {
        keep_history(args, path, earlier, &report)?;
    }
    Ok(exit_code(args, &report))
}

fn exit_code(args: &Args, report: &Report) -> u8 {
    if !report.faults.is_empty() {
        return FAULT;
    }
    if args.save {
        return 0;
    }
    let short = report.count(Decision::Fail) > 0 || args.strict && report.count(Decision::Inconclusive) > 0;
    if short { SHORT } else { 0 }
}

/// The scripts to run, each once.
fn scripts(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let given = if paths.is_empty() { vec![PathBuf::from(FOLDER)] } else { paths.to_vec() };
    let mut found = Vec::new();
    for path in &given {
        if path.is_dir() {
            let before = found.len();
            found.extend(suite::scripts(path).into_iter().filter(|script| names_bench(script)));
            if found.len() == before {
                return Err(Error::new("bench", format!("{} holds no benchmark", path.display())).help(
                    "a benchmark is a .rhai script that calls `bench::exact`, `bench::speed` or `bench::scores`",
                ));
            }
        } else if path.exists() {
            found.push(path.clone());
        } else {
            bail!("bench", "{} is not there", path.display());
        }
    }
    let mut names: BTreeMap<(PathBuf, String), &Path> = BTreeMap::new();
    for path in &found {
        if let Some(other) = names.insert((folder_of(path), stem(path)), path)
            && other != path
        {
            bail!("bench", "{} and {} would share a name in the baseline", other.display(), path.display());
        }
    }
    found.dedup();
    Ok(found)
}

fn names_bench(script: &Path) -> bool {
    let text = std::fs::read_to_string(script).unwrap_or_default();
    text.lines().any(|line| line.split("//").next().is_some_and(|code| code.contains("bench::")))
}

fn stem(script: &Path) -> String {
    script.file_stem().unwrap_or_default().to_string_lossy().to_string()
}

/// Where the baselines of a script are.
fn folder_of(script: &Path) -> PathBuf {
    script.parent().unwrap_or(Path::new("")).join("baselines")
}

/// Runs one script, judges its cases, and adds them to the report.
fn measure(args: &Args, script: &Path, books: &mut Books, report: &mut Report) -> Result<()> {
    let own = std::env::current_exe().map_err(|error| Error::new("bench", error.to_string()))?;
    let name = script.display().to_string();
    let (rounds, others) = match &args.against {
        None => (alone(args, &own, script)?, Vec::new()),
        Some(other) => in_turn(args, &own, other, script)?,
    };
    if args.format == Format::Text
        && let Some(first) = rounds.first()
    {
        print!("{}", first.printed);
    }
    if let Some(fault) = rounds.iter().find_map(|pass| pass.fault.clone()) {
        report.faults.push((name.clone(), fault));
    } else if let Some(fault) = others.iter().find_map(|pass| pass.fault.clone()) {
        report.faults.push((name.clone(), format!("the other binary: {fault}")));
    } else {
        let cases = judge::cases(&rounds);
        for case in &cases {
            let judged = match &args.against {
                None => {
                    let (before, origin) = books.before(script, case.name());
                    judge::judge(case, before, origin)
                }
                Some(_) => judge_in_turn(case, &rounds, &others),
            };
            let judged = if args.save && case.unlike.is_none() { saved(judged) } else { judged };
            report.rows.push(Row::new(&name, case, judged));
        }
        if !args.save {
            for missing in books.missing(script, &cases) {
                report.rows.push(Row::missing(&name, &missing));
            }
        }
        books.keep(script, &cases);
    }
    if args.format == Format::Text {
        print!("{}", report.script_text(&name));
    }
    Ok(())
}

/// A change that is kept is what was wanted.
fn saved(judged: Judged) -> Judged {
    match judged.decision {
        Decision::Pass => judged,
        _ => Judged { decision: Decision::Pass, reason: format!("saved ({})", judged.reason), change: judged.change },
    }
}

fn limit(args: &Args) -> Duration {
    Duration::from_secs_f64(args.limit)
}

fn alone(args: &Args, own: &Path, script: &Path) -> Result<Vec<Pass>> {
    let mut rounds: Vec<Pass> = Vec::new();
    for _ in 0..args.rounds.unwrap_or(3) {
        rounds.push(drive::alone(own, script, limit(args))?);
        // what has no timed case comes out the same again
        if rounds.iter().any(|pass| pass.fault.is_some() || !pass.is_timed()) {
            break;
        }
    }
    Ok(rounds)
}

/// Rounds of this binary and of the other, until each timed case is decided.
fn in_turn(args: &Args, own: &Path, other: &Path, script: &Path) -> Result<(Vec<Pass>, Vec<Pass>)> {
    let (mut rounds, mut others): (Vec<Pass>, Vec<Pass>) = (Vec::new(), Vec::new());
    let most = args.rounds.unwrap_or(8);
    for round in 1..=most {
        let (new, old) = drive::in_turn(own, other, script, limit(args))?;
        let over = new.fault.is_some() || old.fault.is_some() || !new.is_timed();
        rounds.push(new);
        others.push(old);
        let open = |case: &Case| {
            matches!(case.kept, Kept::Timed { .. })
                && judge_in_turn(case, &rounds, &others).decision == Decision::Inconclusive
        };
        if over || round >= 3.min(most) && !judge::cases(&rounds).iter().any(open) {
            break;
        }
    }
    Ok((rounds, others))
}

fn judge_in_turn(case: &Case, rounds: &[Pass], others: &[Pass]) -> Judged {
    let Kept::Timed { .. } = case.kept else {
        let there = judge::cases(others).into_iter().find(|other| other.name() == case.name());
        return judge::judge(case, there.as_ref().map(|other| &other.kept), Origin::Binary);
    };
    let samples = |pass: &Pass| match pass.finding(case.name()) {
        Some(Finding::Timed(_, samples)) => samples.iter().map(|sample| sample.seconds).collect(),
        _ => Vec::new(),
    };
    let pairs = |(new, old): (&Pass, &Pass)| -> Vec<f64> {
        let (new, old): (Vec<f64>, Vec<f64>) = (samples(new), samples(old));
        new.iter().zip(&old).map(|(new, old)| new / old).collect()
    };
    let ratios: Vec<Vec<f64>> = rounds.iter().zip(others).map(pairs).collect();
    judge::ratio(&ratios, case.margin())
}

/// GitHub shows what is added to the file that this variable names.
fn step_summary(report: &Report) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return Ok(()) };
    let fault = |error: std::io::Error| Error::io("bench", Path::new(&path), &error);
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path).map_err(fault)?;
    std::io::Write::write_all(&mut file, report.markdown().as_bytes()).map_err(fault)
}

fn keep_history(args: &Args, path: &Path, earlier: history::History, report: &Report) -> Result<()> {
    if !earlier.damaged.is_empty() {
        let lines: Vec<String> = earlier.damaged.iter().map(usize::to_string).collect();
        let (s, list) = (plural(lines.len()), lines.join(", "));
        eprintln!("warning: history: {}: line{s} {list} can't be read, left out", path.display());
    }
    let run = history::run(&report.machine, &report.rows);
    history::append(path, &run)?;
    let mut runs = earlier.runs;
    runs.push(run);
    if args.format == Format::Text {
        print!("{}", history::trend(&runs));
    }
    Ok(())
}
