//! Output of the commands. A full disk or a closed pipe is a fault, reported once at the end, and not a panic.
//!
//! The macros replace the standard library's in every command: those panic when a write fails.

use super::{FAULT, INTERRUPTED};
use crate::ranks;
use crate::script::{Cause, Fault, output};
use crate::sync::unpoisoned;
use std::fmt::Arguments;
use std::io::Write;
use std::sync::Mutex;

macro_rules! print {
    ($($part:tt)*) => { $crate::cli::say::out(format_args!($($part)*)) };
}
macro_rules! println {
    () => { $crate::cli::say::out(format_args!("\n")) };
    ($($part:tt)*) => { $crate::cli::say::out(format_args!("{}\n", format_args!($($part)*))) };
}
macro_rules! eprint {
    ($($part:tt)*) => { $crate::cli::say::err(format_args!($($part)*)) };
}
macro_rules! eprintln {
    ($($part:tt)*) => { $crate::cli::say::err(format_args!("{}\n", format_args!($($part)*))) };
}

/// Writes to standard output. A failed write is reported at the [`end`].
pub fn out(text: Arguments) {
    output::show(&text.to_string());
}

/// Writes to standard error. A failed write is ignored, since it can't be reported; the exit code still shows the fault.
///
/// Of several ranks, only the first writes; [`own_words`] reports the errors of others.
pub fn err(text: Arguments) {
    if !ranks::is_first() {
        return withhold(&text.to_string());
    }
    let _ = std::io::stderr().lock().write_all(text.to_string().as_bytes());
}

/// Messages withheld because this is not rank 0.
static WITHHELD: Mutex<String> = Mutex::new(String::new());

fn withhold(text: &str) {
    unpoisoned(WITHHELD.lock()).push_str(text);
}

/// Writes a later rank's withheld messages at its end, after rank 0 has had time to report them for all.
pub fn own_words() {
    let text = std::mem::take(&mut *unpoisoned(WITHHELD.lock()));
    let lines: String = text.lines().map(|line| format!("rank {}: {line}\n", ranks::rank())).collect();
    let _ = std::io::stderr().lock().write_all(lines.as_bytes());
}

/// Reports a fault; returns its exit code.
pub fn told(fault: &Fault) -> u8 {
    if fault.cause == Cause::Interrupted {
        eprintln!("interrupted");
        return INTERRUPTED;
    }
    eprint!("{fault}");
    FAULT
}

/// The exit code of a command that returned `code`: a fault if some of its output could not be written.
pub fn end(code: u8) -> u8 {
    match output::failed() {
        Some(error) => {
            eprint!("{}", Fault::from(error.clone()));
            FAULT
        }
        None => code,
    }
}
