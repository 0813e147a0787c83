//! The command line: one file a command.

use std::process::ExitCode;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(2) else { return ExitCode::from(2) };
    match crate::script::Host::new().engine.run_file(file.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(2)
        }
    }
}
