//! Text in a terminal line (thousands separators, display width, truncation, padding), and glob patterns.

use unicode_width::UnicodeWidthChar;

/// A text as a script literal: quoted, with letters and combining marks unchanged, and invisible characters escaped.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '\'' => out.push(c),
            c if is_mark(c) => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out.push('"');
    out
}

/// Whether a character is a combining mark: it takes no column, but is visible.
fn is_mark(c: char) -> bool {
    let unseen = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.width() == Some(0) && !unseen && !c.is_control()
}

/// `23490` as `23,490`.
pub fn thousands(number: impl std::fmt::Display) -> String {
    let text = number.to_string();
    let (sign, rest) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
    let (whole, fraction) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

/// `1 row`, `23,490 rows`.
pub fn counted(count: usize, one: &str) -> String {
    format!("{} {one}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// Bytes in a readable unit: `512 B`, `2.3 kB`, `6.1 MB`, `1.20 GB`.
pub fn bytes(count: u64) -> String {
    let value = count as f64;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.2} GB", value / 1e9),
    }
}

/// Terminal columns of `text`: a Chinese character takes two.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// `text` on one line and at most `limit` columns wide, truncated with `…`.
pub fn cut(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c }).peekable();
    while let Some(c) = chars.next() {
        let room = limit.saturating_sub(used);
        let wide = char_width(c);
        if wide > room || (wide == room && chars.peek().is_some()) {
            while used + 1 > limit {
                match out.pop() {
                    Some(last) => used -= char_width(last),
                    None => return out,
                }
            }
            out.push('…');
            return out;
        }
        out.push(c);
        used += wide;
    }
    out
}

/// `text` padded with spaces on the right to `columns`.
pub fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` padded with spaces on the left to `columns`.
pub fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Whether `name` matches a pattern in which `*` stands for any run of characters: `layers.*.norm`.
pub fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
