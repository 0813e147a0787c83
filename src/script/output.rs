//! Where `print` goes: standard output, or a text that a test reads.

use std::io::Write;
use std::sync::{Arc, Mutex};

/// A shared place for what a script prints.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<Option<String>>>);

impl Output {
    /// Keeps what is printed from now on, instead of showing it.
    pub fn capture(&self) {
        self.replace(Some(String::new()));
    }

    /// What was printed since the last look.
    pub fn take(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub fn line(&self, text: &str) {
        let mut kept = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match kept.as_mut() {
            Some(kept) => {
                kept.push_str(text);
                kept.push('\n');
            }
            None => show(text),
        }
    }

    fn replace(&self, kept: Option<String>) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = kept;
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
