//! Text normalization: Unicode normal forms, widths, invisible characters, white space.

use super::{fix_mojibake, unescape};
use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

/// Unicode's normal forms (UAX 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Keep,
    Nfc,
    /// Compatibility forms too, except for Chinese and Japanese punctuation.
    Nfkc,
}

/// Full-width and half-width forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Keep,
    /// Latin letters and digits narrow, katakana and hangul wide; punctuation unchanged.
    Letters,
    /// Punctuation narrow too.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Keep,
    /// Line by line: no leading or trailing spaces, at most one blank line.
    Lines,
    /// Any white space becomes one space.
    Collapse,
}

/// Options of normalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normalize {
    pub mojibake: bool,
    pub entities: bool,
    pub form: Form,
    pub width: Width,
    /// Removes control characters and terminal escapes; line ends become `\n`.
    pub control: bool,
    /// Removes zero-width characters, except joiners that a script needs.
    pub zero_width: bool,
    pub space: Space,
    /// Curly quotation marks become straight.
    pub quotes: bool,
}

impl Default for Normalize {
    fn default() -> Normalize {
        Normalize {
            mojibake: false,
            entities: false,
            form: Form::Nfc,
            width: Width::Keep,
            control: true,
            zero_width: true,
            space: Space::Lines,
            quotes: false,
        }
    }
}

/// Normalizes a text as `how` specifies. Idempotent.
pub fn normalize<'t>(text: &'t str, how: &Normalize) -> Cow<'t, str> {
    let mut text = Cow::Borrowed(text);
    if how.entities {
        text = changed(text, unescape);
    }
    if how.mojibake {
        text = changed(text, fix_mojibake);
    }
    if how.control || how.zero_width {
        text = changed(text, |text| visible(text, how));
    }
    if !text.is_ascii() {
        text = match how.form {
            Form::Keep => text,
            Form::Nfc => changed(text, nfc),
            Form::Nfkc => changed(text, nfkc),
        };
        if how.width != Width::Keep {
            text = changed(text, |text| widths(text, how.width));
        }
        if how.quotes {
            text = changed(text, straight);
        }
    }
    match how.space {
        Space::Keep => text,
        Space::Lines => changed(text, lines),
        Space::Collapse => changed(text, collapsed),
    }
}

/// Applies `change` to a text, which stays borrowed where nothing changes.
fn changed<'t>(text: Cow<'t, str>, change: impl for<'a> Fn(&'a str) -> Cow<'a, str>) -> Cow<'t, str> {
    match text {
        Cow::Borrowed(text) => change(text),
        Cow::Owned(text) => {
            let other = match change(&text) {
                Cow::Borrowed(same) if same.len() == text.len() => None,
                other => Some(other.into_owned()),
            };
            Cow::Owned(other.unwrap_or(text))
        }
    }
}

fn nfc(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text.into(),
        _ => text.nfc().collect::<String>().into(),
    }
}

/// Punctuation that NFKC would make narrow or decompose: full-width punctuation and the ellipsis.
fn is_wide_punctuation(char: char) -> bool {
    matches!(char, '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff60}')
        || matches!(char, '\u{2025}' | '\u{2026}' | '\u{3000}')
}

fn nfkc(text: &str) -> Cow<'_, str> {
    if is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_wide_punctuation) {
        out.extend(rest[..at].nfkc());
        let length = rest[at..].chars().next().map_or(1, char::len_utf8);
        out.push_str(&rest[at..at + length]);
        rest = &rest[at + length..];
    }
    out.extend(rest.nfkc());
    if out == text { text.into() } else { out.into() }
}

fn widths(text: &str, width: Width) -> Cow<'_, str> {
    let narrow =
        |char: char| matches!(char, '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}');
    let half = |char: char| matches!(char, '\u{ff66}'..='\u{ffdc}');
    let mark = |char: char| {
        width == Width::All
            && (is_wide_punctuation(char) && char >= '\u{3000}'
                || matches!(char, '\u{ff61}'..='\u{ff65}' | '\u{ffe0}'..='\u{ffee}'))
    };
    let all = |char: char| narrow(char) || half(char) || mark(char);
    if !text.contains(all) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(all) {
        out.push_str(&rest[..at]);
        // together, so that a voicing mark is combined with its kana
        let end = rest[at..].find(|char| !all(char)).map_or(rest.len(), |end| at + end);
        out.extend(rest[at..end].nfkc());
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.into()
}

fn straight(text: &str) -> Cow<'_, str> {
    let curly = |char: char| matches!(char, '\u{2bc}' | '\u{2018}'..='\u{201f}');
    if !text.contains(curly) {
        return text.into();
    }
    let quote = |char: char| match char {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        other => other,
    };
    text.chars().map(quote).collect::<String>().into()
}

/// Invisible characters that no script needs.
fn visible<'t>(text: &'t str, how: &Normalize) -> Cow<'t, str> {
    let is_odd = |char: char| how.control && is_control(char) || how.zero_width && is_invisible(char);
    if !text.contains(is_odd) {
        return text.into();
    }
    let is_to_left = text.chars().any(is_right_to_left);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            _ if !is_odd(char) => out.push(char),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next_if(|char| char.is_ascii_digit() || matches!(char, ';' | '?')).is_some() {}
                chars.next_if(char::is_ascii_alphabetic);
            }
            '\u{200c}' | '\u{200d}' if out.chars().next_back().is_some_and(joins) => out.push(char),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' if is_to_left => out.push(char),
            _ => {}
        }
    }
    out.into()
}

fn is_control(char: char) -> bool {
    char.is_control() && !matches!(char, '\n' | '\t')
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}

fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}')
        || matches!(char, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether a joiner after this character is significant: in Indic scripts, in Arabic and in emoji.
fn joins(char: char) -> bool {
    let code = u32::from(char);
    matches!(code, 0x600..=0x8ff | 0x900..=0xdff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x1800..=0x18af | 0xfb50..=0xfeff)
        || matches!(code, 0x200d | 0x2190..=0x2bff | 0x1f000..=0x1faff)
}

fn is_right_to_left(char: char) -> bool {
    matches!(u32::from(char), 0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff)
}

/// A space that is not a line break.
fn is_blank(char: char) -> bool {
    char.is_whitespace() && char != '\n'
}

fn lines(text: &str) -> Cow<'_, str> {
    let is_clean = !text.starts_with(char::is_whitespace)
        && !text.ends_with(char::is_whitespace)
        && !text.contains("\n\n\n")
        && !text.match_indices('\n').any(|(at, _)| text[..at].ends_with(is_blank));
    if is_clean {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.split('\n') {
        let line = line.trim_end();
        if line.is_empty() {
            blank += 1;
            continue;
        }
        if out.is_empty() {
            out.push_str(line.trim_start());
        } else {
            out.push_str(if blank > 0 { "\n\n" } else { "\n" });
            out.push_str(line);
        }
        blank = 0;
    }
    out.into()
}

fn collapsed(text: &str) -> Cow<'_, str> {
    let mut before = ' ';
    let is_clean = text.chars().all(|char| {
        let fits = !char.is_whitespace() || char == ' ' && before != ' ';
        before = char;
        fits
    });
    if is_clean && !text.ends_with(' ') {
        return text.into();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").into()
}
