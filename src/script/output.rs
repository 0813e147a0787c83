//! The destination of `print`: standard output, a text that a test reads, or a closure of the host application.

use crate::cancel::Cancel;
use crate::sync::unpoisoned;
use crate::{Error, progress, ranks};
use std::io::{ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// A shared destination for a script's output.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<Place>>);

#[derive(Default)]
struct Place {
    to: To,
    /// An unfinished line.
    begun: String,
    /// Number of its bytes already on the terminal.
    shown: usize,
    /// Stops the printing script when standard output can't be written any more.
    stop: Cancel,
}

#[derive(Default)]
enum To {
    #[default]
    Terminal,
    Text(String),
    Closure(Box<dyn FnMut(&str) + Send>),
}

impl Output {
    /// Captures the output from now on, instead of showing it.
    pub fn capture(&self) {
        self.lock().to = To::Text(String::new());
    }

    /// Passes every following line to `line`, without its line ending.
    pub fn give(&self, line: impl FnMut(&str) + Send + 'static) {
        self.lock().to = To::Closure(Box::new(line));
    }

    /// Stops the work under `cancel` when a write to standard output fails.
    pub fn stops(&self, cancel: &Cancel) {
        self.lock().stop = cancel.clone();
    }

    /// The output since the last call.
    pub fn take(&self) -> String {
        match &mut self.lock().to {
            To::Text(kept) => std::mem::take(kept),
            _ => String::new(),
        }
    }

    pub fn line(&self, text: &str) {
        self.lock().part(&format!("{text}\n"));
    }

    /// Adds text to the current line.
    pub fn part(&self, text: &str) {
        self.lock().part(text);
    }

    /// Ends an unfinished line.
    pub fn end_line(&self) {
        let mut place = self.lock();
        if !place.begun.is_empty() {
            place.part("\n");
        }
    }

    /// Takes the unfinished line, for a caller that draws it from now on.
    pub fn take_begun(&self) -> String {
        let mut place = self.lock();
        place.shown = 0;
        std::mem::take(&mut place.begun)
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        unpoisoned(self.0.lock())
    }
}

impl Place {
    fn stop_unless(&self, shown: bool) {
        if !shown {
            self.stop.request();
        }
    }

    fn part(&mut self, text: &str) {
        if let To::Text(kept) = &mut self.to {
            kept.push_str(text);
        }
        self.begun.push_str(text);
        let rest = self.begun.rfind('\n').map_or_else(String::new, |end| self.begun.split_off(end + 1));
        if self.begun.ends_with('\n') {
            let whole = std::mem::replace(&mut self.begun, rest);
            match &mut self.to {
                To::Terminal => self.stop_unless(show(&whole[self.shown..])),
                To::Text(_) => {}
                To::Closure(line) => whole.strip_suffix('\n').unwrap_or_default().split('\n').for_each(line),
            }
            self.shown = 0;
        }
        // beside a progress bar, which is redrawn, a line is shown once it is complete
        if matches!(self.to, To::Terminal) && self.shown < self.begun.len() && !progress::is_showing() {
            self.stop_unless(show(&self.begun[self.shown..]));
            self.shown = self.begun.len();
        }
    }
}

/// The first failed write to standard output. Later output is dropped.
static FAILED: OnceLock<Error> = OnceLock::new();

/// The reason why standard output can't be written, if so: a full disk, or a closed pipe (`| head`). The program reports it and
/// ends with a fault, since the requested output is missing.
pub fn failed() -> Option<&'static Error> {
    FAILED.get()
}

/// Writes text at once. Returns whether it succeeded.
pub fn show(text: &str) -> bool {
    // only rank 0 prints
    if !ranks::is_first() {
        return true;
    }
    if failed().is_some() {
        return false;
    }
    let shown = progress::beside_bars(|| {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    });
    shown.map_err(|error| FAILED.get_or_init(|| unwritten(&error))).is_ok()
}

fn unwritten(error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::BrokenPipe => Error::new("output", "standard output is closed: what reads it has ended"),
        _ => Error::io("output", "standard output", error),
    }
}
