//! Splits a text, complete or not, into parts: for colors, completion, and detecting incomplete input.

use rhai::{Engine, LexError, ParseErrorType};

/// The kind of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Space,
    Comment,
    Text,
    Number,
    Word,
    Keyword,
    Sign,
}

/// A part of a text: a word, a sign, a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Start, in bytes.
    pub at: usize,
    /// An unclosed string or comment.
    pub open: bool,
}

impl Part<'_> {
    pub fn end(&self) -> usize {
        self.at + self.text.len()
    }

    pub fn is(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

const KEYWORDS: &[&str] = &[
    "let", "const", "fn", "if", "else", "for", "in", "while", "loop", "do", "until", "break", "continue", "return",
    "throw", "try", "catch", "switch", "import", "export", "as", "private", "true", "false", "this", "global",
];

/// Operators of more than one character.
const SIGNS: &[&str] = &[
    "..=", "::", "#{", "..", "?.", "?[", "??", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=", "*=", "/=", "%=",
    "**",
];

pub fn keywords() -> &'static [&'static str] {
    KEYWORDS
}

/// The parts of a text, without gaps between them.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length, open) = part(rest, first);
        parts.push(Part { kind, text: &rest[..length], at, open });
        at += length;
    }
    parts
}

fn part(rest: &str, first: char) -> (Kind, usize, bool) {
    let until = |stop: &dyn Fn(char) -> bool| rest.find(stop).unwrap_or(rest.len());
    let word = |c: char| c.is_alphanumeric() || c == '_';
    match first {
        c if c.is_whitespace() => (Kind::Space, until(&|c| !c.is_whitespace()), false),
        _ if rest.starts_with("//") => {
            let length = until(&|c| c == '\n');
            (Kind::Comment, length, length == rest.len())
        }
        _ if rest.starts_with("/*") => {
            let end = rest.find("*/").map(|end| end + 2);
            (Kind::Comment, end.unwrap_or(rest.len()), end.is_none())
        }
        '"' | '`' | '\'' => {
            let (length, open) = text_length(rest, first);
            (Kind::Text, length, open)
        }
        c if c.is_ascii_digit() => (Kind::Number, number_length(rest), false),
        c if word(c) => {
            let length = until(&|c| !word(c));
            (if KEYWORDS.contains(&&rest[..length]) { Kind::Keyword } else { Kind::Word }, length, false)
        }
        c => (
            Kind::Sign,
            SIGNS.iter().find(|sign| rest.starts_with(**sign)).map_or(c.len_utf8(), |sign| sign.len()),
            false,
        ),
    }
}

/// Length of the string at the start of the text, and whether it is unclosed. Only a back-quoted string may span several lines.
fn text_length(rest: &str, quote: char) -> (usize, bool) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' if quote != '`' => return (at, true),
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return (at + c.len_utf8(), false),
            _ => {}
        }
    }
    (rest.len(), true)
}

/// `12`, `1_000`, `0xff`, `1.5`, `1e-3`; of `1..3` and `1.digits` only the `1`.
fn number_length(rest: &str) -> usize {
    let digits =
        |from: usize| from + rest[from..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len() - from);
    let mut end = digits(0);
    let fraction = &rest[end..];
    if fraction.starts_with('.') && fraction[1..].starts_with(|c: char| c.is_ascii_digit()) {
        end = digits(end + 1);
    }
    let exponent = rest[..end].ends_with(['e', 'E']) && !rest.starts_with("0x");
    if exponent && rest[end..].starts_with(['-', '+']) { digits(end + 1) } else { end }
}

/// Index of the matching bracket, for the bracket at `index`.
pub fn partner(parts: &[Part], index: usize) -> Option<usize> {
    let opens = |part: &Part| part.kind == Kind::Sign && matches!(part.text, "(" | "[" | "{" | "#{" | "?[");
    let closes = |part: &Part| part.kind == Kind::Sign && matches!(part.text, ")" | "]" | "}");
    let mut depth = 0i32;
    let step = |part: &Part| i32::from(opens(part)) - i32::from(closes(part));
    let found = if opens(&parts[index]) {
        (index..parts.len()).find(|&at| {
            depth += step(&parts[at]);
            depth == 0
        })
    } else if closes(&parts[index]) {
        (0..=index).rev().find(|&at| {
            depth += step(&parts[at]);
            depth == 0
        })
    } else {
        None
    };
    found.filter(|&at| {
        let (open, close) = (parts[at.min(index)].text, parts[at.max(index)].text);
        matches!((open, close), ("(", ")") | ("[" | "?[", "]") | ("{" | "#{", "}"))
    })
}

/// A function that a text defines.
pub struct Defined<'a> {
    pub name: &'a str,
    /// The receiver type of a typed method: `fn int.twice()`.
    pub of: Option<&'a str>,
    pub params: usize,
    /// Start, including `private` and the doc comments above it, and end, in bytes.
    pub start: usize,
    pub end: usize,
    /// Position of its name.
    pub named: usize,
}

/// The functions that a text defines, in order.
pub fn functions(text: &str) -> Vec<Defined<'_>> {
    let parts = parts(text);
    let mut found = Vec::new();
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| part.text == "fn" && part.kind == Kind::Keyword) {
        let sign = |from: usize, sign: &str| (from..parts.len()).find(|&at| parts[at].is(sign));
        let Some((open, close)) = sign(index, "(").and_then(|open| Some((open, partner(&parts, open)?))) else {
            continue;
        };
        let head: Vec<&Part> =
            parts[index + 1..open].iter().filter(|part| !matches!(part.kind, Kind::Space | Kind::Comment)).collect();
        let (name, of) = match head.as_slice() {
            [name] => (*name, None),
            [of, dot, name] if dot.is(".") => (*name, Some(of.text)),
            _ => continue,
        };
        let Some(end) = sign(close, "{").and_then(|body| partner(&parts, body)) else { continue };
        let above = parts[..index]
            .iter()
            .rev()
            .take_while(|part| part.kind == Kind::Space || part.text == "private" || part.text.starts_with("///"));
        let start = above.filter(|part| part.kind != Kind::Space).last().map_or(part.at, |first| first.at);
        let params = parts[open..close].iter().filter(|part| part.kind == Kind::Word).count();
        found.push(Defined { name: name.text, of, params, start, end: parts[end].end(), named: name.at });
    }
    found
}

/// Whether the parser stopped at the end of the text.
pub fn is_incomplete(text: &str) -> bool {
    // an open comment compiles: it would swallow the following text
    if parts(text).last().is_some_and(|part| part.open && part.text.starts_with("/*")) {
        return true;
    }
    let Err(error) = grammar().compile(text) else { return false };
    let (line, column) = (error.position().line().unwrap_or(0), error.position().position().unwrap_or(0));
    let open_text = match error.err_type() {
        ParseErrorType::UnexpectedEOF => true,
        ParseErrorType::BadInput(LexError::UnterminatedString) => {
            let line = line.checked_sub(1).and_then(|line| text.lines().nth(line)).unwrap_or_default();
            line.chars().nth(column.saturating_sub(1)) == Some('`')
        }
        _ => false,
    };
    // after the last character: `fn f() {`, `f(1`, `x.`
    let lines = text.lines().count();
    let last = text.lines().last().map_or(0, |line| line.chars().count());
    open_text || line > lines || (line == lines && column > last)
}

/// Whether the text is complete and without syntax errors.
pub fn reads(text: &str) -> bool {
    !is_incomplete(text) && grammar().compile(text).is_ok()
}

/// An engine with only the grammar, without functions.
fn grammar() -> Engine {
    let mut engine = Engine::new_raw();
    engine.set_max_expr_depths(256, 256);
    let _ = engine.register_custom_operator("@", 180);
    engine
}

/// Whether the text ends with a semicolon, ignoring comments after it.
pub fn ends_with_semicolon(text: &str) -> bool {
    let parts = parts(text);
    parts.iter().rfind(|part| !matches!(part.kind, Kind::Space | Kind::Comment)).is_some_and(|last| last.is(";"))
}

/// Indentation of the next line of an incomplete text, in spaces.
pub fn indent(text: &str) -> usize {
    let depth = parts(text).iter().filter(|part| part.kind == Kind::Sign).fold(0usize, |depth, part| match part.text {
        "(" | "[" | "{" | "#{" | "?[" => depth + 1,
        ")" | "]" | "}" => depth.saturating_sub(1),
        _ => depth,
    });
    4 * depth
}
