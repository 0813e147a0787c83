//! Translates regular expressions from Oniguruma (in its Ruby syntax, as the Python package of tokenizers reads every
//! `tokenizer.json`) so that the engine used here interprets them identically. Untranslatable expressions are errors: splitting
//! words differently would silently change every id.
//!
//! The result also means the same in Oniguruma, so that a saved tokenizer is unchanged.
//! <https://github.com/kkos/oniguruma/blob/master/doc/RE>

mod class;
mod escape;
mod repeat;

use crate::{Error, Result};

/// The expression in a form that both engines interpret alike, unchanged if they already do; and whether it can match the empty
/// string.
pub fn translate(pattern: &str) -> Result<(String, bool)> {
    let groups = Groups::of(pattern);
    let mut reader =
        Reader { chars: pattern.chars().collect(), at: 0, out: String::new(), pattern, groups, depth: 0, empty: false };
    let empty = reader.alternatives(Flags::default())?;
    match reader.peek() {
        None => Ok((reader.out, empty)),
        Some(_) => Err(reader.refused("a `)` without its `(`")),
    }
}

/// Deeper groups are errors: they are parsed recursively.
const DEPTH: usize = 100;

#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    extended: bool,
    /// Ruby's `m`: a dot also matches a line end.
    dot_all: bool,
}

/// The groups of an expression that determine its references.
struct Groups {
    numbered: usize,
    named: bool,
}

impl Groups {
    fn of(pattern: &str) -> Groups {
        let rest = |at: usize| &pattern[at + 1..];
        let opens = || pattern.match_indices('(').filter(|(at, _)| !pattern[..*at].ends_with('\\'));
        let named = |at: usize| {
            let name = rest(at).strip_prefix("?<").filter(|name| !name.starts_with(['=', '!']));
            name.is_some() || rest(at).starts_with("?'")
        };
        Groups {
            numbered: opens().filter(|(at, _)| !rest(*at).starts_with('?')).count(),
            named: opens().any(|(at, _)| named(at)),
        }
    }
}

struct Reader<'p> {
    chars: Vec<char>,
    at: usize,
    out: String,
    pattern: &'p str,
    groups: Groups,
    depth: usize,
    /// Whether the last piece can match the empty string.
    empty: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, wanted)| self.chars.get(self.at + ahead) == Some(&wanted))
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    /// Reads up to a sign, which is consumed.
    fn until(&mut self, end: char) -> Result<String> {
        match self.chars[self.at..].iter().position(|one| *one == end) {
            Some(length) => {
                let text = self.chars[self.at..self.at + length].iter().collect();
                self.at += length + 1;
                Ok(text)
            }
            None => Err(self.refused(&format!("no `{end}` after it"))),
        }
    }

    fn refused(&self, what: &str) -> Error {
        let error = format!(
            "the regular expression `{}` cannot be used: {what} at its character {}",
            crate::text::cut(self.pattern, 80),
            self.at
        );
        Error::new("tokenizer", error).help(
            "it is read as Oniguruma reads it, the engine of the Python package tokenizers; write it in another form",
        )
    }

    /// Alternatives up to the end of a group; returns whether one can match the empty string.
    fn alternatives(&mut self, flags: Flags) -> Result<bool> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.refused("groups are nested too deep"));
        }
        // the previous letter, while letters are adjacent
        let mut before = None;
        let (mut empty, mut branch) = (false, true);
        while let Some(next) = self.peek().filter(|next| *next != ')') {
            let from = self.out.len();
            if next == '|' {
                self.at += 1;
                self.out.push('|');
                before = None;
                empty |= std::mem::replace(&mut branch, true);
            } else if flags.extended && (next.is_whitespace() || next == '#') {
                self.skip_comment();
            } else if let Some(flags) = self.flags_to_the_end(flags)? {
                // `a(?i)b|c` is `a(?i:b|c)` in this syntax
                branch &= self.alternatives(flags)?;
                self.out.push(')');
                before = None;
            } else {
                self.empty = false;
                let letter = self.atom(flags)?;
                let nothing = self.empty;
                branch &= self.repeats(from, flags)? || nothing;
                before = self.folded(before, letter.filter(|_| flags.ignore_case), from)?;
            }
        }
        self.depth -= 1;
        Ok(empty || branch)
    }

    fn skip_comment(&mut self) {
        if self.next() == Some('#') {
            while self.next().is_some_and(|next| next != '\n') {}
        }
    }

    /// `(?i)`, which applies up to the end of its group.
    fn flags_to_the_end(&mut self, flags: Flags) -> Result<Option<Flags>> {
        let start = self.at;
        if !self.take("(?") || self.peek().is_none_or(|next| !matches!(next, 'i' | 'm' | 'x' | '-')) {
            self.at = start;
            return Ok(None);
        }
        let flags = self.flags(flags)?;
        if self.take(")") {
            self.open(flags);
            return Ok(Some(flags));
        }
        self.at = start;
        Ok(None)
    }

    /// Flag letters, up to the sign after them.
    fn flags(&mut self, mut flags: Flags) -> Result<Flags> {
        let mut on = true;
        while let Some(next) = self.peek().filter(|next| !matches!(next, ':' | ')')) {
            match next {
                '-' if on => on = false,
                'i' => flags.ignore_case = on,
                'm' => flags.dot_all = on,
                'x' => flags.extended = on,
                _ => return Err(self.refused(&format!("the flag `{next}`"))),
            }
            self.at += 1;
        }
        Ok(flags)
    }

    /// Opens a group with the flags that the other engine needs.
    fn open(&mut self, flags: Flags) {
        self.out.push_str(if flags.ignore_case { "(?i:" } else { "(?-i:" });
    }

    /// One piece of an expression, without its repetition. Returns the literal character, if it is one.
    fn atom(&mut self, flags: Flags) -> Result<Option<char>> {
        let Some(next) = self.next() else { return Ok(None) };
        match next {
            '(' => self.group(flags)?,
            '[' => self.class(flags)?,
            '\\' => return self.escape(),
            '.' => self.out.push_str(if flags.dot_all { r"(?:.|\n)" } else { "." }),
            // anchors match at lines
            '^' | '$' => {
                self.empty = true;
                self.out.push_str(if next == '^' { r"(?:\A|(?<=\n)(?!\z))" } else { r"(?=\n|\z)" });
            }
            '*' | '+' | '?' => return Err(self.refused(&format!("a `{next}` with nothing before it"))),
            '{' | '}' | ']' => {
                self.out.push('\\');
                self.out.push(next);
            }
            _ => {
                self.out.push(next);
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    fn group(&mut self, flags: Flags) -> Result<()> {
        if self.take("?#") {
            while let Some(next) = self.next().filter(|next| *next != ')') {
                self.at += usize::from(next == '\\');
            }
            self.out.push_str("(?:)");
            self.empty = true;
            return Ok(());
        }
        let mut inside = flags;
        let around = ["?=", "?!", "?<=", "?<!"].into_iter().any(|kind| self.starts_with(kind));
        match ["?:", "?=", "?!", "?<=", "?<!", "?>"].into_iter().find(|kind| self.starts_with(kind)) {
            Some(kind) => {
                self.at += kind.len();
                self.out.push('(');
                self.out.push_str(kind);
            }
            None if self.take("?<") || self.take("?'") => {
                let name = self.until(if self.chars[self.at - 1] == '<' { '>' } else { '\'' })?;
                self.out.push_str(&format!("(?<{name}>"));
            }
            None if self.take("?") => {
                inside = self.flags(flags)?;
                if !self.take(":") {
                    return Err(self.refused("a group of an unknown kind"));
                }
                if inside.ignore_case == flags.ignore_case { self.out.push_str("(?:") } else { self.open(inside) }
            }
            None => self.out.push('('),
        }
        self.empty = self.alternatives(inside)? || around;
        if !self.take(")") {
            return Err(self.refused("a `(` without its `)`"));
        }
        self.out.push(')');
        Ok(())
    }

    /// Ignoring case, Oniguruma matches `ß` with `ss`, and other letters with several. The engine here does not: such an
    /// expression is an error. Returns the letter, for the next call.
    fn folded(&self, before: Option<char>, letter: Option<char>, from: usize) -> Result<Option<char>> {
        const PAIRS: [&str; 13] = [
            "ss", "ff", "fi", "fl", "st", "ʼn", "j\u{30c}", "h\u{331}", "t\u{308}", "w\u{30a}", "y\u{30a}", "a\u{2be}",
            "i\u{307}",
        ];
        const SINGLE: &str = "ßẞŉǰẖẗẘẙẚİﬀﬁﬂﬃﬄﬅﬆ";
        let Some(letter) = letter.and_then(|letter| letter.to_lowercase().next()) else { return Ok(None) };
        let pair = before.map(|before| format!("{before}{letter}"));
        if SINGLE.contains(letter) || pair.is_some_and(|pair| PAIRS.contains(&pair.as_str())) {
            return Err(self.refused("letters that are one letter in another case"));
        }
        // a repeated letter has no neighbor
        Ok((self.out.len() == from + letter.len_utf8()).then_some(letter))
    }
}
