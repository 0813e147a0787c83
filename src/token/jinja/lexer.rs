//! A template's source as tokens, by the rules of Jinja 3.1 with `trim_blocks` and `lstrip_blocks`, as transformers sets them.

use super::budget::{Fault, Res, fail};
use super::escapes::unescaped;

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Text outside of tags.
    Data(String),
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name(String),
    Text(String),
    Int(i128),
    Float(f64),
    Operator(&'static str),
    End,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub line: u32,
    pub kind: Kind,
}

/// White space by Python's `str.isspace` and `\s`.
pub fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

/// Longer ones first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";",
];

pub fn tokens(source: &str) -> Result<Vec<Token>, (u32, String)> {
    let mut source = source.replace("\r\n", "\n").replace('\r', "\n");
    if source.ends_with('\n') {
        source.pop();
    }
    let mut lexer = Lexer { source: &source, at: 0, line: 1, counted: 0, line_starts: true, tokens: Vec::new() };
    match lexer.template() {
        Ok(()) => Ok(lexer.tokens),
        Err(Fault::Told(told)) => Err((lexer.line, told)),
        Err(_) => Err((lexer.line, "it can't be read".into())),
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    /// The line of the byte at `counted`.
    line: u32,
    counted: usize,
    /// Whether the last text read ended with a line end.
    line_starts: bool,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn push(&mut self, kind: Kind, at: usize) {
        self.count(at);
        self.tokens.push(Token { line: self.line, kind });
    }

    /// Counts the lines up to a position.
    fn count(&mut self, at: usize) {
        if let Some(passed) = self.source.get(self.counted..at) {
            self.line += passed.matches('\n').count() as u32;
            self.counted = at;
        }
    }

    fn data(&mut self, words: &str, at: usize) {
        if !words.is_empty() {
            self.push(Kind::Data(words.to_string()), at);
        }
    }

    fn template(&mut self) -> Res<()> {
        while let Some((start, tag)) = self.next_tag() {
            let begin = self.at;
            let text = self.source[begin..start].to_string();
            self.at = start + 2;
            let sign = self.rest().chars().next().filter(|sign| matches!(sign, '-' | '+'));
            self.at += sign.iter().len();
            let raw = if tag == '%' { self.raw_begins() } else { None };
            let kept = stripped(&text, sign, tag != '{', self.line_starts);
            self.data(kept, begin);
            self.line_starts = false;
            match (tag, raw) {
                (_, Some(end)) => self.raw(end)?,
                ('#', _) => self.comment(start)?,
                ('{', _) => {
                    self.push(Kind::VariableBegin, start);
                    self.tag(false)?;
                }
                _ => {
                    self.push(Kind::BlockBegin, start);
                    self.tag(true)?;
                }
            }
        }
        let rest = self.rest().to_string();
        self.data(&rest, self.at);
        let end = self.source.len();
        self.push(Kind::End, end);
        Ok(())
    }

    /// The next `{{`, `{%` or `{#`: its position and its second character.
    fn next_tag(&self) -> Option<(usize, char)> {
        let rest = self.rest();
        let tag = |at: &usize| matches!(rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#'));
        let at = rest.match_indices('{').map(|found| found.0).find(tag)?;
        Some((self.at + at, char::from(rest.as_bytes()[at + 1])))
    }

    /// The start of the text of `{% raw %}`, if this is one.
    fn raw_begins(&self) -> Option<usize> {
        let rest = self.rest().trim_start_matches(is_space).strip_prefix("raw")?.trim_start_matches(is_space);
        if let Some(text) = rest.strip_prefix("-%}") {
            return Some(self.source.len() - text.trim_start_matches(is_space).len());
        }
        rest.strip_prefix("%}").map(|text| self.source.len() - text.len())
    }

    fn raw(&mut self, begin: usize) -> Res<()> {
        self.line_starts = self.source[..begin].ends_with('\n');
        self.at = begin;
        loop {
            let Some(found) = self.rest().find("{%") else { fail!("`{{% raw %}}` has no end") };
            let start = self.at + found;
            self.at = start + 2;
            let sign = self.rest().chars().next().filter(|sign| matches!(sign, '-' | '+'));
            let rest = self.rest()[sign.iter().len()..].trim_start_matches(is_space);
            let Some(rest) = rest.strip_prefix("endraw").map(|rest| rest.trim_start_matches(is_space)) else {
                continue;
            };
            let Some(end) = block_end(rest) else { continue };
            let after = self.source.len() - rest.len() + end;
            let text = self.source[begin..start].to_string();
            let kept = stripped(&text, sign, true, self.line_starts);
            self.data(kept, begin);
            self.at = after;
            self.line_starts = self.source[..after].ends_with('\n');
            return Ok(());
        }
    }

    fn comment(&mut self, start: usize) -> Res<()> {
        let Some(found) = self.rest().find("#}") else {
            self.count(start);
            fail!("a comment has no end")
        };
        let end = self.at + found;
        let after = end + 2;
        let text = &self.source[after..];
        let skipped = match self.source[self.at..end].chars().next_back() {
            Some('-') => text.len() - text.trim_start_matches(is_space).len(),
            Some('+') => 0,
            _ => usize::from(text.starts_with('\n')),
        };
        self.at = after + skipped;
        self.line_starts = self.source[..self.at].ends_with('\n');
        Ok(())
    }

    /// The contents of a tag, and its end.
    fn tag(&mut self, block: bool) -> Res<()> {
        let mut open: Vec<&'static str> = Vec::new();
        loop {
            let rest = self.rest();
            let end = if block { block_end(rest) } else { variable_end(rest) };
            if let Some(end) = end.filter(|_| open.is_empty()) {
                let at = self.at;
                self.push(if block { Kind::BlockEnd } else { Kind::VariableEnd }, at);
                self.at = at + end;
                self.line_starts = self.source[..self.at].ends_with('\n');
                return Ok(());
            }
            let Some(first) = rest.chars().next() else { fail!("a tag has no end") };
            if is_space(first) {
                self.at += first.len_utf8();
                continue;
            }
            let (kind, length) = self.token(first)?;
            if let Kind::Operator(sign) = kind {
                self.balance(sign, &mut open)?;
            }
            let at = self.at;
            self.push(kind, at);
            self.at += length;
        }
    }

    fn token(&mut self, first: char) -> Res<(Kind, usize)> {
        let rest = self.rest();
        if first.is_ascii_digit() {
            return number(rest);
        }
        if first == '_' || first.is_alphabetic() {
            let name = rest.find(|letter: char| letter != '_' && !letter.is_alphanumeric()).unwrap_or(rest.len());
            return Ok((Kind::Name(rest[..name].to_string()), name));
        }
        if matches!(first, '\'' | '"') {
            let Some(length) = closed(rest, first) else {
                let at = self.at;
                self.count(at);
                fail!("a string has no end")
            };
            return Ok((Kind::Text(unescaped(&rest[1..length - 1])?), length));
        }
        match OPERATORS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => Ok((Kind::Operator(sign), sign.len())),
            None => {
                let at = self.at;
                self.count(at);
                fail!("unexpected character `{first}`")
            }
        }
    }

    /// Checks that brackets match.
    fn balance(&mut self, sign: &'static str, open: &mut Vec<&'static str>) -> Res<()> {
        match sign {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" if open.pop() != Some(sign) => {
                let at = self.at;
                self.count(at);
                fail!("unexpected `{sign}`")
            }
            _ => {}
        }
        Ok(())
    }
}

/// The text before a tag, without the white space that the tag strips.
fn stripped(text: &str, sign: Option<char>, block: bool, line_starts: bool) -> &str {
    match sign {
        Some('-') => text.trim_end_matches(is_space),
        None if block => {
            let line = text.rfind('\n').map_or(0, |at| at + 1);
            if (line > 0 || line_starts) && text[line..].chars().all(is_space) { &text[..line] } else { text }
        }
        _ => text,
    }
}

/// The length of a block's end, including the white space that it strips.
fn block_end(rest: &str) -> Option<usize> {
    if let Some(after) = rest.strip_prefix("-%}") {
        return Some(rest.len() - after.trim_start_matches(is_space).len());
    }
    if rest.starts_with("+%}") {
        return Some(3);
    }
    rest.strip_prefix("%}").map(|after| 2 + usize::from(after.starts_with('\n')))
}

fn variable_end(rest: &str) -> Option<usize> {
    if let Some(after) = rest.strip_prefix("-}}") {
        return Some(rest.len() - after.trim_start_matches(is_space).len());
    }
    rest.starts_with("}}").then_some(2)
}

/// The length of a string including its quotes.
fn closed(rest: &str, quote: char) -> Option<usize> {
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote {
            return Some(at + 1);
        }
    }
    None
}

/// The length of digits with `_` between them.
fn digits(text: &str, radix: u32) -> usize {
    let bytes = text.as_bytes();
    let mut length = 0;
    while let Some(byte) = bytes.get(length) {
        let joins =
            *byte == b'_' && length > 0 && bytes.get(length + 1).is_some_and(|next| char::from(*next).is_digit(radix));
        if !char::from(*byte).is_digit(radix) && !joins {
            break;
        }
        length += 1;
    }
    length
}

fn number(rest: &str) -> Res<(Kind, usize)> {
    for (prefix, radix) in [("0b", 2), ("0o", 8), ("0x", 16)] {
        if rest.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            let length = digits(&rest[2..], radix);
            let Ok(value) = i128::from_str_radix(&rest[2..2 + length].replace('_', ""), radix) else {
                fail!("`{}` is not a number", &rest[..2 + length])
            };
            return Ok((Kind::Int(value), 2 + length));
        }
    }
    let whole = digits(rest, 10);
    let mut length = whole;
    if rest.starts_with('0')
        && rest[..whole].contains(|digit| digit != '0' && digit != '_')
        && !rest[whole..].starts_with(['.', 'e', 'E'])
    {
        fail!("`{}` begins with a zero, which numbers don't", &rest[..whole]);
    }
    if rest[length..].starts_with('.') {
        let fraction = digits(&rest[length + 1..], 10);
        length += if fraction > 0 { 1 + fraction } else { 0 };
    }
    if rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        let exponent = digits(&rest[length + 1 + sign..], 10);
        length += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    let written = rest[..length].replace('_', "");
    let kind = if length > whole { written.parse().ok().map(Kind::Float) } else { written.parse().ok().map(Kind::Int) };
    match kind {
        Some(kind) => Ok((kind, length)),
        None => fail!("the number {written} is too large"),
    }
}
