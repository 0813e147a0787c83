//! `levain test [PATH…]`

use super::SHORT;
use super::github::{self, Summary, cell};
use crate::script::suite::{Outcome, Suite};
use crate::{Error, Result, bail};
use std::path::PathBuf;
use std::time::Duration;

#[derive(clap::Args)]
pub struct Args {
    /// files or folders; by default tests/, and the examples of README.md and docs/
    paths: Vec<PathBuf>,
    /// Run only tests whose name contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Time limit of a test; a slower one is stopped and fails
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = super::seconds)]
    limit: f64,
    /// Rewrite the transcripts (NAME.out) that differ; an empty file starts one
    #[arg(long)]
    bless: bool,
    /// Also write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Format of standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Format of standard output.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Plain text
    Text,
    /// Plain text, and failures as annotations of GitHub Actions
    Github,
}

pub fn main(args: &Args) -> u8 {
    match run(args) {
        Ok(code) => code,
        Err(error) => super::say::told(&error.into()),
    }
}

fn run(args: &Args) -> Result<u8> {
    if let Some(missing) = args.paths.iter().find(|path| !path.exists()) {
        bail!("test", "{} is not there", missing.display());
    }
    let summary = Summary::open("test")?;
    let mut suite = Suite::new(args.filter.as_deref());
    suite.limit = Duration::from_secs_f64(args.limit);
    suite.bless = args.bless;
    let of_project: Vec<PathBuf> = PROJECT.iter().map(PathBuf::from).filter(|path| path.exists()).collect();
    let paths = if args.paths.is_empty() { &of_project } else { &args.paths };
    for path in paths {
        if path.is_dir() { suite.folder(path) } else { suite.file(path) }
    }
    suite.run();
    for path in &suite.left_out {
        eprintln!("warning: test: {path}");
    }
    if suite.outcomes.is_empty() {
        return Err(nothing(args));
    }
    report(&suite);
    if args.format == Format::Github {
        for (name, fault) in suite.failures() {
            let whole = PathBuf::from(name).is_file();
            let file = name.rsplit_once([' ', ':']).filter(|_| !whole).map_or(name, |(file, _)| file);
            println!("{}", github::annotation("error", name, file, fault));
        }
    }
    if let Some(path) = &args.junit {
        crate::files::write_all("test", path, junit(&suite.outcomes).as_bytes())?;
    }
    let closing = format!("{} passed, {} failed", suite.passed(), suite.outcomes.len() - suite.passed());
    println!("{closing}");
    summary.add("test", &markdown(&closing, &suite))?;
    Ok(if suite.passed() < suite.outcomes.len() { SHORT } else { 0 })
}

/// A project's default tests: its tests folder, and the examples of its documents.
const PROJECT: [&str; 3] = ["tests", "README.md", "docs"];

fn nothing(args: &Args) -> Error {
    let which = args.filter.as_ref().map(|filter| format!(" whose name holds `{filter}`")).unwrap_or_default();
    let error = Error::new("test", format!("there is no test{which}"));
    match args.paths.is_empty() && args.filter.is_none() {
        true => error.help(
            "tests are `fn test_…()` in .rhai files below tests/, and ```rhai blocks of README.md and docs/; other files are named",
        ),
        false => error,
    }
}

fn report(suite: &Suite) {
    for (name, fault) in suite.failures() {
        println!("FAILED {name}\n{}", indented(&fault.to_string()));
        if !fault.printed.is_empty() {
            println!("  it had printed:\n{}", indented(&fault.printed));
        }
    }
    for path in &suite.blessed {
        println!("blessed {}", path.display());
    }
}

/// A table of failures for the summary of a job.
fn markdown(closing: &str, suite: &Suite) -> String {
    const ROWS: usize = 100;
    let mut text = format!("### Tests: {closing}\n\n");
    let failures: Vec<_> = suite.failures().collect();
    if !failures.is_empty() {
        text += "| test | |\n|---|---|\n";
    }
    for (name, fault) in failures.iter().take(ROWS) {
        text += &format!("| {} | {} |\n", cell(name), cell(&fault.message));
    }
    if failures.len() > ROWS {
        text += &format!("\nand {} more\n", failures.len() - ROWS);
    }
    for path in &suite.left_out {
        text += &format!("\nnot run: {}\n", cell(path));
    }
    text + "\n"
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// A failed test is a failure, a test that could not run an error.
fn junit(outcomes: &[Outcome]) -> String {
    use crate::measure::bench::report::escaped;
    let count = |ran: bool| outcomes.iter().filter(|outcome| outcome.fault.is_some() && outcome.ran == ran).count();
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.time.as_secs_f64()).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"levain test\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\" time=\"{seconds:.3}\">\n",
        outcomes.len(),
        count(true),
        count(false)
    );
    for outcome in outcomes {
        let (class, name) = outcome.name.rsplit_once([' ', ':']).unwrap_or((&outcome.name, "script"));
        let time = outcome.time.as_secs_f64();
        let head = format!("classname=\"{}\" name=\"{}\" time=\"{time:.3}\"", escaped(class), escaped(name));
        match &outcome.fault {
            None => text += &format!("  <testcase {head}/>\n"),
            Some(fault) => {
                let (what, whole) = (escaped(&fault.message), escaped(&fault.to_string()));
                let printed = match fault.printed.as_str() {
                    "" => String::new(),
                    printed => format!("<system-out>{}</system-out>", escaped(printed)),
                };
                let kind = if outcome.ran { "failure" } else { "error" };
                let told = format!("<{kind} message=\"{what}\" type=\"{kind}\">{whole}</{kind}>{printed}");
                text += &format!("  <testcase {head}>{told}</testcase>\n");
            }
        }
    }
    text + "</testsuite>\n"
}
