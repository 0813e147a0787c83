//! `levain test [PATH…]`

use super::{FAULT, SHORT};
use crate::script::Fault;
use crate::script::suite::{Outcome, Suite};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(clap::Args)]
pub struct Args {
    /// files or folders; without any: tests/ and all examples
    paths: Vec<PathBuf>,
    /// Only tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// A test that takes longer is ended, and has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = super::seconds)]
    limit: f64,
    /// Rewrite the transcripts (NAME.out) that differ; an empty file begins one
    #[arg(long)]
    bless: bool,
    /// Write the results as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub fn main(args: &Args) -> u8 {
    if let Some(missing) = args.paths.iter().find(|path| !path.exists()) {
        eprintln!("error: test: {} is not there", missing.display());
        return FAULT;
    }
    let mut suite = Suite::new(args.filter.as_deref());
    suite.limit = Duration::from_secs_f64(args.limit);
    suite.bless = args.bless;
    if args.paths.is_empty() {
        everything(&mut suite, Path::new("."));
    }
    for path in &args.paths {
        if path.is_dir() { suite.folder(path) } else { suite.file(path) }
    }
    suite.run();
    if suite.outcomes.is_empty() {
        let which = args.filter.as_ref().map(|filter| format!(" whose name holds `{filter}`")).unwrap_or_default();
        eprintln!("error: test: there is no test{which}");
        return FAULT;
    }
    for (name, fault) in suite.failures() {
        println!("FAILED {name}\n{}", indented(&fault.to_string()));
        if !fault.printed.is_empty() {
            println!("  it had printed:\n{}", indented(&fault.printed));
        }
    }
    for path in &suite.blessed {
        println!("blessed {}", path.display());
    }
    if let Some(path) = &args.junit
        && let Err(error) = crate::files::write_all("test", path, junit(&suite.outcomes).as_bytes())
    {
        eprint!("{}", Fault::from(error));
        return FAULT;
    }
    let failed = suite.outcomes.len() - suite.passed();
    println!("{} passed, {failed} failed", suite.passed());
    if failed > 0 { SHORT } else { 0 }
}

/// All that a project promises: its tests, the examples of the docs, and those of its README and guides.
pub fn everything(suite: &mut Suite, root: &Path) {
    suite.folder(&root.join("tests"));
    suite.docs();
    let readme = root.join("README.md");
    if readme.exists() {
        suite.file(&readme);
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn junit(outcomes: &[Outcome]) -> String {
    use crate::measure::bench::report::escaped;
    let failed = outcomes.iter().filter(|outcome| outcome.fault.is_some()).count();
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.time.as_secs_f64()).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"levain test\" tests=\"{}\" failures=\"{failed}\" time=\"{seconds:.3}\">\n",
        outcomes.len()
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
                let told = format!("<failure message=\"{what}\">{whole}</failure>{printed}");
                text += &format!("  <testcase {head}>{told}</testcase>\n");
            }
        }
    }
    text + "</testsuite>\n"
}
