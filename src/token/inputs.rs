//! Inputs of encoders: a text or a pair, whole or as pre-split words, truncated to a length or divided into overlapping windows.
//! Every window keeps its special tokens.

use super::tokenizer::{Offsets, Tokenizer};
use crate::token::TokenizerKind;
use crate::token::engine::told;
use crate::{Error, Result, bail};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use tokenizers::{EncodeInput, InputSequence, OffsetType, PreTokenizerWrapper};

const WHO: &str = "encode";

/// A text, or its words.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    Text(&'a str),
    Words(&'a [String]),
}

/// An input as tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    pub ids: Vec<u32>,
    /// The part of a pair, by the tokenizer's template: BERT's sentence A and B.
    pub type_ids: Vec<u32>,
    /// In bytes: in the text, or in the word if words were given.
    pub offsets: Offsets,
    /// The word of each token; `None` for special tokens. In a text, a word of its pre-tokenizer.
    pub word_ids: Vec<Option<u32>>,
    /// 0 for tokens of the first input, 1 for those of the second, `None` for special tokens.
    pub sequence_ids: Vec<Option<usize>>,
    /// Whether truncation removes the beginning: `truncation_side` of tokenizer_config.json.
    pub cuts_left: bool,
}

/// The treatment of an input with too many tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fit {
    /// Maximum tokens, including special ones.
    pub max_length: Option<usize>,
    /// Tokens shared by consecutive windows; `None` truncates instead.
    pub overlap: Option<usize>,
}

impl Inputs {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Tokens that are not special.
    pub fn content(&self) -> usize {
        self.sequence_ids.iter().flatten().count()
    }

    fn pick(&self, places: &[usize]) -> Inputs {
        let at = places.iter();
        Inputs {
            ids: at.clone().map(|&place| self.ids[place]).collect(),
            type_ids: at.clone().map(|&place| self.type_ids[place]).collect(),
            offsets: at.clone().map(|&place| self.offsets[place]).collect(),
            word_ids: at.clone().map(|&place| self.word_ids[place]).collect(),
            sequence_ids: at.map(|&place| self.sequence_ids[place]).collect(),
            cuts_left: self.cuts_left,
        }
    }

    /// The indices of the tokens of one part of the pair.
    fn places(&self, sequence: usize) -> Vec<usize> {
        (0..self.len()).filter(|&place| self.sequence_ids[place] == Some(sequence)).collect()
    }

    /// The same without some of its tokens.
    fn without(&self, gone: &[&[usize]]) -> Inputs {
        let gone: HashSet<usize> = gone.iter().flat_map(|places| places.iter().copied()).collect();
        self.pick(&(0..self.len()).filter(|place| !gone.contains(place)).collect::<Vec<_>>())
    }

    /// Returns itself, truncated or in windows if it is too long. In a pair the longer part is truncated, and windows cover the
    /// second.
    pub fn fitted(self, fit: &Fit) -> Result<Vec<Inputs>> {
        let Some(room) = fit.max_length.filter(|room| *room < self.len()) else { return Ok(vec![self]) };
        let (first, second) = (self.places(0), self.places(1));
        let special = self.len() - first.len() - second.len();
        if room <= special {
            return Err(Error::new(
                WHO,
                format!("`max_length` is {room}, and {special} tokens around a text are special"),
            ));
        }
        let room = room - special;
        let Some(overlap) = fit.overlap else {
            // from the longer part first, as in transformers' `longest_first`
            let swapped = first.len() > second.len();
            let mut short = first.len().min(second.len());
            let mut long = if short > room { short } else { short.max(room - short) };
            if short + long > room {
                (short, long) = (room / 2, room / 2 + room % 2);
            }
            let (one, two) = if swapped { (long, short) } else { (short, long) };
            let gone = |places: &[usize], kept: usize| {
                let gone = places.len().saturating_sub(kept);
                if self.cuts_left { places[..gone].to_vec() } else { places[places.len() - gone..].to_vec() }
            };
            return Ok(vec![self.without(&[&gone(&first, one), &gone(&second, two)])]);
        };
        let (long, fixed) = if second.is_empty() { (&first, 0) } else { (&second, first.len()) };
        let room = match room.checked_sub(fixed) {
            Some(room) if room > overlap => room,
            _ => bail!(WHO, "windows of {room} tokens cannot overlap by {overlap}"),
        };
        let windows = windows(long.len(), room, overlap);
        Ok(windows.into_iter().map(|kept| self.without(&[&long[..kept.start], &long[kept.end..]])).collect())
    }
}

/// Ranges of `size` that overlap by `overlap` and cover `length`.
pub fn windows(length: usize, size: usize, overlap: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    loop {
        let end = (start + size).min(length);
        found.push(start..end);
        if end == length {
            return found;
        }
        start += size - overlap;
    }
}

/// For each word, the window of an input in which it is furthest from an edge, with the most context. The input's own ends are
/// not edges.
pub fn best_windows(windows: &[Inputs]) -> HashMap<u32, usize> {
    let mut best: HashMap<u32, (usize, usize)> = HashMap::new();
    let last = windows.len().saturating_sub(1);
    for (number, window) in windows.iter().enumerate() {
        let places = window.places(0);
        let (Some(&start), Some(&end)) = (places.first(), places.last()) else { continue };
        let mut seen = HashSet::new();
        for place in places {
            let Some(word) = window.word_ids[place].filter(|word| seen.insert(*word)) else { continue };
            let before = if number == 0 { usize::MAX } else { place - start };
            let after = if number == last { usize::MAX } else { end - place };
            let margin = before.min(after);
            let known = best.entry(word).or_insert((number, margin));
            if margin > known.1 {
                *known = (number, margin);
            }
        }
    }
    best.into_iter().map(|(word, (number, _))| (word, number)).collect()
}

impl Tokenizer {
    /// Encodes an input, or a pair, with its special tokens.
    pub fn inputs(&self, first: &Input, second: Option<&Input>, fit: &Fit) -> Result<Vec<Inputs>> {
        let encoding = match (first, second) {
            (Input::Text(text), None) => self.encoded(text, true, OffsetType::Byte)?,
            _ => {
                let one = self.sequence(first);
                let whole = match second {
                    Some(second) => EncodeInput::Dual(one, self.sequence(second)),
                    None => EncodeInput::Single(one),
                };
                self.engine().encode(whole, true).map_err(|error| told(error).attributed_to(WHO))?
            }
        };
        let special = encoding.get_special_tokens_mask();
        let sequences = encoding.get_sequence_ids();
        let of = |at: usize| if special[at] == 1 { None } else { Some(sequences[at].unwrap_or(0)) };
        let spaced = |at: usize| of(at).is_some_and(|of| self.adds_spaces(if of == 0 { Some(first) } else { second }));
        let unspaced = |(at, &(start, end)): (usize, &(usize, usize))| match spaced(at) {
            // the space before a word that is not in the caller's text
            true => (start.saturating_sub(1), end.saturating_sub(1)),
            false => (start, end),
        };
        Inputs {
            ids: encoding.get_ids().to_vec(),
            type_ids: encoding.get_type_ids().to_vec(),
            offsets: encoding.get_offsets().iter().enumerate().map(unspaced).collect(),
            word_ids: (0..encoding.len()).map(|at| of(at).and(encoding.get_word_ids()[at])).collect(),
            sequence_ids: (0..encoding.len()).map(of).collect(),
            cuts_left: self.cuts_left(),
        }
        .fitted(fit)
    }

    fn cuts_left(&self) -> bool {
        self.config().get("truncation_side").and_then(serde_json::Value::as_str) == Some("left")
    }

    fn sequence<'a>(&self, input: &Input<'a>) -> InputSequence<'a> {
        match input {
            Input::Text(text) => InputSequence::from(*text),
            Input::Words(words) if self.adds_spaces(Some(input)) => {
                InputSequence::from(words.iter().map(|word| format!(" {word}")).collect::<Vec<String>>())
            }
            Input::Words(words) => InputSequence::from(words.to_vec()),
        }
    }

    /// Whether words are passed to the engine with a preceding space, as in a text: byte-level tokenizers were trained with it
    /// (`add_prefix_space` of transformers), and some do not add it themselves.
    fn adds_spaces(&self, input: Option<&Input>) -> bool {
        let is_words = matches!(input, Some(Input::Words(_)));
        let prefixes = || self.engine().get_pre_tokenizer().is_some_and(prefixes_space);
        is_words && self.kind() == TokenizerKind::ByteLevel && !prefixes()
    }
}

fn prefixes_space(step: &PreTokenizerWrapper) -> bool {
    match step {
        PreTokenizerWrapper::ByteLevel(bytes) => bytes.add_prefix_space,
        PreTokenizerWrapper::Sequence(steps) => steps.as_ref().iter().any(prefixes_space),
        _ => false,
    }
}
