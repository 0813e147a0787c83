//! Entity tags of words: their schemes, and the entities in a sequence of tags.

mod spans;
mod words;
mod write;

pub use spans::{Span, spans};
pub use words::{Missed, covered, words};

use crate::{Error, Result};

/// How tags mark the start and end of an entity (Ramshaw and Marcus 1995 on): a letter, then the label of the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `B` only after another entity of its label.
    Iob1,
    /// `B` at each first word: BIO.
    Iob2,
    /// `E` only before another entity of its label.
    Ioe1,
    /// `E` at each last word.
    Ioe2,
    /// First, inside, last, single: BIOES.
    Iobes,
    /// The same as `B I L U`.
    Bilou,
    /// The same as `B M E S`, of Chinese word segmentation.
    Bmes,
}

/// The position of a word that a tag states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Inside,
    Outside,
    Begin,
    /// `E`, or `L` in BILOU.
    End,
    /// `S`, or `U` in BILOU.
    Single,
}

/// A parsed tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    pub part: Part,
    /// `_` without a label: outside of entities, and for a letter alone.
    pub label: &'a str,
}

impl Tag<'_> {
    /// The tag before the first word and after the last.
    pub const OUTSIDE: Tag<'static> = Tag { part: Part::Outside, label: "_" };
}

impl Scheme {
    pub const NAMES: [&'static str; 7] = ["IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU", "BMES"];
    const ALL: [Scheme; 7] =
        [Scheme::Iob1, Scheme::Iob2, Scheme::Ioe1, Scheme::Ioe2, Scheme::Iobes, Scheme::Bilou, Scheme::Bmes];

    /// By its name, or a common alias.
    pub fn named(who: &str, name: &str) -> Result<Scheme> {
        let plain = match name {
            "BIO" | "IOB" => "IOB2",
            "BIOES" => "IOBES",
            "BMEOS" | "BMESO" => "BMES",
            "BIOUL" => "BILOU",
            name => name,
        };
        match Scheme::NAMES.iter().position(|known| *known == plain) {
            Some(at) => Ok(Scheme::ALL[at]),
            None => Err(Error::unknown(who, "scheme", name, Scheme::NAMES)),
        }
    }

    pub fn name(self) -> &'static str {
        Scheme::NAMES[self as usize]
    }

    /// The letters of its tags, and their meaning.
    pub fn letters(self) -> &'static [(char, Part)] {
        use Part::*;
        match self {
            Scheme::Iob1 | Scheme::Iob2 => &[('I', Inside), ('O', Outside), ('B', Begin)],
            Scheme::Ioe1 | Scheme::Ioe2 => &[('I', Inside), ('O', Outside), ('E', End)],
            Scheme::Iobes => &[('I', Inside), ('O', Outside), ('B', Begin), ('E', End), ('S', Single)],
            Scheme::Bilou => &[('B', Begin), ('I', Inside), ('L', End), ('O', Outside), ('U', Single)],
            Scheme::Bmes => &[('B', Begin), ('M', Inside), ('E', End), ('O', Outside), ('S', Single)],
        }
    }

    /// Parses a tag: `O`, or a letter of the scheme, a hyphen and a label; the letter alone if entities have no labels.
    pub fn read<'a>(self, who: &str, tag: &'a str) -> Result<Tag<'a>> {
        let mut rest = tag.chars();
        let letter = rest.next();
        let known = self.letters().iter().find(|(own, _)| Some(*own) == letter);
        match (known, rest.as_str()) {
            (Some((_, part)), "") => Ok(Tag { part: *part, label: Tag::OUTSIDE.label }),
            (Some((_, part)), label) if *part != Part::Outside && label.len() > 1 && label.starts_with('-') => {
                Ok(Tag { part: *part, label: &label[1..] })
            }
            _ => Err(self.misread(who, tag, letter)),
        }
    }

    /// Why a tag is not in this scheme, with the schemes that it may belong to.
    fn misread(self, who: &str, tag: &str, letter: Option<char>) -> Error {
        let letters: Vec<String> = self.letters().iter().map(|(letter, _)| letter.to_string()).collect();
        let error = Error::new(
            who,
            format!("`{tag}` is not a tag of {}, whose letters are {}", self.name(), letters.join(" ")),
        );
        let others = Scheme::ALL.iter().filter(|other| other.letters().iter().any(|(own, _)| Some(*own) == letter));
        let others: Vec<&str> = others.filter(|other| **other != self).map(|other| other.name()).collect();
        if others.is_empty() || self.letters().iter().any(|(own, _)| Some(*own) == letter) {
            error.help("a tag is `O`, or a letter, a hyphen and a label: `B-PER`")
        } else {
            error.help(format!("it may be of {}", others.join(", ")))
        }
    }

    /// Whether a well-formed sequence may have `next` after `tag`; [`Tag::OUTSIDE`] precedes its start and follows its end.
    pub fn allows(self, tag: Tag, next: Tag) -> bool {
        use Part::*;
        let same = tag.label == next.label;
        // an entity continues from here to there
        let inside = matches!(next.part, Inside | End);
        match self {
            Scheme::Iob1 => next.part != Begin || same && tag.part != Outside,
            Scheme::Iob2 => next.part != Inside || same && tag.part != Outside,
            // a separate end tag is only for an entity before another of its label
            Scheme::Ioe1 => tag.part != End || same && inside,
            Scheme::Ioe2 => tag.part != Inside || same && inside,
            Scheme::Iobes | Scheme::Bilou | Scheme::Bmes => {
                let open = matches!(tag.part, Begin | Inside);
                if open || inside { open && inside && same } else { true }
            }
        }
    }

    /// The indices of tags that can't follow the previous one, and the number of tags if the last can't be final.
    pub fn misplaced(self, tags: &[Tag]) -> Vec<usize> {
        let before = std::iter::once(&Tag::OUTSIDE).chain(tags);
        let after = tags.iter().chain(std::iter::once(&Tag::OUTSIDE));
        let pairs = before.zip(after).enumerate();
        pairs.filter(|(_, (tag, next))| !self.allows(**tag, **next)).map(|(at, _)| at).collect()
    }
}
