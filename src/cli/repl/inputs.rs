//! Splits text into inputs, using the parser. Pasted text is one input if it parses as one, otherwise several.

use crate::script::notebook::scan;

/// Line beginnings that continue the previous line.
const GOES_ON: &[&str] =
    &[".", "?.", ")", "]", "}", "=", "*", "/", "%", "&&", "||", "<", ">", "??", "!=", ",", "else", "catch", "until"];

/// Whether a text is complete. A command is complete on one line; for `:time EXPR` the expression decides.
pub fn is_whole(text: &str) -> bool {
    match text.trim_start().split_once(char::is_whitespace) {
        Some((":time", expression)) => !scan::is_incomplete(expression),
        _ => text.trim_start().starts_with([':', '?']) || !scan::is_incomplete(text),
    }
}

/// The inputs of a text, each with all its lines.
pub fn of(text: &str) -> Vec<&str> {
    if !text.trim_end().contains('\n') || scan::reads(text) {
        return vec![text];
    }
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        at += line.len();
        let piece = &text[start..at];
        let first = piece.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim_start();
        let next = text[at..].lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim_start();
        let is_command = first.starts_with([':', '?']);
        let is_whole = !first.is_empty() && !is_blank(piece) && scan::reads(piece);
        if is_command || (is_whole && !GOES_ON.iter().any(|sign| next.starts_with(sign))) {
            found.push(piece);
            start = at;
        }
    }
    if !text[start..].trim().is_empty() {
        found.push(&text[start..]);
    }
    found
}

/// Whether there are only comments.
fn is_blank(text: &str) -> bool {
    scan::parts(text).iter().all(|part| matches!(part.kind, scan::Kind::Space | scan::Kind::Comment))
}
