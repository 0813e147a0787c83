//! The search terms of a text.

use crate::cancel::Pace;
use unicode_segmentation::UnicodeSegmentation;

/// The terms of a text, in order: Unicode words in lower case, and for Chinese, Japanese and Korean scripts, which have no
/// spaces, all pairs of adjacent characters (an isolated character is a term itself).
///
/// Pairs instead of dictionary words, as in Lucene's CJK analyzer: they need no list, find names that no list has, and do as well
/// in Chinese retrieval (Nie and Ren 1999). Full-width letters and digits become plain ones.
pub fn terms(text: &str) -> Vec<String> {
    let text: String = text.chars().map(narrow).collect();
    let mut terms = Vec::new();
    let mut run: Vec<char> = Vec::new();
    let mut end = 0;
    let pace = Pace::default();
    for (at, word) in text.unicode_word_indices() {
        // UAX 29 segments Han and kana into single characters: adjacent ones form a run
        pace.step();
        let dense = word.chars().all(unspaced);
        if !dense || at != end {
            pairs(&mut run, &mut terms);
        }
        end = at + word.len();
        if dense {
            run.extend(word.chars());
        } else {
            mixed(word, &mut run, &mut terms);
        }
    }
    pairs(&mut run, &mut terms);
    terms
}

/// A word of letters, which may hold characters of both kinds.
fn mixed(word: &str, run: &mut Vec<char>, terms: &mut Vec<String>) {
    let mut letters = String::new();
    for c in word.chars() {
        if unspaced(c) {
            if !letters.is_empty() {
                terms.push(std::mem::take(&mut letters));
            }
            run.push(c);
        } else {
            pairs(run, terms);
            letters.extend(c.to_lowercase());
        }
    }
    if !letters.is_empty() {
        terms.push(letters);
    }
}

/// The terms of a run of characters without spaces; empties the run.
fn pairs(run: &mut Vec<char>, terms: &mut Vec<String>) {
    if let [alone] = run.as_slice() {
        terms.push(alone.to_string());
    }
    terms.extend(run.windows(2).map(|pair| pair.iter().collect::<String>()));
    run.clear();
}

/// The character of a single-character term, if it belongs to a script without spaces.
pub fn lone(term: &str) -> Option<char> {
    let mut characters = term.chars();
    characters.next().filter(|c| unspaced(*c) && characters.next().is_none())
}

/// Number of occurrences of a character in a text, in runs of any length.
pub fn count_of(text: &str, character: char) -> u32 {
    text.chars().filter(|c| narrow(*c) == character).count() as u32
}

/// Whether its script has no spaces between words, or is best segmented as if it had none.
fn unspaced(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}'      // kana
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'    // Han
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3134f}'
        | '\u{1100}'..='\u{11ff}'    // Hangul
        | '\u{ac00}'..='\u{d7af}'
        | '々')
}

/// Converts full-width forms of ASCII to ASCII.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}
