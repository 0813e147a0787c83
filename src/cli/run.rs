//! `levain run FILE [key=value…]`

use super::{FAULT, interrupt};
use crate::script::{Cause, Fault, Host, checker, read_script};
use std::path::Path;

pub fn main(file: &Path, args: &[String]) -> u8 {
    if file.as_os_str() == "-" {
        return match std::io::read_to_string(std::io::stdin()) {
            Ok(text) => script("standard input", &text, args),
            Err(error) => told(&Fault::plain(format!("standard input: {error}"))),
        };
    }
    match read_script(file) {
        Ok(text) => script(&file.display().to_string(), &text, args),
        Err(error) => told(&error.into()),
    }
}

/// Runs a script and tells what went wrong; gives the exit code.
pub fn script(name: &str, text: &str, args: &[String]) -> u8 {
    let mut host = Host::for_script(text);
    interrupt::stops(&host.cancel);
    if let Err(error) = host.run_state.set_args(args) {
        return told(&error.into());
    }
    if !args.is_empty() && !text.contains("args()") {
        let mut fault = Fault::plain(format!("args: {name} takes none, and was given `{}`", args.join(" ")));
        fault.help = Some("a script reads them with `options(defaults, args())`".to_string());
        return told(&fault);
    }
    crate::train::checkpoint::runs_script(text);
    let faults = checker::check(&mut host, name, text);
    if !faults.is_empty() {
        return super::check::tell(&faults);
    }
    match host.run(name, text) {
        Ok(_) => host.run_state.ended().unwrap_or(0),
        Err(fault) => told(&fault),
    }
}

pub fn told(fault: &Fault) -> u8 {
    if fault.cause == Cause::Interrupted {
        eprintln!("interrupted");
        return super::INTERRUPTED;
    }
    eprint!("{fault}");
    FAULT
}
