//! Pseudo-log-likelihood of texts: each token in turn is masked and scored by a masked model (Salazar et al. 2020).

use super::Likelihood;
use crate::model::{Model, TokenRows};
use crate::token::Tokenizer;
use crate::token::inputs::{Fit, Input, Inputs};
use crate::{Error, Result, bail, cancel};

const WHO: &str = "pseudo_likelihood";

/// Options of scoring texts.
#[derive(Clone, Copy, Debug)]
pub struct PseudoPlan {
    /// Maximum tokens per window, including special ones: a longer text is read in windows that do not overlap.
    pub max_length: usize,
    /// Tokens per forward pass.
    pub batch_tokens: usize,
    /// Also mask the following tokens of the same word, so that no token is scored by the rest of its own word (Kauf and Ivanova
    /// 2023).
    pub within_word: bool,
}

/// The likelihood of each text.
pub fn pseudo_likelihood<S: AsRef<str>>(
    net: &Model,
    tok: &Tokenizer,
    texts: &[S],
    plan: PseudoPlan,
) -> Result<Vec<Likelihood>> {
    let Some(mask) = tok.special("mask") else {
        return Err(Error::new(WHO, "the tokenizer has no mask token"));
    };
    if plan.batch_tokens == 0 {
        bail!(WHO, "`batch_tokens` is 0");
    }
    let mut found = vec![Likelihood::default(); texts.len()];
    let mut pack = Pack::new(mask, plan);
    for (at, text) in texts.iter().enumerate() {
        cancel::check()?;
        let fit = Fit { max_length: Some(plan.max_length), overlap: Some(0) };
        let windows = tok.inputs(&Input::Text(text.as_ref()), None, &fit)?;
        found[at].bytes = text.as_ref().len();
        for inputs in &windows {
            found[at].bytes -= unread(inputs, tok);
            for place in (0..inputs.len()).filter(|&place| is_scored(inputs, place, tok)) {
                if !pack.fits(inputs.len()) {
                    pack.score(net, &mut found)?;
                }
                pack.add(at, inputs, place);
            }
        }
    }
    pack.score(net, &mut found)?;
    if found.iter().all(|text| text.tokens == 0) {
        bail!(WHO, "no text has a token to predict");
    }
    Ok(found)
}

/// The bytes of unknown tokens, which can't be scored.
fn unread(inputs: &Inputs, tok: &Tokenizer) -> usize {
    let unknown =
        (0..inputs.len()).filter(|&at| inputs.sequence_ids[at].is_some() && Some(inputs.ids[at]) == tok.unk());
    unknown.map(|at| inputs.offsets[at].1 - inputs.offsets[at].0).sum()
}

/// Whether a token is predicted: special tokens are not, nor is the unknown token, whose text is not known.
fn is_scored(inputs: &Inputs, place: usize, tok: &Tokenizer) -> bool {
    inputs.sequence_ids[place].is_some() && !tok.is_special(inputs.ids[place])
}

/// Copies of texts, each with another token masked, concatenated in one row.
struct Pack {
    mask: u32,
    plan: PseudoPlan,
    ids: Vec<u32>,
    labels: Vec<i64>,
    segments: Vec<u32>,
    types: Vec<u32>,
    /// The text of each copy.
    texts: Vec<usize>,
}

impl Pack {
    fn new(mask: u32, plan: PseudoPlan) -> Pack {
        let (ids, labels, segments, types) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Pack { mask, plan, ids, labels, segments, types, texts: Vec::new() }
    }

    fn fits(&self, tokens: usize) -> bool {
        self.ids.is_empty() || self.ids.len() + tokens <= self.plan.batch_tokens
    }

    fn add(&mut self, text: usize, inputs: &Inputs, place: usize) {
        let start = self.ids.len();
        self.ids.extend(&inputs.ids);
        self.types.extend(&inputs.type_ids);
        self.texts.push(text);
        self.segments.resize(self.ids.len(), self.texts.len() as u32);
        self.labels.resize(self.ids.len(), -100);
        self.labels[start + place] = i64::from(inputs.ids[place]);
        let word = inputs.word_ids[place];
        let masked =
            |&at: &usize| at == place || self.plan.within_word && word.is_some() && inputs.word_ids[at] == word;
        for at in (place..inputs.len()).take_while(masked) {
            self.ids[start + at] = self.mask;
        }
    }

    /// Adds the loss of the copies to their texts, and clears them.
    fn score(&mut self, net: &Model, found: &mut [Likelihood]) -> Result<()> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let types = if self.types.iter().all(|&kind| kind == 0) { None } else { Some(self.types.as_slice()) };
        let rows = TokenRows {
            rows: 1,
            length: self.ids.len(),
            ids: &self.ids,
            labels: Some(&self.labels),
            segments: Some(&self.segments),
            token_types: types,
            ..TokenRows::default()
        };
        for (guess, &text) in net.fill_mask(WHO, &rows, 0)?.iter().zip(&self.texts) {
            found[text].nats += f64::from(guess.nats);
            found[text].tokens += 1;
        }
        *self = Pack::new(self.mask, self.plan);
        Ok(())
    }
}
