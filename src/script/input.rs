//! Where `input` reads: standard input, a closure of the host application, or nowhere.

use crate::sync::unpoisoned;
use crate::{Error, Result};
use std::sync::{Arc, Mutex};

/// A shared place from which a script reads lines.
#[derive(Clone, Default)]
pub struct Input(Arc<Mutex<From>>);

#[derive(Default)]
enum From {
    #[default]
    Terminal,
    Closure(Box<dyn FnMut() -> Option<String> + Send>),
    Nowhere,
}

impl Input {
    /// Takes every line from now on from `line`; `None` is the end.
    pub fn give(&self, line: impl FnMut() -> Option<String> + Send + 'static) {
        *unpoisoned(self.0.lock()) = From::Closure(Box::new(line));
    }

    /// Nothing can be read from now on.
    pub fn close(&self) {
        *unpoisoned(self.0.lock()) = From::Nowhere;
    }

    /// The next line, without its end.
    pub fn line(&self) -> Result<String> {
        let ended = || Error::new("input", "the input has ended");
        match &mut *unpoisoned(self.0.lock()) {
            From::Terminal => {
                let mut line = String::new();
                match std::io::stdin().read_line(&mut line) {
                    Ok(0) => Err(ended()),
                    Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_string()),
                    Err(error) => Err(Error::new("input", error.to_string())),
                }
            }
            From::Closure(line) => line().ok_or_else(ended),
            From::Nowhere => Err(Error::new("input", "there is nobody to ask here")
                .help("a script takes `key=value` words: `options(#{ n: 1 }, args())`")),
        }
    }
}
