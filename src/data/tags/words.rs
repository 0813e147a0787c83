//! Words of a text, and the words covered by character spans.

use super::Span;
use std::ops::Range;

/// The words of a text as character ranges: separated by spaces, with each punctuation mark and each Chinese, Japanese or Korean
/// character on its own, as in BERT.
pub fn words(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (at, sign) in text.chars().enumerate() {
        if sign.is_whitespace() || sign.is_control() {
            open = false;
        } else if is_alone(sign) {
            found.push(at..at + 1);
            open = false;
        } else {
            match found.last_mut() {
                Some(word) if open => word.end = at + 1,
                _ => found.push(at..at + 1),
            }
            open = true;
        }
    }
    found
}

fn is_alone(sign: char) -> bool {
    let code = sign as u32;
    let ideograph =
        matches!(code, 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x2FA1F | 0x3040..=0x30FF | 0xAC00..=0xD7AF);
    // marks of all scripts: neither letters nor digits nor joiners
    let mark = !sign.is_alphanumeric() && !matches!(code, 0x300..=0x36F | 0x200C | 0x200D | 0xFE00..=0xFE0F);
    ideograph || mark
}

/// Why a span does not match words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It begins or ends inside a word.
    Border,
    /// It contains no word.
    Empty,
    /// An earlier span has some of its words.
    Overlap,
}

/// The words covered by character spans: those that match word boundaries, and the reason for the others. With `widen` a span
/// covers all words that it touches.
pub fn covered(words: &[Range<usize>], spans: &[Span], widen: bool) -> (Vec<Span>, Vec<(usize, Missed)>) {
    let (mut found, mut missed): (Vec<Span>, Vec<(usize, Missed)>) = (Vec::new(), Vec::new());
    for (number, span) in spans.iter().enumerate() {
        let start = words.partition_point(|word| word.end <= span.start);
        let end = words.partition_point(|word| word.start < span.end);
        let why = if start >= end {
            Some(Missed::Empty)
        } else if found.iter().any(|other| other.start < end && start < other.end) {
            Some(Missed::Overlap)
        } else if words[start].start < span.start || words[end - 1].end > span.end {
            Some(Missed::Border)
        } else {
            None
        };
        missed.extend(why.map(|why| (number, why)));
        if why.is_none() || why == Some(Missed::Border) && widen {
            found.push(Span { label: span.label.clone(), start, end });
        }
    }
    (found, missed)
}
