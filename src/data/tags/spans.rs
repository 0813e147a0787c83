//! The entities of a sequence of tags, as seqeval 1.2.2 finds them.

use super::{Part, Scheme, Tag};

/// An entity: the words from `start` to `end`, excluded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub label: String,
    pub start: usize,
    pub end: usize,
}

/// The entities of tags. `strict` finds only entities that are well formed in the scheme; otherwise an entity also begins where
/// its first tag is missing and ends where its last one is, as in CoNLL 2000's script.
pub fn spans(tags: &[Tag], scheme: Scheme, strict: bool) -> Vec<Span> {
    if strict { well_formed(tags, scheme) } else { lenient(tags, scheme) }
}

fn span(label: &str, start: usize, end: usize) -> Span {
    Span { label: label.to_string(), start, end }
}

fn lenient(tags: &[Tag], scheme: Scheme) -> Vec<Span> {
    use Part::*;
    // seqeval does not know `L` and `U` here: they are inside, and neither begin nor end an entity
    let plain =
        |tag: &Tag| if scheme == Scheme::Bilou && matches!(tag.part, End | Single) { None } else { Some(tag.part) };
    let (mut found, mut begin, mut last) = (Vec::new(), 0, Tag::OUTSIDE);
    for (at, tag) in tags.iter().chain([&Tag::OUTSIDE]).enumerate() {
        let (before, part) = (plain(&last), plain(tag));
        let other = last.label != tag.label;
        let ends = matches!(before, Some(End | Single))
            || matches!(before, Some(Begin | Inside)) && matches!(part, Some(Begin | Single | Outside))
            || before != Some(Outside) && other;
        if ends {
            found.push(span(last.label, begin, at));
        }
        let begins = matches!(part, Some(Begin | Single))
            || matches!(before, Some(End | Single | Outside)) && matches!(part, Some(End | Inside))
            || part != Some(Outside) && other;
        if begins {
            begin = at;
        }
        last = *tag;
    }
    found
}

/// Sets of parts, as bits.
const I: u8 = 1;
const O: u8 = 2;
const B: u8 = 4;
const E: u8 = 8;
const S: u8 = 16;
const ANY: u8 = 31;

/// Whether the labels of two tags must be equal.
#[derive(Clone, Copy, PartialEq)]
enum Labels {
    Same,
    Differ,
    Any,
}
use Labels::{Any, Differ, Same};

/// The previous tag, the tag, and their labels.
type Pattern = (u8, u8, Labels);

/// Where entities start, continue and end: seqeval's tables.
struct Patterns {
    start: &'static [Pattern],
    inside: &'static [Pattern],
    end: &'static [Pattern],
}

const IOB1: Patterns = Patterns {
    start: &[(O, I, Any), (I, I, Differ), (B, I, Any), (I, B, Same), (B, B, Same)],
    inside: &[(B, I, Same), (I, I, Same)],
    end: &[(I, I, Differ), (I, O, Any), (I, B, Any), (B, O, Any), (B, I, Differ), (B, B, Same)],
};
const IOB2: Patterns = Patterns {
    start: &[(ANY, B, Any)],
    inside: &[(B, I, Same), (I, I, Same)],
    end: &[(I, O, Any), (I, I, Differ), (I, B, Any), (B, O, Any), (B, I, Differ), (B, B, Any)],
};
const IOE1: Patterns = Patterns {
    start: &[(O, I, Any), (I, I, Differ), (E, I, Any), (E, E, Same)],
    inside: &[(I, I, Same), (I, E, Same)],
    end: &[(I, I, Differ), (I, O, Any), (I, E, Differ), (E, I, Same), (E, E, Same)],
};
const IOE2: Patterns = Patterns {
    start: &[(O, I, Any), (O, E, Any), (E, I, Any), (E, E, Any), (I, I, Differ), (I, E, Differ)],
    inside: &[(I, E, Same), (I, I, Same)],
    end: &[(E, ANY, Any)],
};
const IOBES: Patterns = Patterns {
    start: &[(ANY, B, Any), (ANY, S, Any)],
    inside: &[(B, I, Same), (B, E, Same), (I, I, Same), (I, E, Same)],
    end: &[(S, ANY, Any), (E, ANY, Any)],
};

fn patterns(scheme: Scheme) -> &'static Patterns {
    match scheme {
        Scheme::Iob1 => &IOB1,
        Scheme::Iob2 => &IOB2,
        Scheme::Ioe1 => &IOE1,
        Scheme::Ioe2 => &IOE2,
        Scheme::Iobes | Scheme::Bilou | Scheme::Bmes => &IOBES,
    }
}

fn matches(patterns: &[Pattern], last: Tag, tag: Tag) -> bool {
    let bit = |tag: Tag| match tag.part {
        Part::Inside => I,
        Part::Outside => O,
        Part::Begin => B,
        Part::End => E,
        Part::Single => S,
    };
    patterns.iter().any(|(before, own, labels)| {
        let fits = match labels {
            Any => true,
            Same => last.label == tag.label,
            Differ => last.label != tag.label,
        };
        before & bit(last) > 0 && own & bit(tag) > 0 && fits
    })
}

fn well_formed(tags: &[Tag], scheme: Scheme) -> Vec<Span> {
    let patterns = patterns(scheme);
    let at = |place: usize| tags.get(place).copied().unwrap_or(Tag::OUTSIDE);
    let (mut found, mut place, mut last) = (Vec::new(), 0, Tag::OUTSIDE);
    while place <= tags.len() {
        let tag = at(place);
        if matches(patterns.start, last, tag) {
            let mut end = place + 1;
            while end <= tags.len() && matches(patterns.inside, at(end - 1), at(end)) {
                end += 1;
            }
            if matches(patterns.end, at(end - 1), at(end)) {
                found.push(span(tag.label, place, end));
            }
            place = end;
        } else {
            place += 1;
        }
        last = at(place - 1);
    }
    found
}
