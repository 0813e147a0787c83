//! The source of `input`: standard input, a closure of the host application, the prompt's line editor, or none.

use crate::sync::unpoisoned;
use crate::{Error, Result, cancel, ranks};
use std::sync::{Arc, Mutex};

/// A shared source of lines for a script.
#[derive(Clone, Default)]
pub struct Input(Arc<Mutex<From>>);

/// Reads a line after a prompt; `None` at the end.
type Line = dyn FnMut(&str) -> Result<Option<String>> + Send;

#[derive(Default)]
enum From {
    #[default]
    Terminal,
    Closure(Box<dyn FnMut() -> Option<String> + Send>),
    Editor(Box<Line>),
    Nowhere,
}

impl Input {
    /// Reads every following line from `line`; `None` is the end.
    pub fn give(&self, line: impl FnMut() -> Option<String> + Send + 'static) {
        *self.from() = From::Closure(Box::new(line));
    }

    /// Reads every following line with `line`, which shows the given text, and runs on the calling thread.
    pub fn edit(&self, line: impl FnMut(&str) -> Result<Option<String>> + Send + 'static) {
        *self.from() = From::Editor(Box::new(line));
    }

    /// Closes the source: later reads fail.
    pub fn close(&self) {
        *self.from() = From::Nowhere;
    }

    /// Whether the reader shows the text before the line itself, and redraws it.
    pub fn is_edited(&self) -> bool {
        matches!(*self.from(), From::Editor(_))
    }

    /// Reads the next line, without its line ending; `before` is the text on the screen before it.
    pub fn line(&self, before: &str) -> Result<String> {
        if let From::Editor(line) = &mut *self.from() {
            return line(before)?.ok_or_else(ended);
        }
        let input = self.clone();
        // the read may block for long, and Ctrl-C ends it; a launcher passes its input to rank 0
        ranks::first_value("input", || cancel::apart(move || input.wait())?)
    }

    fn wait(&self) -> Result<String> {
        match &mut *self.from() {
            From::Terminal => {
                let mut line = String::new();
                match std::io::stdin().read_line(&mut line) {
                    Ok(0) => Err(ended()),
                    Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_string()),
                    Err(error) => Err(Error::new("input", error.to_string())),
                }
            }
            From::Closure(line) => line().ok_or_else(ended),
            From::Editor(_) | From::Nowhere => Err(Error::new("input", "there is nobody to ask here")
                .help("a script takes `key=value` words: `options(#{ n: 1 }, args())`")),
        }
    }

    fn from(&self) -> std::sync::MutexGuard<'_, From> {
        unpoisoned(self.0.lock())
    }
}

fn ended() -> Error {
    Error::new("input", "the input has ended")
}
