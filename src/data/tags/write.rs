//! Writes entities as tags, and detects the scheme of tags.

use super::{Part, Scheme, Span, Tag};
use crate::{Result, bail};

impl Scheme {
    /// The letter of `part`; if the scheme has none, the inside letter.
    fn letter(self, part: Part) -> char {
        let of = |part: Part| self.letters().iter().find(|(_, own)| *own == part).map(|(letter, _)| *letter);
        of(part).or(of(Part::Inside)).unwrap_or('I')
    }

    /// A tag as text.
    pub fn write(self, part: Part, label: &str) -> String {
        match part {
            Part::Outside => "O".into(),
            part if label == Tag::OUTSIDE.label => self.letter(part).into(),
            part => format!("{}-{label}", self.letter(part)),
        }
    }

    /// The tags of `length` words with these entities, which must not overlap.
    pub fn tags(self, spans: &[Span], length: usize) -> Vec<String> {
        let mut spans: Vec<&Span> = spans.iter().collect();
        spans.sort();
        spans.sort_by_key(|span| span.start);
        let mut tags = vec!["O".to_string(); length];
        for (at, span) in spans.iter().enumerate() {
            let touches = |other: Option<&&Span>, edge: fn(&Span) -> usize, own: usize| {
                other.is_some_and(|other| edge(other) == own && other.label == span.label)
            };
            let after = touches(at.checked_sub(1).and_then(|at| spans.get(at)), |other| other.end, span.start);
            let before = touches(spans.get(at + 1), |other| other.start, span.end);
            for (word, tag) in tags.iter_mut().enumerate().take(span.end).skip(span.start) {
                *tag = self.write(self.part(span, word, after, before), &span.label);
            }
        }
        tags
    }

    /// The part of an entity that a word is, `after` another of its label, and `before` one.
    fn part(self, span: &Span, word: usize, after: bool, before: bool) -> Part {
        let (first, last) = (word == span.start, word + 1 == span.end);
        match self {
            Scheme::Iob1 if first && after => Part::Begin,
            Scheme::Ioe1 if last && before => Part::End,
            Scheme::Iob1 | Scheme::Ioe1 => Part::Inside,
            Scheme::Iob2 if first => Part::Begin,
            Scheme::Ioe2 if last => Part::End,
            Scheme::Iob2 | Scheme::Ioe2 => Part::Inside,
            _ if first && last => Part::Single,
            _ if first => Part::Begin,
            _ if last => Part::End,
            _ => Part::Inside,
        }
    }

    /// The scheme of rows of tags, by their letters; if several match, the one with fewer malformed rows.
    pub fn of(who: &str, rows: &[Vec<String>]) -> Result<Scheme> {
        let letters: std::collections::BTreeSet<char> =
            rows.iter().flatten().filter_map(|tag| tag.chars().next()).collect();
        let fits = |scheme: &Scheme| {
            let known = |letter: &char| scheme.letters().iter().any(|(own, _)| own == letter);
            letters.iter().all(known)
        };
        // the most common ones first
        let order =
            [Scheme::Iob2, Scheme::Iobes, Scheme::Bmes, Scheme::Bilou, Scheme::Iob1, Scheme::Ioe2, Scheme::Ioe1];
        let broken = |scheme: &Scheme| {
            let is_broken = |row: &&Vec<String>| {
                let tags: Result<Vec<Tag>> = row.iter().map(|tag| scheme.read(who, tag)).collect();
                tags.is_ok_and(|tags| !scheme.misplaced(&tags).is_empty())
            };
            rows.iter().filter(is_broken).count()
        };
        match order.into_iter().filter(fits).min_by_key(broken) {
            Some(scheme) => Ok(scheme),
            None => {
                let letters: Vec<String> = letters.iter().map(char::to_string).collect();
                bail!(
                    who,
                    "tags with the letters {} are of no scheme: there are {}",
                    letters.join(" "),
                    Scheme::NAMES.join(", ")
                )
            }
        }
    }
}
