//! What the commands write. A full disk or a reader that has gone is a fault, told once at the end, and no panic.
//!
//! The macros stand in place of the standard library's in every command: those panic where a write fails.

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

/// Writes to standard output. What can't be written is told at the [`end`].
pub fn out(text: Arguments) {
    output::show(&text.to_string());
}

/// Writes to standard error. Where that can't be written nobody is left to tell, and the exit code says the rest.
///
/// Of several ranks the first one speaks for all: what stops another is told by [`own_words`].
pub fn err(text: Arguments) {
    if !ranks::is_first() {
        return withhold(&text.to_string());
    }
    let _ = std::io::stderr().lock().write_all(text.to_string().as_bytes());
}

/// What this rank would have said, were it the first.
static WITHHELD: Mutex<String> = Mutex::new(String::new());

fn withhold(text: &str) {
    unpoisoned(WITHHELD.lock()).push_str(text);
}

/// Says what a rank other than the first has to say at its end, when rank 0 has had its time to say it for all.
pub fn own_words() {
    let text = std::mem::take(&mut *unpoisoned(WITHHELD.lock()));
    let lines: String = text.lines().map(|line| format!("rank {}: {line}\n", ranks::rank())).collect();
    let _ = std::io::stderr().lock().write_all(lines.as_bytes());
}

/// Tells a fault; the exit code that it means.
pub fn told(fault: &Fault) -> u8 {
    if fault.cause == Cause::Interrupted {
        eprintln!("interrupted");
        return INTERRUPTED;
    }
    eprint!("{fault}");
    FAULT
}

/// The exit code of a command that gave `code`: a fault where not all that it wrote has been written.
pub fn end(code: u8) -> u8 {
    match output::failed() {
        Some(error) => {
            eprint!("{}", Fault::from(error.clone()));
            FAULT
        }
        None => code,
    }
}
