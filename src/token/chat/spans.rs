//! Attributes a rendered conversation to messages, by the sources of its text.

use super::ChatSpan;
use super::header::Header;
use crate::token::jinja::{Part, Source, Text};
use serde_json::Value;
use std::ops::Range;

/// The positions of one message's parts.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Everything that it says: words, reasoning, tool calls.
    said: Option<Range<usize>>,
    words: Option<Range<usize>>,
    /// Everything that the template wrote while processing this message.
    turn: Option<Range<usize>>,
}

/// The spans of a chat. If the template marks what an assistant generates (`generates`), the assistant's spans are those marks;
/// otherwise a turn extends from the end of the generation prompt to the special token that ends it; the last turn also includes
/// the `end` of a text after that, if the template writes one (Phi 3).
pub fn spans(
    messages: &[Value],
    text: &Text,
    generates: bool,
    (specials, end): (&[&str], &str),
    header: &mut Header,
) -> Vec<ChatSpan> {
    let runs: Vec<(Range<usize>, Source)> = text.runs().collect();
    let mut places = vec![Place::default(); messages.len()];
    for (range, source) in &runs {
        let Some(place) = source.said.and_then(|message| places.get_mut(message as usize)) else { continue };
        if source.part == Part::Content {
            grow(&mut place.words, range);
        }
        // text repeated in another message's turn (the name of a tool) is not said again
        if source.turn.is_none_or(|turn| source.said == Some(turn)) {
            grow(&mut place.said, range);
        }
    }
    for (range, source) in &runs {
        if let Some(place) = source.turn.and_then(|message| places.get_mut(message as usize)) {
            grow(&mut place.turn, range);
        }
    }
    for place in &mut places {
        place.said = place.said.take().or_else(|| place.words.clone());
    }
    let role = |message: usize| messages[message]["role"].as_str().unwrap_or_default();
    let mut found = if generates { generated(&runs, messages.len()) } else { Vec::new() };
    let looker = Looker { text: text.as_str(), runs: &runs, specials };
    for (message, place) in places.iter().enumerate() {
        if found.iter().any(|(known, _)| *known == message) || generates && role(message) == "assistant" {
            continue;
        }
        let turns = if role(message) == "assistant" {
            looker.assistant(message, place, header)
        } else {
            looker.other(message, place).into_iter().collect()
        };
        found.extend(turns.into_iter().map(|turn| (message, turn)));
    }
    found.sort_by_key(|(message, turn)| (turn.start, *message));
    if let Some((message, turn)) = found.last_mut()
        && !generates
        && !end.is_empty()
        && role(*message) == "assistant"
        && text.as_str()[turn.end..].trim() == end
    {
        turn.end = text.as_str().trim_end().len();
    }
    let span = |(message, turn): (usize, Range<usize>)| {
        let words = places[message].words.clone().unwrap_or(turn.start..turn.start);
        let content =
            trimmed(text.as_str(), words.start.clamp(turn.start, turn.end)..words.end.clamp(turn.start, turn.end));
        // in a template with generation marks, marked text is the assistant's, whatever its role is called
        let role = role(message).to_string();
        ChatSpan { message, role, content, turn }
    };
    found.into_iter().map(span).collect()
}

fn grow(range: &mut Option<Range<usize>>, by: &Range<usize>) {
    *range = Some(match range {
        Some(range) => range.start.min(by.start)..range.end.max(by.end),
        None => by.clone(),
    });
}

/// A range without surrounding white space.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let words = &text[range.clone()];
    let start = range.start + words.len() - words.trim_start().len();
    start..start + words.trim().len()
}

/// The contents of `{% generation %}`, by message.
fn generated(runs: &[(Range<usize>, Source)], messages: usize) -> Vec<(usize, Range<usize>)> {
    let mut found: Vec<(Option<u32>, Range<usize>)> = Vec::new();
    for (range, source) in runs.iter().filter(|(_, source)| source.generated) {
        let message = source.turn.or(source.said);
        match found.last_mut() {
            Some((known, last))
                if last.end == range.start && (message.is_none() || known.is_none() || *known == message) =>
            {
                last.end = range.end;
                *known = known.or(message);
            }
            _ => found.push((message, range.clone())),
        }
    }
    let known = |(message, range): (Option<u32>, Range<usize>)| {
        let message = message.map(|message| message as usize).filter(|message| *message < messages)?;
        Some((message, range))
    };
    found.into_iter().filter_map(known).collect()
}

struct Looker<'a> {
    text: &'a str,
    runs: &'a [(Range<usize>, Source)],
    specials: &'a [&'a str],
}

impl Looker<'_> {
    /// The words, and the special token that ends the turn.
    fn other(&self, message: usize, place: &Place) -> Option<Range<usize>> {
        let said = place.said.clone()?;
        let start = trimmed(self.text, said.clone()).start;
        Some(start..self.end(message, place, said.end))
    }

    /// Everything that an assistant writes, without what others say in between.
    fn assistant(&self, message: usize, place: &Place, header: &mut Header) -> Vec<Range<usize>> {
        let Some(start) = self.start(place, header) else { return Vec::new() };
        let said = place.said.as_ref().map_or(start, |said| said.end.max(start));
        let end = self.end(message, place, said);
        let mut turns = Vec::new();
        let mut from = start;
        let others = self.runs.iter().filter(|(range, source)| {
            start <= range.start && range.end <= end && source.said.is_some_and(|other| other as usize != message)
        });
        for (other, _) in others {
            if other.start < from {
                continue;
            }
            // up to the token that ends the previous message
            let mut own = self.runs.iter().filter(|(range, source)| {
                from <= range.start && range.end <= other.start && source.said == Some(message as u32)
            });
            let own = own.next_back().map_or(from, |(range, _)| range.end);
            let stop = self.first_special(own..other.start).unwrap_or(own);
            if stop > from {
                turns.push(from..stop);
            }
            from = self.first_special(other.end..end).unwrap_or(other.end);
        }
        if end > from {
            turns.push(from..end);
        }
        turns
    }

    /// The start of an assistant's output: after the generation prompt.
    fn start(&self, place: &Place, header: &mut Header) -> Option<usize> {
        let Some(turn) = place.turn.clone() else {
            // the template iterates over something other than messages
            let said = place.said.clone()?.start;
            let prompt = header.prompt();
            let behind = self.text[..said].rfind(prompt).map(|at| at + prompt.len()).filter(|_| !prompt.is_empty());
            let others = |range: &Range<usize>| {
                self.runs
                    .iter()
                    .any(|(run, source)| source.said.is_some() && range.start <= run.start && run.end <= range.end)
            };
            return Some(behind.filter(|behind| !others(&(*behind..said))).unwrap_or(said));
        };
        let limit = place.said.as_ref().map_or(turn.end, |said| said.start.clamp(turn.start, turn.end));
        let written = &self.text[turn.start..limit];
        let mut known = self.behind(header.prompt(), written);
        if known == 0 {
            known = self.behind(header.usual(), written);
        }
        Some(turn.start + known)
    }

    /// The position after the usual text before the words: a template may write more in front of it (a default system message),
    /// or only a part of it.
    fn behind(&self, usual: &str, written: &str) -> usize {
        match written.find(usual) {
            Some(at) if !usual.trim().is_empty() => at + usual.len(),
            _ => self.common(usual, written),
        }
    }

    /// The length of the usual text that is present here: all of it, or a part that ends with a token or white space.
    fn common(&self, usual: &str, written: &str) -> usize {
        let mut same = 0;
        for (letter, other) in usual.chars().zip(written.chars()) {
            if letter != other {
                break;
            }
            same += letter.len_utf8();
        }
        if same == usual.len() {
            return same;
        }
        let ends = |at: &usize| {
            let before = &usual[..*at];
            before.ends_with(char::is_whitespace)
                || self.specials.iter().any(|token| !token.is_empty() && before.ends_with(token))
        };
        (1..=same).rev().filter(|at| usual.is_char_boundary(*at)).find(ends).unwrap_or(0)
    }

    /// The end of a turn whose last word ends at `said`.
    fn end(&self, message: usize, place: &Place, said: usize) -> usize {
        let turn = place.turn.as_ref().map_or(said, |turn| turn.end.max(said));
        let tail = self.text[said..turn].trim_end();
        if self.specials.iter().any(|token| !token.is_empty() && tail.ends_with(token)) {
            return said + tail.len();
        }
        if let Some(end) = self.first_special(said..turn) {
            return end;
        }
        // the token may follow the message's own text, but not be inside another message's
        let belongs = |source: &Source| {
            source.said.is_none_or(|other| other as usize == message)
                && source.turn.is_none_or(|other| other as usize == message)
        };
        let next = self.runs.iter().find(|(range, source)| range.start >= turn && !belongs(source));
        let limit = next.map_or(self.text.len(), |(range, _)| range.start);
        let framed = place.turn.is_some();
        match self.first_special(turn..limit) {
            Some(end) if tail.is_empty() || !framed => end,
            _ => said + tail.len(),
        }
    }

    /// The end of the first special token in a part of the text.
    fn first_special(&self, part: Range<usize>) -> Option<usize> {
        let text = self.text.get(part.clone())?;
        let known = self.specials.iter().filter(|token| !token.is_empty());
        let found = known.filter_map(|token| text.find(token).map(|start| (start, std::cmp::Reverse(token.len()))));
        found.min().map(|(start, length)| part.start + start + length.0)
    }
}
