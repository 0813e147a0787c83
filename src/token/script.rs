//! The script of a character, by the Unicode tables.

use regex_syntax::hir::{Class, HirKind};
use std::sync::LazyLock;

/// The distinguished scripts, and characters without a script.
pub const NAMES: [&str; 22] = [
    "Latin",
    "Han",
    "Hiragana",
    "Katakana",
    "Hangul",
    "Cyrillic",
    "Greek",
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Bengali",
    "Tamil",
    "Telugu",
    "Thai",
    "Lao",
    "Khmer",
    "Myanmar",
    "Georgian",
    "Armenian",
    "digits",
    "punctuation and space",
    "other",
];

const DIGITS: u8 = 19;
/// Punctuation and white space.
pub const MARKS: u8 = 20;
const OTHER: u8 = 21;

/// Ranges of code points with the index of their script, ascending.
static RANGES: LazyLock<Vec<(u32, u32, u8)>> = LazyLock::new(|| {
    let mut ranges = Vec::new();
    for (place, name) in NAMES.iter().enumerate().take(DIGITS as usize) {
        let parsed = regex_syntax::parse(&format!(r"\p{{Script={name}}}")).map(|hir| hir.into_kind());
        if let Ok(HirKind::Class(Class::Unicode(class))) = parsed {
            ranges.extend(class.ranges().iter().map(|range| (range.start().into(), range.end().into(), place as u8)));
        }
    }
    ranges.sort_unstable();
    ranges
});

/// The index of a character's script in [`NAMES`].
pub fn of(character: char) -> usize {
    if character.is_ascii_alphabetic() {
        return 0;
    }
    if character.is_numeric() && u32::from(character) < 0x3000 {
        return DIGITS.into();
    }
    let code = u32::from(character);
    let at = RANGES.partition_point(|range| range.1 < code);
    let place = match RANGES.get(at) {
        Some((start, _, place)) if *start <= code => *place,
        _ if character.is_alphabetic() => OTHER,
        _ if character.is_numeric() => DIGITS,
        _ => MARKS,
    };
    place.into()
}

/// Whether a word is written with spaces around it: it begins with a letter of a script that separates words by spaces.
pub fn is_spaced(word: &str) -> bool {
    const RUNNING: [&str; 7] = ["Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"];
    word.chars().next().is_some_and(|first| first.is_alphanumeric() && !RUNNING.contains(&NAMES[of(first)]))
}
