//! `levain bench [PATH…]`: runs benchmark scripts, each in a process of its own, and judges their results.

mod books;
mod compare;
mod rounds;
mod scripts;
mod worker;

use super::github::{self, Summary};
use super::{FAULT, INTERRUPTED, SHORT, interrupt};
use crate::cancel::{self, Cancel};
use crate::measure::bench::drive::Pass;
use crate::measure::bench::format::plural;
use crate::measure::bench::history;
use crate::measure::bench::judge::{self, Case, Decision, Judged};
use crate::measure::bench::report::{Report, Row};
use crate::measure::machine::Machine;
use crate::script::Fault;
use crate::{Error, Result};
use books::Books;
use scripts::Scripts;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// scripts, or folders of them; by default scripts/bench. Of a folder, only scripts that use `bench::` run
    paths: Vec<PathBuf>,
    /// Only cases whose script or name contains this text; other cases of a script run once, unreported
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Save the results as the baseline for this class of machine
    #[arg(long)]
    save: bool,
    /// Compare with this file (or save to it) instead of this machine class's file in baselines/ beside the scripts
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Compare with another levain binary, which takes turns with this one at every sample
    #[arg(long, value_name = "BINARY", conflicts_with_all = ["save", "baseline"])]
    against: Option<PathBuf>,
    /// Compare two files written by `--save --baseline FILE`, without running anything
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"],
          conflicts_with_all = ["paths", "save", "baseline", "against", "rounds", "history"])]
    compare: Vec<PathBuf>,
    /// Runs of each script with cases of time or memory; with `--against` the maximum
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Time limit of a script; a slower one is stopped and fails
    #[arg(long, value_name = "SECONDS", default_value_t = 3600.0, value_parser = super::seconds)]
    limit: f64,
    /// Format of standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also exit with 1 on INCONCLUSIVE
    #[arg(long)]
    strict: bool,
    /// Append a line to this file (jsonl), and show the trend
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Run one script for a `levain bench` at the other end of the pipe
    #[arg(long, hide = true)]
    worker: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Plain text
    Text,
    /// Plain text, and results other than PASS as annotations of GitHub Actions
    Github,
    Json,
    Markdown,
    Junit,
}

impl Args {
    /// Whether the output format is for people.
    fn is_read(&self) -> bool {
        matches!(self.format, Format::Text | Format::Github)
    }

    /// Whether a case was selected.
    fn wants(&self, script: &Path, case: &str) -> bool {
        self.filter.as_ref().is_none_or(|text| format!("{}: {case}", script.display()).contains(text))
    }
}

pub fn main(args: &Args) -> u8 {
    if args.worker {
        return worker::main(args.paths.first().map(PathBuf::as_path).unwrap_or(Path::new("")));
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
            eprint!("{}", Fault::from(error));
            FAULT
        }
    }
}

fn run(args: &Args) -> Result<u8> {
    let summary = Summary::open("bench")?;
    let report = match args.compare.as_slice() {
        [old, new] => {
            let report = compare::report(args, old, new)?;
            if args.is_read() {
                print!("{}", report.heading());
                report.scripts().for_each(|script| print!("{}", report.script_text(script)));
            }
            report
        }
        _ => benchmark(args)?,
    };
    if let (Some(filter), true, true) = (&args.filter, report.rows.is_empty(), report.faults.is_empty()) {
        return Err(Error::new("bench", format!("there is no case whose name holds `{filter}`")));
    }
    match args.format {
        Format::Text => print!("{}", report.text()),
        Format::Github => print!("{}{}", annotations(&report), report.text()),
        Format::Json => print!("{}", report.json()),
        Format::Markdown => print!("{}", report.markdown()),
        Format::Junit => print!("{}", report.junit()),
    }
    if let Some(path) = &args.junit {
        crate::files::write_all("bench", path, report.junit().as_bytes())?;
    }
    summary.add("bench", &report.markdown())?;
    Ok(exit_code(args, &report))
}

/// Runs the requested benchmarks.
fn benchmark(args: &Args) -> Result<Report> {
    let scripts = Scripts::find(&args.paths)?;
    let machine = Machine::here();
    let earlier = args.history.as_deref().map(history::open).transpose()?;
    let mut books = Books::open(args, &scripts, machine.clone())?;
    let mut report = Report { machine, compared: books.told(args), rows: Vec::new(), faults: Vec::new() };
    if args.is_read() {
        print!("{}", report.heading());
    }
    for script in &scripts.files {
        measure(args, script, &mut books, &mut report)?;
    }
    vanished(args, &scripts, &mut books, &mut report);
    if args.save && report.faults.is_empty() {
        books.save()?;
    }
    if args.save && args.is_read() {
        match report.faults.len() {
            0 => books.saved().for_each(|line| println!("{line}")),
            _ => println!("nothing saved"),
        }
    }
    if let (Some(path), Some(earlier)) = (&args.history, earlier) {
        keep_history(args, path, earlier, &report)?;
    }
    Ok(report)
}

/// Reports scripts that are in the baselines of whole folders but no longer exist.
fn vanished(args: &Args, scripts: &Scripts, books: &mut Books, report: &mut Report) {
    for (script, cases) in books.vanished(scripts) {
        let rows = report.rows.len();
        let wanted = cases.iter().filter(|case| args.wants(Path::new(&script), case));
        report.rows.extend(wanted.map(|case| Row::missing(&script, case, "the baseline", "this run")));
        if args.is_read() && report.rows.len() > rows {
            print!("{}", report.script_text(&script));
        }
    }
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

/// Runs one script, judges its cases, and adds them to the report.
fn measure(args: &Args, script: &Path, books: &mut Books, report: &mut Report) -> Result<()> {
    let own = std::env::current_exe().map_err(|error| Error::new("bench", error.to_string()))?;
    let name = script.display().to_string();
    let (passes, others) = match &args.against {
        None => (rounds::alone(args, &own, script)?, Vec::new()),
        Some(other) => rounds::in_turn(args, &own, other, script)?,
    };
    if args.is_read()
        && let Some(first) = passes.first()
    {
        print!("{}", first.printed);
    }
    if let Some(fault) = passes.iter().find_map(|pass| pass.fault.clone()) {
        report.faults.push((name.clone(), fault));
    } else if let Some(fault) = others.iter().find_map(|pass| pass.fault.clone()) {
        report.faults.push((name.clone(), format!("the other binary: {fault}")));
    } else {
        let cases = judge::cases(&passes);
        for case in &cases {
            let judged = match &args.against {
                None => {
                    let (before, origin) = books.before(script, case.name());
                    judge::judge(case, before, origin)
                }
                Some(_) => rounds::judge_in_turn(case, &passes, &others),
            };
            let judged = if args.save && case.unlike.is_none() { saved(judged) } else { judged };
            report.rows.push(Row::new(&name, case, judged));
        }
        missing(args, script, books, &cases, &others, report);
        books.keep(args, script, &cases);
    }
    if args.is_read() {
        print!("{}", report.script_text(&name));
    }
    Ok(())
}

/// Reports cases that no longer exist.
fn missing(args: &Args, script: &Path, books: &Books, cases: &[Case], others: &[Pass], report: &mut Report) {
    let name = script.display().to_string();
    let met = |name: &str| cases.iter().any(|case| case.name() == name);
    if !args.save {
        let gone = books.missing(script, cases);
        let gone = gone.iter().filter(|case| args.wants(script, case));
        report.rows.extend(gone.map(|case| Row::missing(&name, case, "the baseline", "this run")));
    }
    let gone = judge::cases(others).into_iter().filter(|other| !met(other.name()));
    report.rows.extend(gone.map(|other| Row::missing(&name, other.name(), "the other binary's run", "this one's")));
}

/// A change that is saved was intended.
fn saved(judged: Judged) -> Judged {
    match judged.decision {
        Decision::Pass => judged,
        _ => Judged { decision: Decision::Pass, reason: format!("saved ({})", judged.reason), change: judged.change },
    }
}

/// Annotations of all results other than PASS, for the lines of a pull request.
fn annotations(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.rows {
        let level = match row.judged.decision {
            Decision::Pass => continue,
            Decision::Fail => "error",
            Decision::Inconclusive => "notice",
        };
        let fault = Fault::plain(format!("{}: {}", row.judged.decision.name(), row.judged.reason));
        text += &format!("{}\n", github::annotation(level, &row.name, &row.script, &fault));
    }
    for (script, fault) in &report.faults {
        let fault = Fault::plain(fault.trim_end());
        text += &format!("{}\n", github::annotation("error", "benchmark", script, &fault));
    }
    text
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
    if args.is_read() {
        print!("{}", history::trend(&runs));
    }
    Ok(())
}
