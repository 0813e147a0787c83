//! Where `print` goes: standard output, a text that a test reads, or a closure of the host application.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard};

/// A shared place for what a script prints.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<To>>);

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
        *self.lock() = To::Text(String::new());
    }

    /// Gives every line that is printed from now on to `line`, without the line's end.
    pub fn give(&self, line: impl FnMut(&str) + Send + 'static) {
        *self.lock() = To::Closure(Box::new(line));
    }

    /// What was printed since the last look.
    pub fn take(&self) -> String {
        match &mut *self.lock() {
            To::Text(kept) => std::mem::take(kept),
            _ => String::new(),
        }
    }

    pub fn line(&self, text: &str) {
        match &mut *self.lock() {
            To::Terminal => show(text),
            To::Text(kept) => {
                kept.push_str(text);
                kept.push('\n');
            }
            To::Closure(line) => line(text),
        }
    }

    fn lock(&self) -> MutexGuard<'_, To> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Shows a line at once. A reader that has gone away (`| head`) ends the program quietly, as it does others.
fn show(text: &str) {
    let shown = crate::plot::progress::beside_bars(|| {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{text}").and_then(|()| stdout.flush())
    });
    if shown.is_err() {
        std::process::exit(0);
    }
}
