//! Texts that track their sources: the message that each part comes from, and the turn in which the template wrote it.
//!
//! Chat templates split, join and change message contents. Each operation preserves the sources, so that the rendered text can be
//! attributed without searching it.

use std::ops::Range;
use std::sync::Arc;

/// The part of a message that a text comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// No content: the template's own text, roles, names and ids.
    #[default]
    Frame,
    Content,
    /// Reasoning, tool calls and other contents of a message.
    Other,
}

/// The source of a part of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The message that contains it.
    pub said: Option<u32>,
    pub part: Part,
    /// The message that the template was processing when it wrote it.
    pub turn: Option<u32>,
    /// Inside `{% generation %}`.
    pub generated: bool,
}

impl Source {
    /// Content of a message.
    pub fn said(message: u32, part: Part) -> Source {
        Source { said: Some(message), part, ..Source::default() }
    }

    /// The source of text written while the template is at `place`.
    fn at(self, place: Source) -> Source {
        Source { turn: self.turn.or(place.turn), generated: self.generated || place.generated, ..self }
    }

    /// The source of a text made from two.
    fn and(self, other: Source) -> Source {
        match (self.said, other.said) {
            (None, None) => self.at(other),
            (None, Some(_)) => other.at(self),
            (Some(_), None) => self.at(other),
            (Some(one), Some(two)) if one == two => {
                let part = if self.part == other.part { self.part } else { Part::Other };
                Source { part, ..self.at(other) }
            }
            (Some(_), Some(_)) => Source { said: None, part: Part::Frame, ..self.at(other) },
        }
    }
}

/// An immutable text with its sources. Cloning is free.
#[derive(Clone, Debug)]
pub struct Text {
    string: Arc<str>,
    runs: Runs,
}

#[derive(Clone, Debug)]
enum Runs {
    One(Source),
    /// The end of each run.
    Many(Arc<[(usize, Source)]>),
}

impl Text {
    pub fn new(string: impl Into<Arc<str>>, source: Source) -> Text {
        Text { string: string.into(), runs: Runs::One(source) }
    }

    /// A text of the template itself.
    pub fn plain(string: impl Into<Arc<str>>) -> Text {
        Text::new(string, Source::default())
    }

    pub fn as_str(&self) -> &str {
        &self.string
    }

    pub fn shared(&self) -> Arc<str> {
        self.string.clone()
    }

    pub fn len(&self) -> usize {
        self.string.len()
    }

    pub fn is_empty(&self) -> bool {
        self.string.is_empty()
    }

    /// The source of anything made from the whole text.
    pub fn source(&self) -> Source {
        match &self.runs {
            Runs::One(source) => *source,
            Runs::Many(runs) => runs.iter().map(|run| run.1).reduce(Source::and).unwrap_or_default(),
        }
    }

    /// Another text made from this one.
    pub fn changed(&self, string: impl Into<Arc<str>>) -> Text {
        Text::new(string, self.source())
    }

    /// Its runs with one source each.
    pub fn runs(&self) -> impl Iterator<Item = (Range<usize>, Source)> {
        let (one, many): (_, &[(usize, Source)]) = match &self.runs {
            Runs::One(source) => (Some((0..self.len(), *source)), &[]),
            Runs::Many(runs) => (None, runs),
        };
        let starts = std::iter::once(0).chain(many.iter().map(|run| run.0));
        one.into_iter().chain(starts.zip(many).map(|(start, &(end, source))| (start..end, source)))
    }

    /// A part of it, in bytes.
    pub fn slice(&self, range: Range<usize>) -> Text {
        if range == (0..self.len()) {
            return self.clone();
        }
        match &self.runs {
            Runs::One(source) => Text::new(&self.string[range], *source),
            Runs::Many(_) => {
                let mut writer = Writer::default();
                writer.push_part(self, range);
                writer.finish()
            }
        }
    }
}

/// Writes a text part by part.
#[derive(Debug, Default)]
pub struct Writer {
    string: String,
    runs: Vec<(usize, Source)>,
    /// The current position of the template.
    pub place: Source,
}

impl Writer {
    /// A writer at the template's position.
    pub fn at(place: Source) -> Writer {
        Writer { place, ..Writer::default() }
    }

    /// Writes text of the template itself.
    pub fn push(&mut self, words: &str) {
        self.push_from(words, Source::default());
    }

    pub fn push_from(&mut self, words: &str, source: Source) {
        if words.is_empty() {
            return;
        }
        self.string.push_str(words);
        let (end, source) = (self.string.len(), source.at(self.place));
        match self.runs.last_mut() {
            Some(last) if last.1 == source => last.0 = end,
            _ => self.runs.push((end, source)),
        }
    }

    pub fn push_text(&mut self, text: &Text) {
        for (range, source) in text.runs() {
            self.push_from(&text.string[range], source);
        }
    }

    /// Writes a part of a text, in bytes.
    pub fn push_part(&mut self, text: &Text, part: Range<usize>) {
        for (range, source) in text.runs() {
            let (start, end) = (range.start.max(part.start), range.end.min(part.end));
            if start < end {
                self.push_from(&text.string[start..end], source);
            }
        }
    }

    pub fn finish(self) -> Text {
        let runs = match self.runs.as_slice() {
            [] => Runs::One(self.place),
            [(_, source)] => Runs::One(*source),
            _ => Runs::Many(self.runs.into()),
        };
        Text { string: self.string.into(), runs }
    }
}

/// For `write!`: text of the template itself.
impl std::fmt::Write for Writer {
    fn write_str(&mut self, words: &str) -> std::fmt::Result {
        self.push(words);
        Ok(())
    }
}
