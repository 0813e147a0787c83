//! The command line: one file per command.

// first, since all commands use its macros
#[macro_use]
mod say;

mod bench;
mod check;
mod definitions;
mod environment;
mod get;
mod github;
pub mod help;
mod interrupt;
#[cfg(feature = "jupyter")]
mod jupyter;
mod new;
mod profile;
mod repl;
mod run;
#[cfg(feature = "serve")]
mod serve;
mod status;
mod test;

#[cfg(feature = "jupyter")]
pub use jupyter::rehearse;

use crate::Error;
use crate::kernel::{self, threads};
use crate::ranks;
use crate::script::Fault;
use clap::{CommandFactory, Parser, Subcommand};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Scripts that train and measure language models.
#[derive(Parser)]
#[command(name = "levain", version, disable_help_subcommand = true)]
struct Cli {
    /// Number of threads; default: LEVAIN_THREADS, or all cores
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// By default the prompt, or in a pipe the script on standard input
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a script; `-` reads it from standard input
    Run {
        file: PathBuf,
        /// key=value, read by the script with `args()`
        args: Vec<String>,
        /// Report time and memory by operation at the end
        #[arg(long)]
        profile: bool,
        /// Write a trace of every operation, for Perfetto or chrome://tracing
        #[arg(long, value_name = "OUT.json")]
        trace: Option<PathBuf>,
        #[command(flatten)]
        sandbox: run::Sandbox,
    },
    /// Check scripts for errors without running them
    Check {
        /// scripts, or folders of them
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Output format of the findings
        #[arg(long, value_enum, default_value_t = check::Format::Text)]
        format: check::Format,
    },
    /// Write .d.rhai files that declare all verbs for the Rhai language server
    Definitions {
        #[arg(default_value = "definitions")]
        folder: PathBuf,
    },
    /// Show help for a verb, a noun or a module of the standard library
    Help {
        name: Option<String>,
        /// list the verbs whose docs have these words
        #[arg(long, value_name = "WORDS")]
        search: Option<String>,
        /// write the whole reference to standard output, as one file
        #[arg(long, value_enum, conflicts_with_all = ["name", "search"])]
        format: Option<help::Format>,
    },
    /// Write a starter experiment: a project in a folder (`.` is this one), or one script if the name ends in .rhai
    New { name: String },
    /// Write completions of levain's commands for a shell to standard output
    Completions { shell: clap_complete::Shell },
    /// Start the interactive prompt
    Repl,
    /// Run tests: `fn test_…()` in .rhai files, transcripts, and the examples in docs
    Test(test::Args),
    /// Run as a Jupyter kernel
    #[cfg(feature = "jupyter")]
    #[command(subcommand)]
    Jupyter(jupyter::Jupyter),
    /// Download a model or dataset by name, such as hf:ORG/NAME, into the cache
    Get(get::Args),
    /// List the cache of models and datasets, or remove an entry
    Cache(get::CacheArgs),
    /// Serve models over HTTP: OpenAI's endpoints, and a chat page
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    /// Draw the curves of runs in a browser, live
    #[cfg(feature = "serve")]
    Watch(serve::WatchArgs),
    /// Show the status of a folder of runs that several processes share: workers, progress, and remaining time
    Status(status::Args),
    /// Run benchmarks, and compare them with a baseline
    Bench(bench::Args),
}

/// A fault of the script, of its input, or of the command line.
const FAULT: u8 = 2;
/// Stopped by Ctrl-C.
const INTERRUPTED: u8 = 130;
/// A test or benchmark fell short.
const SHORT: u8 = 1;

/// Parses a time limit.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 1e9 => Ok(seconds),
        _ => Err("a number of seconds above 0 is needed".to_string()),
    }
}

/// Checks a command line, starting with the program's name, without running it.
pub fn parses<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    Cli::try_parse_from(words).map(|_| ()).map_err(|error| error.to_string())
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let words = words();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => match script_option(&error, &words) {
            Some(fault) => {
                eprint!("{fault}");
                return ExitCode::from(FAULT);
            }
            // help and the version were requested
            None if !error.use_stderr() => {
                let text = error.render();
                match std::io::stdout().is_terminal() {
                    true => print!("{}", text.ansi()),
                    false => print!("{text}"),
                }
                return ExitCode::from(say::end(0));
            }
            None => error.exit(),
        },
    };
    environment::tell();
    if let Err(error) = kernel::settings().and_then(|()| set_threads(cli.threads)) {
        eprint!("{}", Fault::from(error));
        return ExitCode::from(FAULT);
    }
    quiet_panics();
    crate::script::fix_hashes();
    let command = cli.command.unwrap_or(Command::Repl);
    // tests run on many threads, none of which has all the work
    let joins = !matches!(command, Command::Test(_));
    on_large_stack(move || {
        if joins {
            threads::join();
        }
        obey(command)
    })
}

fn obey(command: Command) -> u8 {
    match command {
        Command::Run { file, args, profile, trace, sandbox } => {
            profile::around(profile, trace.as_deref(), || run::main(&file, &args, &sandbox))
        }
        Command::Repl if !std::io::stdin().is_terminal() => run::main(Path::new("-"), &[], &run::Sandbox::default()),
        Command::Repl => repl::main(),
        #[cfg(feature = "jupyter")]
        Command::Jupyter(command) => jupyter::main(&command),
        Command::Get(args) => get::main(&args),
        Command::Cache(args) => get::cache(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::main(&args),
        #[cfg(feature = "serve")]
        Command::Watch(args) => serve::watch(&args),
        Command::Status(args) => status::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::Check { files, format } => check::main(&files, format),
        Command::Definitions { folder } => definitions::main(&folder),
        Command::Help { format: Some(format), .. } => help::reference(format),
        Command::Help { name, search, .. } => help::main(name.as_deref(), search.as_deref()),
        Command::New { name } => new::main(&name),
        Command::Completions { shell } => completions(shell),
        Command::Test(args) => test::main(&args),
    }
}

/// Starts the threads that share native work, unless the script may set their number itself.
fn start_workers(needs: &crate::script::Needs) {
    if !needs.sets_threads {
        threads::start(None);
    }
}

fn completions(shell: clap_complete::Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "levain", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
    0
}

/// The command-line words, with `levain - …` expanded to `levain run - …`.
fn words() -> Vec<std::ffi::OsString> {
    let mut words: Vec<_> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == "-") {
        words.insert(1, "run".into());
    }
    words
}

/// `levain run x.rhai --lr=0.1`, or `--lr 0.1`: a script option in the style of other command lines.
fn script_option(error: &clap::Error, words: &[std::ffi::OsString]) -> Option<Fault> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(option))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let at = words.iter().position(|word| word == option || word.starts_with(&format!("{option}=")))?;
    let behind_run = words.iter().position(|word| word == "run").is_some_and(|run| run + 1 < at);
    behind_run.then_some(())?;
    let key = option.trim_start_matches('-').replace('-', "_");
    let value = match words[at].split_once('=') {
        Some((_, value)) => value.to_string(),
        None => words.get(at + 1).filter(|next| !next.starts_with('-')).cloned().unwrap_or_else(|| "true".to_string()),
    };
    let mut fault = Fault::plain(format!("run: `{option}` is not an option of levain"));
    fault.help = Some(format!("options of the script are `key=value`: `{key}={value}`"));
    Some(fault)
}

/// Deep graphs and deep recursion in scripts need a larger stack than the main thread's.
fn on_large_stack(work: impl FnOnce() -> u8 + Send + 'static) -> ExitCode {
    const STACK: usize = 1 << 29;
    let thread = std::thread::Builder::new().name("script".to_string()).stack_size(STACK).spawn(work);
    let ended = match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => return ExitCode::from(say::end(code)),
        Ok(Err(_)) => Fault::internal("the script's thread ended"),
        Err(_) => {
            let size = crate::text::bytes(STACK as u64);
            let mut fault = Fault::plain(format!("no memory for the script's stack: it takes {size} of addresses"));
            fault.help =
                Some("`ulimit -v` says how many this process may have, and `ulimit -u` how many threads".into());
            fault
        }
    };
    eprint!("{ended}");
    ExitCode::from(say::end(FAULT))
}

/// Set once, before the first thread starts: the thread pools of dependencies read it from the environment.
fn set_threads(wanted: Option<usize>) -> Result<(), Error> {
    let cores = cores();
    let asked = match (wanted, std::env::var("LEVAIN_THREADS")) {
        (Some(count), _) => Some(("--threads", count.to_string())),
        (None, Ok(text)) if !text.is_empty() => Some(("LEVAIN_THREADS", text)),
        _ => None,
    };
    let count = match &asked {
        Some((who, text)) => Some(thread_count(who, text)?),
        None => None,
    };
    threads::own();
    for variable in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        match std::env::var(variable) {
            // 0 and non-numbers are ignored
            Ok(text) if count.is_none() && text.parse::<u64>().is_ok_and(|count| count > 0) => {
                thread_count(variable, &text)?;
            }
            // SAFETY: no other thread is running yet
            _ => unsafe { std::env::set_var(variable, count.unwrap_or(cores).to_string()) },
        }
    }
    Ok(())
}

/// The cores for this process: its own if a launcher pinned it, otherwise its share of the machine's.
fn cores() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    match ranks::neighbors(|name| std::env::var(name).ok()) {
        1 => cores,
        _ if listed_cores("/proc/self/status", "Cpus_allowed_list:") < listed_cores(ONLINE, "") => cores,
        neighbors => (cores / neighbors).max(1),
    }
}

/// The cores of this machine, as `0-3,6`.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// Number of cores in a line of a system file; 0 if it has none.
fn listed_cores(path: &str, key: &str) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let Some(list) = text.lines().find_map(|line| line.strip_prefix(key)) else { return 0 };
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        (last + 1).checked_sub(first)
    };
    list.trim().split(',').filter_map(count).sum()
}

/// Parses a number of threads that can be started.
fn thread_count(who: &str, text: &str) -> Result<usize, Error> {
    match text.trim().parse() {
        Ok(count) if (1..=threads::MOST).contains(&count) => Ok(count),
        _ => Err(Error::new(who, format!("`{text}` is not a number of threads from 1 to {}", threads::MOST))
            .help("leave it out, and there are as many as the machine has cores")),
    }
}

/// Silences the panic message: a panic is reported as a fault where it is caught.
fn quiet_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|panic| crate::script::note_panic(&panic.to_string())));
    }
}
