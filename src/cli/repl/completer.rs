//! Tab completion, and the signature hint after the cursor.

use super::commands;
use super::helper::Helpers;
use super::show::screen;
use crate::script::notebook::{Candidate, Completion};
use crate::text;
use rustyline::Context;
use rustyline::completion::{Completer, Pair};
use rustyline::hint::{Hint, Hinter};

/// Maximum number of candidates shown with signatures; more would fill the screen.
const SHORT: usize = 12;

impl Completer for Helpers {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if let Some((start, text)) = self.keys.instead() {
            return Ok((start, vec![Pair { display: text.clone(), replacement: text }]));
        }
        if self.asked.get() {
            return Ok((at, Vec::new()));
        }
        let Completion { start, candidates } = self.candidates(line, at);
        let few = candidates.len() <= SHORT;
        let (_, columns) = screen();
        let pair = |candidate: Candidate| {
            let shown = if few { &candidate.note } else { candidate.text.trim_end_matches(": ") };
            Pair { display: text::cut(shown, columns.saturating_sub(2)), replacement: candidate.text }
        };
        Ok((start, candidates.into_iter().map(pair).collect()))
    }
}

impl Helpers {
    fn candidates(&self, line: &str, at: usize) -> Completion {
        // the editor never completes while a script runs
        let mut notebook = self.notebook.borrow_mut();
        match commands::argument(&line[..at]) {
            Some((start, wanted)) => {
                let mut candidates = wanted.candidates(&mut notebook, &line[start..at]);
                candidates.retain(|candidate| candidate.text.starts_with(&line[start..at]));
                Completion { start, candidates }
            }
            None => notebook.complete(line, at),
        }
    }
}

/// A hint after the cursor, which is never inserted.
pub struct Signature(String);

impl Hint for Signature {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Helpers {
    type Hint = Signature;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<Signature> {
        self.seen.replace(line.to_string());
        if self.asked.get() || at < line.len() || line.trim_start().starts_with([':', '?']) {
            return None;
        }
        let hint = self.notebook.borrow_mut().hint(line, at)?;
        // on one row: a wrapped hint would move the input
        let written = line.rsplit('\n').next().map_or(0, text::width);
        let (_, columns) = screen();
        let room = columns.saturating_sub(written + 4);
        (room > 8).then(|| Signature(text::cut(&hint, room)))
    }
}
