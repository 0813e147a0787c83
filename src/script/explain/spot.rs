//! The place where a parser stopped, in tokens of the script.

use crate::script::notebook::scan::{self, Kind, Part, partner};
use rhai::Position;

/// The place of an error among the tokens of its script, without spaces and comments.
pub struct Spot<'a> {
    pub text: &'a str,
    pub parts: Vec<Part<'a>>,
    /// The part at the error, or after the last.
    pub at: usize,
    /// The byte at the error.
    pub offset: usize,
}

impl<'a> Spot<'a> {
    pub fn new(text: &'a str, position: Position) -> Spot<'a> {
        let (line, column) = (position.line().unwrap_or(usize::MAX), position.position().unwrap_or(1));
        let offset = match line.checked_sub(1).and_then(|before| text.split_inclusive('\n').nth(before)) {
            Some(found) => {
                let start = found.as_ptr() as usize - text.as_ptr() as usize;
                start + found.char_indices().nth(column.saturating_sub(1)).map_or(found.len(), |(at, _)| at)
            }
            None => text.len(),
        };
        let parts: Vec<Part> = scan::parts(text);
        let parts: Vec<Part> =
            parts.into_iter().filter(|part| !matches!(part.kind, Kind::Space | Kind::Comment)).collect();
        let at = parts.iter().position(|part| part.end() > offset).unwrap_or(parts.len());
        Spot { text, parts, at, offset }
    }

    /// The part at this distance from the error, as written.
    pub fn word(&self, away: isize) -> &'a str {
        self.at.checked_add_signed(away).and_then(|at| self.parts.get(at)).map_or("", |part| part.text)
    }

    pub fn part(&self, away: isize) -> Option<&Part<'a>> {
        self.parts.get(self.at.checked_add_signed(away)?)
    }

    pub fn is(&self, away: isize, kind: Kind) -> bool {
        self.part(away).is_some_and(|part| part.kind == kind)
    }

    /// Whether a statement begins at the error.
    pub fn begins(&self) -> bool {
        let line = self.text[..self.offset.min(self.text.len())].rsplit('\n').next().unwrap_or_default();
        line.trim().is_empty() || matches!(self.word(-1), "" | ";" | "{" | "}")
    }

    /// The line of the error.
    pub fn line(&self) -> &'a str {
        let start = self.text[..self.offset].rfind('\n').map_or(0, |at| at + 1);
        self.text[start..].split('\n').next().unwrap_or_default()
    }

    /// The innermost bracket open at the error, and its closing bracket or the end of the text.
    pub fn bracket(&self) -> Option<(usize, usize)> {
        self.brackets().pop()
    }

    /// The brackets open at the error, innermost last.
    pub fn brackets(&self) -> Vec<(usize, usize)> {
        let mut open = Vec::new();
        for (index, part) in self.parts[..self.at].iter().enumerate().filter(|(_, part)| part.kind == Kind::Sign) {
            match part.text {
                "(" | "[" | "{" | "#{" | "?[" => open.push(index),
                ")" | "]" | "}" => drop(open.pop()),
                _ => {}
            }
        }
        open.into_iter().map(|open| (open, partner(&self.parts, open).unwrap_or(self.parts.len()))).collect()
    }

    /// The text of some parts, as written.
    pub fn source(&self, from: usize, to: usize) -> &'a str {
        match (self.parts.get(from), to.checked_sub(1).and_then(|last| self.parts.get(last))) {
            (Some(first), Some(last)) if from < to => self.text[first.at..last.end()].trim(),
            _ => "",
        }
    }
}
