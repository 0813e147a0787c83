//! Streaming detokenization: only whole characters, and nothing of a stop string.

use crate::Result;
use crate::token::{DecodeStream, Tokenizer};

/// Turns new ids into final text, and detects stop strings.
pub struct Detokenizer {
    stream: DecodeStream,
    stops: Vec<String>,
    /// All text returned so far.
    pub text: String,
    /// Text that may be the beginning of a stop string.
    held: String,
    pub stopped: bool,
}

impl Detokenizer {
    pub fn new(tokenizer: &Tokenizer, stops: &[String], skip_special: bool) -> Detokenizer {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Detokenizer {
            stream: tokenizer.stream(skip_special),
            stops,
            text: String::new(),
            held: String::new(),
            stopped: false,
        }
    }

    /// Adds an id and returns the text that is now final.
    pub fn push(&mut self, id: u32) -> Result<String> {
        let more = self.stream.push(id)?;
        Ok(self.release(more, false))
    }

    /// Returns the rest at the end.
    pub fn finish(&mut self) -> Result<String> {
        if self.stopped {
            return Ok(String::new());
        }
        let more = self.stream.finish()?;
        Ok(self.release(more, true))
    }

    fn release(&mut self, more: String, last: bool) -> String {
        self.held.push_str(&more);
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        let certain = match found {
            Some(at) => {
                self.stopped = true;
                at
            }
            None if last => self.held.len(),
            None => self.held.len() - self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0),
        };
        let rest = self.held.split_off(certain);
        let given = std::mem::replace(&mut self.held, rest);
        self.text.push_str(&given);
        given
    }
}

/// Number of bytes at the end of `text` that may be the beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len() - 1);
    let fits = |&size: &usize| stop.is_char_boundary(size) && text.ends_with(&stop[..size]);
    (1..=longest).rev().find(fits).unwrap_or(0)
}
