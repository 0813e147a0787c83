//! Line rules of C4 (Raffel et al. 2020, 2.2): a line that breaks one is cut out of its text. Adapted to each script, as the text
//! rules are.

use super::facts::words;
use super::policies::policy;
use super::{shown, signs};
use crate::clean::cuts::{Cut, close_gaps, each_line};
use crate::clean::near::each_unit;
use crate::text;

/// A rule for single lines.
pub struct LineRule {
    pub name: &'static str,
    pub doc: &'static str,
    /// Its default limit, where it has one.
    pub limit: Option<f64>,
    /// The evidence, where a line breaks it.
    breaks: fn(&str, f64) -> Option<String>,
}

const fn rule(
    name: &'static str,
    doc: &'static str,
    limit: Option<f64>,
    breaks: fn(&str, f64) -> Option<String>,
) -> LineRule {
    LineRule { name, doc, limit, breaks }
}

/// Whether a line contains a word, in any case.
fn has(line: &str, word: &str) -> bool {
    line.len() >= word.len()
        && line.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

fn longest_word(line: &str) -> usize {
    let mut longest = 0;
    each_unit(line, |_, place| longest = longest.max(line[place].chars().count()));
    longest
}

/// All rules, in the order of evaluation.
#[rustfmt::skip]
pub const LINE_RULES: &[LineRule] = &[
    rule("c4_javascript", "lines that mention JavaScript, such as warnings that it is off: true", None,
        |line, _| has(line, "javascript").then(|| "names JavaScript".into())),
    rule("c4_lorem_ipsum", "lines with \"lorem ipsum\": true", None,
        |line, _| has(line, "lorem ipsum").then(|| "lorem ipsum".into())),
    rule("c4_curly", "lines with a curly bracket, a sign of code: true", None,
        |line, _| line.contains('{').then(|| "a curly bracket".into())),
    rule("c4_policy", "lines that mention a privacy policy, terms of use or cookies, in twenty languages: true", None,
        |line, _| policy(line).map(|found| format!("“{found}”"))),
    rule("c4_line_ends", "lines without a sentence-ending mark at the end; Thai and Lao have no such marks: true", None,
        |line, _| (signs::has_marks(line) && !signs::is_ended(line)).then(|| "no end of a sentence".into())),
    rule("c4_line_words", "minimum words in a line (8 Chinese characters are 5): 5", Some(5.0),
        |line, least| Some(words(line)).filter(|words| *words < least).map(|words| format!("{} words, below {}", shown(words), shown(least)))),
    rule("c4_word_length", "maximum characters in the longest word of a line: 1000", Some(1000.0),
        |line, most| Some(longest_word(line)).filter(|long| *long as f64 > most)
            .map(|long| format!("a word of {} characters, above {}", text::thousands(long), shown(most)))),
];

/// The enabled rules, each with its limit.
#[derive(Clone, Debug, Default)]
pub struct LineRules {
    pub rules: Vec<(usize, f64)>,
}

impl LineRules {
    /// The first rule that a line breaks, with the evidence.
    pub fn broken(&self, line: &str) -> Option<(&'static str, String)> {
        let line = line.trim();
        let found = |(at, limit): &(usize, f64)| {
            let rule = &LINE_RULES[*at];
            (rule.breaks)(line, *limit).map(|evidence| (rule.name, evidence))
        };
        if line.is_empty() { None } else { self.rules.iter().find_map(found) }
    }

    /// The lines of a text that break a rule.
    pub fn cuts(&self, text: &str) -> Vec<Cut> {
        let mut cuts = Vec::new();
        each_line(text, |range| {
            if let Some((rule, evidence)) = self.broken(&text[range.clone()]) {
                cuts.push(Cut { rule, evidence, range });
            }
        });
        close_gaps(text, &mut cuts);
        cuts
    }
}
