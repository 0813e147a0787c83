//! The command line: one file a command.

mod run;
mod test;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Scripts that train and measure language models.
#[derive(Parser)]
#[command(name = "levain", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a script
    Run {
        file: PathBuf,
        /// key=value, read by the script with `args()`
        args: Vec<String>,
    },
    /// Run tests: `fn test_…()` in .rhai files, and the examples in docs
    Test {
        /// files or folders; without any: tests/ and all examples
        paths: Vec<PathBuf>,
        /// only tests whose name holds this text
        #[arg(long)]
        filter: Option<String>,
    },
}

/// A fault of the script, of its input, or of the command line.
const FAULT: u8 = 2;
/// A test or benchmark fell short.
const SHORT: u8 = 1;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    on_large_stack(move || match cli.command {
        Command::Run { file, args } => run::main(&file, &args),
        Command::Test { paths, filter } => test::main(&paths, filter.as_deref()),
    })
}

/// Deep graphs and deep recursion in scripts need more than the main thread has.
fn on_large_stack(work: impl FnOnce() -> u8 + Send + 'static) -> ExitCode {
    let thread = std::thread::Builder::new().name("script".to_string()).stack_size(1 << 29).spawn(work);
    let code = thread.map(|thread| thread.join().unwrap_or(FAULT)).unwrap_or(FAULT);
    ExitCode::from(code)
}
