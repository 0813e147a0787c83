//! The table of rules, one rule a line.

use super::facts::{Facts, letters};
use super::{Limit, ngrams, signs, stop_words};
use crate::clean::is_mojibake;
use crate::clean::language::detect;

/// A rule: the number it computes of a text, and its default limits.
pub struct Rule {
    pub name: &'static str,
    /// The unit of the number: `words`.
    pub what: &'static str,
    /// Its purpose, with the limits.
    pub doc: &'static str,
    /// `None` for a text that it does not apply to.
    pub measure: fn(&Facts) -> Option<f64>,
    /// Limits for rows that are passages (an article, an answer, a message); `None`: off.
    pub passage: Option<Limit>,
    /// Limits for rows that are whole web pages: the paper's numbers.
    pub page: Limit,
    /// The part of the text shown as evidence.
    pub part: Option<fn(&Facts) -> Option<String>>,
}

use Limit::{AtLeast, AtMost, Between};

/// A rule with the same limits for passages and pages.
const fn rule(
    name: &'static str,
    what: &'static str,
    doc: &'static str,
    limit: Limit,
    measure: fn(&Facts) -> Option<f64>,
) -> Rule {
    Rule { name, what, doc, measure, passage: Some(limit), page: limit, part: None }
}

impl Rule {
    const fn of_passages(self, limit: Option<Limit>) -> Rule {
        Rule { passage: limit, ..self }
    }

    const fn showing(self, part: fn(&Facts) -> Option<String>) -> Rule {
        Rule { part: Some(part), ..self }
    }
}

/// Below this number of words, shares of words are unreliable; Gopher's limits were chosen for texts of at least this length.
const FEW: f64 = 50.0;

fn of_many(facts: &Facts, value: Option<f64>) -> Option<f64> {
    value.filter(|_| facts.words >= FEW)
}

/// Below this number of lines, a share of them is unreliable.
fn of_lines(facts: &Facts, value: Option<f64>) -> Option<f64> {
    value.filter(|_| facts.lines.len() > 2)
}

fn top<const WORDS: usize>(facts: &Facts) -> Option<f64> {
    of_many(facts, ngrams::top(facts, WORDS).map(|(.., share)| share))
}

fn top_part<const WORDS: usize>(facts: &Facts) -> Option<String> {
    let (start, end, count, _) = ngrams::top(facts, WORDS)?;
    Some(format!("{} × {count}", &facts.text[start..end]))
}

/// The shortest sequences whose repetition is measured.
const SHORTEST: usize = 5;

/// The text of longer repeated sequences is also in shorter ones: where there are none of these, longer ones are not searched
/// for.
fn duplicate<const WORDS: usize>(facts: &Facts) -> Option<f64> {
    of_many(facts, Some(0.0))?;
    let mut known = facts.duplicates.borrow_mut();
    while known.len() <= WORDS - SHORTEST {
        let share = match known.last() {
            Some(0.0) => 0.0,
            _ => ngrams::duplicate(facts, SHORTEST + known.len()).unwrap_or(0.0),
        };
        known.push(share);
    }
    Some(known[WORDS - SHORTEST])
}

/// The first words, for rules that the whole text breaks.
fn start(facts: &Facts) -> Option<String> {
    (!facts.text.trim().is_empty()).then(|| facts.text.trim().chars().take(60).collect())
}

fn repeated_line(facts: &Facts) -> Option<String> {
    let twice = |at: &usize| facts.lines[..*at].contains(&facts.lines[*at]);
    (1..facts.lines.len()).find(twice).map(|at| facts.lines[at].to_string())
}

fn line_that(facts: &Facts, is: impl Fn(&str) -> bool) -> Option<String> {
    facts.lines.iter().find(|line| is(line)).map(ToString::to_string)
}

/// Stop words of a language that has a list; a text in another language passes.
fn small_words(facts: &Facts) -> Option<f64> {
    let found = stop_words::count(facts);
    if found < 2 && facts.running.is_none() {
        let language = detect(facts.text);
        if language.is_none_or(|found| !stop_words::has(found.code)) {
            return None;
        }
    }
    // of the scripts without spaces, Han and kana have lists
    let is_listed = facts.running.is_none_or(|chars| chars < 3.0);
    (is_listed && facts.words >= 10.0).then_some(found as f64)
}

/// All rules in the order of evaluation, cheap ones first.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    rule("unreadable", "characters are lost or of no script", "share of replacement (�), private-use and control characters: at most 0.01",
        AtMost(0.01), |facts| Some(signs::unreadable(facts.text) as f64 / facts.text.chars().count().max(1) as f64)).showing(start),
    rule("mojibake", "text in the wrong encoding", "text that `fix_mojibake` would repair: at most 0",
        AtMost(0.0), |facts| Some(f64::from(u8::from(is_mojibake(facts.text))))).showing(start),
    rule("gopher_words", "words", "number of words: [10, 100000], for pages [50, 100000]",
        Between(50.0, 100_000.0), |facts| Some(facts.words)).of_passages(Some(Between(10.0, 100_000.0))),
    rule("gopher_word_length", "letters in a word", "mean letters per word, in scripts with spaces: [3, 10]",
        Between(3.0, 10.0), |facts| facts.word_length()).showing(start),
    rule("gopher_symbols", "hash signs and ellipses a word", "hash signs and ellipses per word: at most 0.1",
        AtMost(0.1), |facts| (facts.words > 0.0).then(|| signs::symbols(facts.text) as f64 / facts.words)),
    rule("gopher_bullets", "of the lines are items of a list", "share of lines that begin with a bullet: at most 0.9",
        AtMost(0.9), |facts| of_lines(facts, facts.lines_that(signs::is_bullet))),
    rule("gopher_ellipses", "of the lines break off", "share of lines that end in an ellipsis: at most 0.3",
        AtMost(0.3), |facts| of_lines(facts, facts.lines_that(signs::breaks_off))).showing(|facts| line_that(facts, signs::breaks_off)),
    rule("gopher_letters", "of the words have a letter", "share of words with a letter, runs of signs counted as words: at least 0.6, for pages 0.8",
        AtLeast(0.8), |facts| {
            let all = facts.units.len() + facts.signs;
            (all > 0).then(|| facts.with_letter as f64 / all as f64)
        }).of_passages(Some(AtLeast(0.6))).showing(start),
    rule("gopher_stop_words", "small words of its language", "different stop words (the, of, and …; 的, 是, 在 …) of the best-matching language: at least 2",
        AtLeast(2.0), small_words).showing(start),
    rule("c4_lorem_ipsum", "times “lorem ipsum”", "\"lorem ipsum\": at most 0 times",
        AtMost(0.0), |facts| Some(facts.text.to_ascii_lowercase().matches("lorem ipsum").count() as f64)),
    rule("c4_curly", "curly brackets", "curly brackets, a sign of code: at most 0",
        AtMost(0.0), |facts| Some(facts.text.bytes().filter(|byte| *byte == b'{').count() as f64))
        .showing(|facts| line_that(facts, |line| line.contains('{'))),
    rule("c4_sentences", "sentences", "number of sentences: off, for pages at least 3",
        AtLeast(3.0), |facts| signs::has_marks(facts.text).then(|| signs::sentences(facts.text) as f64)).of_passages(None),
    rule("fineweb_line_ends", "of the lines end as sentences do", "share of lines that end in a punctuation mark: at least 0.12",
        AtLeast(0.12), |facts| of_lines(facts, facts.lines_that(signs::is_ended).filter(|_| signs::has_marks(facts.text))))
        .showing(|facts| line_that(facts, |line| !signs::is_ended(line))),
    rule("fineweb_short_lines", "of the lines are short", "share of lines of fewer than 30 letters (10 Chinese characters): at most 0.67",
        AtMost(0.67), |facts| of_lines(facts, facts.lines_that(|line| letters(line) < 30.0)))
        .showing(|facts| line_that(facts, |line| letters(line) < 30.0)),
    rule("fineweb_newlines", "ends of lines a word", "line ends per word: at most 0.3",
        AtMost(0.3), |facts| (facts.words > 0.0).then(|| facts.newlines as f64 / facts.words)),
    rule("fineweb_line_duplicates", "of the text is in repeated lines", "share of the text in repeated lines: at most 0.1, for pages 0.01",
        AtMost(0.01), |facts| Some(facts.repeated().line_chars)).of_passages(Some(AtMost(0.1))).showing(repeated_line),
    rule("gopher_line_duplicates", "of the lines are repeated", "share of repeated lines: at most 0.3",
        AtMost(0.3), |facts| Some(facts.repeated().lines)).showing(repeated_line),
    rule("gopher_line_duplicate_chars", "of the text is in repeated lines", "share of the text in repeated lines: at most 0.2",
        AtMost(0.2), |facts| Some(facts.repeated().line_chars)).showing(repeated_line),
    rule("gopher_paragraph_duplicates", "of the paragraphs are repeated", "share of repeated paragraphs: at most 0.3",
        AtMost(0.3), |facts| Some(facts.repeated().paragraphs)),
    rule("gopher_paragraph_duplicate_chars", "of the text is in repeated paragraphs", "share of the text in repeated paragraphs: at most 0.2",
        AtMost(0.2), |facts| Some(facts.repeated().paragraph_chars)),
    rule("gopher_top_2gram", "of the text is one pair of words", "share of the text in its most frequent sequence of 2 words, for 50 words and more: at most 0.4, for pages 0.2",
        AtMost(0.2), top::<2>).of_passages(Some(AtMost(0.4))).showing(top_part::<2>),
    rule("gopher_top_3gram", "of the text is one sequence of 3 words", "… of 3 words: at most 0.36, for pages 0.18",
        AtMost(0.18), top::<3>).of_passages(Some(AtMost(0.36))).showing(top_part::<3>),
    rule("gopher_top_4gram", "of the text is one sequence of 4 words", "… of 4 words: at most 0.32, for pages 0.16",
        AtMost(0.16), top::<4>).of_passages(Some(AtMost(0.32))).showing(top_part::<4>),
    rule("gopher_duplicate_5gram", "of the text is in repeated sequences of 5 words", "share of the text in repeated sequences of 5 words: at most 0.45, for pages 0.15",
        AtMost(0.15), duplicate::<5>).of_passages(Some(AtMost(0.45))),
    rule("gopher_duplicate_6gram", "of the text is in repeated sequences of 6 words", "… of 6 words: at most 0.42, for pages 0.14",
        AtMost(0.14), duplicate::<6>).of_passages(Some(AtMost(0.42))),
    rule("gopher_duplicate_7gram", "of the text is in repeated sequences of 7 words", "… of 7 words: at most 0.39, for pages 0.13",
        AtMost(0.13), duplicate::<7>).of_passages(Some(AtMost(0.39))),
    rule("gopher_duplicate_8gram", "of the text is in repeated sequences of 8 words", "… of 8 words: at most 0.36, for pages 0.12",
        AtMost(0.12), duplicate::<8>).of_passages(Some(AtMost(0.36))),
    rule("gopher_duplicate_9gram", "of the text is in repeated sequences of 9 words", "… of 9 words: at most 0.33, for pages 0.11",
        AtMost(0.11), duplicate::<9>).of_passages(Some(AtMost(0.33))),
    rule("gopher_duplicate_10gram", "of the text is in repeated sequences of 10 words", "… of 10 words: at most 0.3, for pages 0.1",
        AtMost(0.1), duplicate::<10>).of_passages(Some(AtMost(0.3))),
];
