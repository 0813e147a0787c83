//! Where `print` goes: standard output, a text that a test reads, or a closure of the host application.

use crate::cancel::Cancel;
use crate::sync::unpoisoned;
use crate::{Error, progress, ranks};
use std::io::{ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// A shared place for what a script prints.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<Place>>);

#[derive(Default)]
struct Place {
    to: To,
    /// A line that is begun and not ended.
    begun: String,
    /// How many bytes of it are on the terminal.
    shown: usize,
    /// Stops the script that prints where nothing can be written any more.
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
    /// Keeps what is printed from now on, instead of showing it.
    pub fn capture(&self) {
        self.lock().to = To::Text(String::new());
    }

    /// Gives every line that is printed from now on to `line`, without the line's end.
    pub fn give(&self, line: impl FnMut(&str) + Send + 'static) {
        self.lock().to = To::Closure(Box::new(line));
    }

    /// Lets a failed write to standard output stop what runs under `cancel`.
    pub fn stops(&self, cancel: &Cancel) {
        self.lock().stop = cancel.clone();
    }

    /// What was printed since the last look.
    pub fn take(&self) -> String {
        match &mut self.lock().to {
            To::Text(kept) => std::mem::take(kept),
            _ => String::new(),
        }
    }

    pub fn line(&self, text: &str) {
        self.lock().part(&format!("{text}\n"));
    }

    /// Text that goes on in the same line.
    pub fn part(&self, text: &str) {
        self.lock().part(text);
    }

    /// Ends a line that was begun.
    pub fn end_line(&self) {
        let mut place = self.lock();
        if !place.begun.is_empty() {
            place.part("\n");
        }
    }

    /// Gives the line that was begun to whoever draws it from now on.
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
        // beside a bar, which is drawn again and again, a line is shown when it is whole
        if matches!(self.to, To::Terminal) && self.shown < self.begun.len() && !progress::is_showing() {
            self.stop_unless(show(&self.begun[self.shown..]));
            self.shown = self.begun.len();
        }
    }
}

/// The first write to standard output that failed. What follows is dropped.
static FAILED: OnceLock<Error> = OnceLock::new();

/// Why standard output can't be written, where it can't: its disk is full, or its reader has gone (`| head`). The program
/// tells it, and ends with a fault: what was asked for is not there.
pub fn failed() -> Option<&'static Error> {
    FAILED.get()
}

/// Shows text at once. Says whether it could.
pub fn show(text: &str) -> bool {
    // of several ranks the first one speaks for all
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
