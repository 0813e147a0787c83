//! Syntax colors, and the matching bracket of the one at the cursor.

use super::helper::Helpers;
use crate::script::notebook::scan::{self, Kind};
use rustyline::CompletionType;
use rustyline::highlight::{CmdKind, Highlighter};
use std::borrow::Cow;

const BRACKET: &str = "\x1b[1;4m";
const END: &str = "\x1b[0m";

fn color(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Keyword => Some("\x1b[35m"),
        Kind::Text => Some("\x1b[32m"),
        Kind::Number => Some("\x1b[36m"),
        Kind::Comment => Some("\x1b[2m"),
        Kind::Word | Kind::Sign | Kind::Space => None,
    }
}

impl Highlighter for Helpers {
    fn highlight<'l>(&self, line: &'l str, at: usize) -> Cow<'l, str> {
        if self.asked.get() {
            return line.into();
        }
        let parts = scan::parts(line);
        let pair = brackets(&parts, at);
        let mut out = String::with_capacity(line.len() * 2);
        for (index, part) in parts.iter().enumerate() {
            let paint = if pair.contains(&Some(index)) { Some(BRACKET) } else { color(part.kind) };
            match paint {
                Some(paint) => out.extend([paint, part.text, END]),
                None => out.push_str(part.text),
            }
        }
        out.into()
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.asked.get() {
            return prompt.into();
        }
        format!("\x1b[1;34m{prompt}{END}").into()
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        format!("\x1b[2m{hint}{END}").into()
    }

    fn highlight_candidate<'c>(&self, candidate: &'c str, _: CompletionType) -> Cow<'c, str> {
        candidate.into()
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

/// The bracket at or before the cursor, and its match.
fn brackets(parts: &[scan::Part], at: usize) -> [Option<usize>; 2] {
    let at_cursor = parts.iter().position(|part| part.at == at);
    let before = parts.iter().position(|part| part.end() == at);
    for here in [at_cursor, before].into_iter().flatten() {
        if let Some(other) = scan::partner(parts, here) {
            return [Some(here), Some(other)];
        }
    }
    [None, None]
}
