//! Character classes and case mappings of Python's `str` that differ from Rust's standard library.

use regex::Regex;
use regex_syntax::hir::{Class, HirKind};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Character classes by the method that tests them. Digits that are not decimals (superscripts, circled numbers), and Chinese
/// numerals, which are letters, are listed: no crate here has Unicode's `Numeric_Type`.
const KINDS: [(&str, &str); 6] = [
    ("isalpha", r"\A\p{L}+\z"),
    ("isalnum", r"\A[\p{L}\p{N}]+\z"),
    ("isdecimal", r"\A\p{Nd}+\z"),
    (
        "isdigit",
        r"\A[\p{Nd}²³¹፩-፱᧚⁰⁴-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒\x{10a40}-\x{10a43}\x{10e60}-\x{10e68}\x{11052}-\x{1105a}\x{1f100}-\x{1f10a}]+\z",
    ),
    (
        "isnumeric",
        concat!(
            r"\A[\p{N}㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千-卅卌叁-叄四壱壹幺廾廿弌-弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零",
            r"\x{f96b}\x{f973}\x{f978}\x{f9b2}\x{f9d1}\x{f9d3}\x{f9fd}\x{20001}\x{20064}\x{200e2}\x{20121}\x{2092a}\x{20983}\x{2098c}\x{2099c}\x{20aea}\x{20afd}\x{20b19}\x{22390}\x{22998}\x{23b1b}\x{2626d}\x{2f890}]+\z"
        ),
    ),
    ("isidentifier", r"\A[_\p{XID_Start}]\p{XID_Continue}*\z"),
];

static PATTERNS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| KINDS.iter().filter_map(|(_, pattern)| Regex::new(pattern).ok()).collect());
static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]+").ok());

/// Whether a text passes a method such as `isdigit`.
pub fn is_kind(name: &str, text: &str) -> bool {
    let found = KINDS.iter().position(|(known, _)| *known == name);
    found.and_then(|at| PATTERNS.get(at)).is_some_and(|pattern| pattern.is_match(text))
}

/// Number of matches of `\w+`.
pub fn words(text: &str) -> usize {
    WORD.as_ref().map_or(0, |word| word.find_iter(text).count())
}

/// `ǅ` and similar, which are neither lowercase nor uppercase.
fn is_title(letter: char) -> bool {
    !letter.is_lowercase() && !letter.is_uppercase() && letter.to_lowercase().next() != Some(letter)
}

fn is_cased(letter: char) -> bool {
    letter.is_lowercase() || letter.is_uppercase() || is_title(letter)
}

pub fn is_lower(text: &str) -> bool {
    text.chars().any(char::is_lowercase) && !text.chars().any(|letter| letter.is_uppercase() || is_title(letter))
}

pub fn is_upper(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && !text.chars().any(|letter| letter.is_lowercase() || is_title(letter))
}

/// Whether each word begins with an uppercase letter, and continues with lowercase ones.
pub fn is_titled(text: &str) -> bool {
    let (mut found, mut inside) = (false, false);
    for letter in text.chars() {
        let begins = letter.is_uppercase() || is_title(letter);
        if begins && inside || letter.is_lowercase() && !inside {
            return false;
        }
        inside = is_cased(letter);
        found |= inside;
    }
    found
}

/// Calls `write` with each letter and its lowercase form in this text: a sigma at the end of a word differs.
fn with_small(text: &str, mut write: impl FnMut(char, &str)) {
    let lowered = text.to_lowercase();
    let mut rest = lowered.chars();
    for letter in text.chars() {
        let small: String = rest.by_ref().take(letter.to_lowercase().count()).collect();
        write(letter, &small);
    }
}

/// Each letter after an uncased one becomes titlecase.
pub fn titled(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut inside = false;
    with_small(text, |letter, small| {
        if inside {
            titled.push_str(small)
        } else {
            titled.push_str(&title(letter))
        }
        inside = is_cased(letter);
    });
    titled
}

/// The first letter uppercase, the others lowercase.
pub fn capitalized(text: &str) -> String {
    let mut capitalized = String::with_capacity(text.len());
    with_small(text, |letter, small| {
        if capitalized.is_empty() { capitalized.push_str(&title(letter)) } else { capitalized.push_str(small) }
    });
    capitalized
}

pub fn swapped(text: &str) -> String {
    let mut swapped = String::with_capacity(text.len());
    with_small(text, |letter, small| {
        if letter.is_uppercase() {
            swapped.push_str(small);
        } else if letter.is_lowercase() {
            swapped.extend(letter.to_uppercase());
        } else {
            swapped.push(letter);
        }
    });
    swapped
}

/// A letter in titlecase.
fn title(letter: char) -> String {
    let code = letter as u32;
    let other = match code {
        // Georgian uses uppercase only for whole words
        0x10d0..=0x10fa | 0x10fd..=0x10ff => Some(code),
        0x1c4..=0x1cc => Some(0x1c5 + (code - 0x1c4) / 3 * 3),
        0x1f1..=0x1f3 => Some(0x1f2),
        // Greek with iota subscript
        0x1f80..=0x1faf => Some(code | 8),
        0x1fb3 | 0x1fbc => Some(0x1fbc),
        0x1fc3 | 0x1fcc => Some(0x1fcc),
        0x1ff3 | 0x1ffc => Some(0x1ffc),
        _ => None,
    };
    if let Some(other) = other.and_then(char::from_u32) {
        return other.to_string();
    }
    match letter {
        'ᾲ' | 'ᾴ' | 'ᾷ' | 'ῂ' | 'ῄ' | 'ῇ' | 'ῲ' | 'ῴ' | 'ῷ' => {
            letter.to_uppercase().map(|large| if large == 'Ι' { '\u{345}' } else { large }).collect()
        }
        'ŉ' => letter.to_uppercase().collect(),
        _ => {
            let mut large = letter.to_uppercase();
            large.next().into_iter().chain(large.flat_map(char::to_lowercase)).collect()
        }
    }
}

/// Case folding for caseless comparison.
pub fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            'ı' | '\u{13a0}'..='\u{13f5}' => folded.push(letter),
            'ẞ' => folded.push_str("ss"),
            // Cherokee folds to its uppercase letters
            '\u{13f8}'..='\u{13fd}' | '\u{ab70}'..='\u{abbf}' => folded.extend(letter.to_uppercase()),
            _ => folded.extend(letter.to_uppercase().flat_map(char::to_lowercase)),
        }
    }
    folded
}

/// The start of the decimals of each script, in runs of ten or a multiple.
static DECIMALS: LazyLock<Vec<(char, char)>> =
    LazyLock::new(|| match regex_syntax::parse(r"\p{Nd}").map(|hir| hir.into_kind()) {
        Ok(HirKind::Class(Class::Unicode(class))) => class.iter().map(|range| (range.start(), range.end())).collect(),
        _ => Vec::new(),
    });

/// The text with the decimals of all scripts converted to ASCII, as `int` and `float` read them.
pub fn with_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let digit = |letter: char| {
        let found = DECIMALS.iter().find(|(start, end)| (*start..=*end).contains(&letter));
        found.and_then(|(start, _)| char::from_digit((letter as u32 - *start as u32) % 10, 10)).unwrap_or(letter)
    };
    text.chars().map(digit).collect::<String>().into()
}
