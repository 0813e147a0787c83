//! Where `input` reads: standard input, a closure of the host application, the prompt's line editor, or nowhere.

use crate::sync::unpoisoned;
use crate::{Error, Result, cancel, ranks};
use std::sync::{Arc, Mutex};

/// A shared place from which a script reads lines.
#[derive(Clone, Default)]
pub struct Input(Arc<Mutex<From>>);

/// Reads a line after a prompt; none at the end.
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
    /// Takes every line from now on from `line`; `None` is the end.
    pub fn give(&self, line: impl FnMut() -> Option<String> + Send + 'static) {
        *self.from() = From::Closure(Box::new(line));
    }

    /// Lets `line` ask for every line from now on: it shows the text that it is given, and reads on the thread that asks.
    pub fn edit(&self, line: impl FnMut(&str) -> Result<Option<String>> + Send + 'static) {
        *self.from() = From::Editor(Box::new(line));
    }

    /// Nothing can be read from now on.
    pub fn close(&self) {
        *self.from() = From::Nowhere;
    }

    /// Whether whoever reads shows what is before the line, and draws it again as it likes.
    pub fn is_edited(&self) -> bool {
        matches!(*self.from(), From::Editor(_))
    }

    /// The next line, without its end; `before` is what is on the screen before it.
    pub fn line(&self, before: &str) -> Result<String> {
        if let From::Editor(line) = &mut *self.from() {
            return line(before)?.ok_or_else(ended);
        }
        let input = self.clone();
        // a line may be long in coming, and Ctrl-C ends the wait; a launcher gives its input to rank 0
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
