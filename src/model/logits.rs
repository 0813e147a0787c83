//! Logits of texts and words of any length, combined from overlapping windows.

use super::Model;
use super::head::{sequence, token};
use super::rows::TokenRows;
use crate::kernel::default_device;
use crate::tensor::{Array, DType, no_grad};
use crate::token::Tokenizer;
use crate::token::inputs::{Fit, Input, Inputs, best_windows};
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;

#[derive(Clone, Debug)]
pub struct LogitsPlan {
    /// Maximum tokens per window, including special ones; by default the model's positions, and 512 at most.
    pub max_length: Option<usize>,
    /// Tokens shared by consecutive windows.
    pub overlap: usize,
    /// Windows per batch.
    pub batch_size: usize,
}

/// The logits of words.
pub struct WordLogits {
    /// `[words, labels]`, row by row, for words that have a token.
    pub logits: Array,
    /// Whether each word of each row has a token.
    pub found: Vec<Vec<bool>>,
    /// Number of rows with more than one window.
    pub split: usize,
}

/// A part of an item that fits into one window.
struct Window {
    item: usize,
    inputs: Inputs,
}

impl Model {
    /// The logits of texts, or of pairs, `[texts, labels]`: the mean over the windows of a text, weighted by their tokens. Also
    /// returns the number of texts with more than one window.
    pub fn text_logits(
        &self,
        tokenizer: &Tokenizer,
        texts: &[(String, Option<String>)],
        plan: &LogitsPlan,
    ) -> Result<(Array, usize)> {
        const WHO: &str = "text_logits";
        self.check_head(WHO, sequence::HEAD.name)?;
        let fit = self.fit(WHO, tokenizer, plan)?;
        let read = |(at, (first, second)): (usize, &(String, Option<String>))| {
            let second = second.as_deref().map(Input::Text);
            let windows = tokenizer.inputs(&Input::Text(first), second.as_ref(), &fit);
            let windows = windows.map_err(|error| error.attributed_to(WHO).at(format!("text {at}")))?;
            if windows.iter().all(|window| window.content() == 0) {
                bail!(WHO, "text {at} has no token: it is empty");
            }
            Ok(windows.into_iter().map(|inputs| Window { item: at, inputs }).collect::<Vec<_>>())
        };
        let windows: Vec<Vec<Window>> = texts.par_iter().enumerate().map(read).collect::<Result<_>>()?;
        let split = windows.iter().filter(|windows| windows.len() > 1).count();
        let windows: Vec<Window> = windows.into_iter().flatten().collect();
        let labels = self.config().labels;
        let mut sums = vec![0f64; texts.len() * labels];
        let mut weights = vec![0f64; texts.len()];
        self.each_window(&windows, plan, |window, _, logits| {
            let weight = windows[window].inputs.content() as f64;
            let item = windows[window].item;
            weights[item] += weight;
            let sums = &mut sums[item * labels..][..labels];
            sums.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += weight * f64::from(*logit));
        })?;
        let means = sums.iter().enumerate().map(|(at, sum)| (sum / weights[at / labels]) as f32).collect();
        Ok((Array::from_vec::<_, f32>(means, (texts.len(), labels), &default_device()?)?, split))
    }

    /// The logits of the first token of each word, from the window where it is furthest from an edge.
    pub fn word_logits(&self, tokenizer: &Tokenizer, rows: &[Vec<String>], plan: &LogitsPlan) -> Result<WordLogits> {
        const WHO: &str = "word_logits";
        self.check_head(WHO, token::HEAD.name)?;
        let fit = self.fit(WHO, tokenizer, plan)?;
        let read = |(at, words): (usize, &Vec<String>)| {
            if words.is_empty() {
                return Ok(Vec::new());
            }
            let windows = tokenizer.inputs(&Input::Words(words), None, &fit);
            windows.map_err(|error| error.attributed_to(WHO).at(format!("row {at}")))
        };
        let windows: Vec<Vec<Inputs>> = rows.par_iter().enumerate().map(read).collect::<Result<_>>()?;
        let split = windows.iter().filter(|windows| windows.len() > 1).count();
        // the word that each token of a window represents
        let (mut all, mut words, mut found, mut first) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut count = 0;
        for (row, windows) in windows.into_iter().enumerate() {
            let best = best_windows(&windows);
            let own: Vec<bool> = (0..rows[row].len()).map(|word| best.contains_key(&(word as u32))).collect();
            let places: Vec<usize> = own
                .iter()
                .map(|own| {
                    count += usize::from(*own);
                    count
                })
                .collect();
            found.push(own);
            for (number, inputs) in windows.into_iter().enumerate().filter(|(_, inputs)| inputs.content() > 0) {
                words.push(firsts(&inputs, |word| best.get(&word) == Some(&number)));
                first.push(places.clone());
                all.push(Window { item: row, inputs });
            }
        }
        let labels = self.config().labels;
        let mut numbers = vec![0f32; count * labels];
        self.each_window(&all, plan, |window, place, logits| {
            if let Some(word) = words[window].get(place).copied().flatten() {
                let at = first[window][word as usize] - 1;
                numbers[at * labels..][..labels].copy_from_slice(logits);
            }
        })?;
        Ok(WordLogits { logits: Array::from_vec(numbers, (count, labels), &default_device()?)?, found, split })
    }

    /// Passes `take` the logits after each of these ids, with the id's index. Only a few are in memory at a time.
    pub fn each_logits(&self, ids: &[u32], mut take: impl FnMut(usize, &[f32])) -> Result<()> {
        const AT_ONCE: usize = 64;
        self.check_causal("logits")?;
        let rows = TokenRows { rows: 1, length: ids.len(), ids, ..TokenRows::default() };
        no_grad(|| {
            let inner = self.read();
            let pass = inner.pass("logits", &rows)?;
            let hidden = inner.arch.hidden_states(&pass, false)?.value();
            for start in (0..ids.len()).step_by(AT_ONCE) {
                cancel::check()?;
                let count = AT_ONCE.min(ids.len() - start);
                let part = hidden.narrow(1, start, count)?.contiguous()?;
                let logits =
                    pass.logits(&part.into())?.value().to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
                let width = logits.len() / count;
                (start..).zip(logits.chunks_exact(width)).for_each(|(at, logits)| take(at, logits));
            }
            Ok(())
        })
    }

    fn check_head(&self, who: &str, wanted: &str) -> Result<()> {
        let (head, kind) = (self.head(), self.config().model_type());
        if head == wanted {
            return Ok(());
        }
        let verb = if wanted == token::HEAD.name { "tags words" } else { "classifies texts" };
        Err(Error::new(who, format!("a {kind} with a {head} head is not one that {verb}"))
            .help(format!("open it with `#{{ head: \"{wanted}\", labels: [...] }}`, and train it")))
    }

    fn fit(&self, who: &str, tokenizer: &Tokenizer, plan: &LogitsPlan) -> Result<Fit> {
        self.check_vocabulary(who, tokenizer)?;
        if plan.batch_size == 0 {
            bail!(who, "batch_size 0: a batch has at least one text");
        }
        let room = self.config().max_positions;
        let max_length = plan.max_length.unwrap_or(512).min(room);
        Ok(Fit { max_length: Some(max_length), overlap: Some(plan.overlap) })
    }

    /// Passes `take` the logits of each window (at index 0), or of each of its tokens.
    fn each_window(
        &self,
        windows: &[Window],
        plan: &LogitsPlan,
        mut take: impl FnMut(usize, usize, &[f32]),
    ) -> Result<()> {
        let labels = self.config().labels;
        // sorted by length, so that batches cost about the same
        let mut order: Vec<usize> = (0..windows.len()).collect();
        order.sort_by_key(|&at| (std::cmp::Reverse(windows[at].inputs.len()), at));
        let of_tokens = self.head() == token::HEAD.name;
        for batch in order.chunks(plan.batch_size) {
            cancel::check()?;
            let logits = self.packed_logits(windows, batch)?;
            let mut rows = logits.chunks_exact(labels);
            for &window in batch {
                let count = if of_tokens { windows[window].inputs.len() } else { 1 };
                for (place, logits) in rows.by_ref().take(count).enumerate() {
                    take(window, place, logits);
                }
            }
        }
        Ok(())
    }

    /// The outputs of windows as the segments of one row: nothing is padded.
    fn packed_logits(&self, windows: &[Window], batch: &[usize]) -> Result<Vec<f32>> {
        let (mut ids, mut segments, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for (segment, &at) in batch.iter().enumerate() {
            ids.extend(&windows[at].inputs.ids);
            types.extend(&windows[at].inputs.type_ids);
            segments.resize(ids.len(), segment as u32 + 1);
        }
        let typed = self.config().token_types > 0;
        let rows = TokenRows {
            rows: 1,
            length: ids.len(),
            ids: &ids,
            segments: Some(&segments),
            token_types: typed.then_some(&types),
            ..TokenRows::default()
        };
        let logits = no_grad(|| self.forward(&rows))?.value();
        Ok(logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }
}

/// For each token of a window the word whose first token it is, if the word belongs to that window.
fn firsts(inputs: &Inputs, own: impl Fn(u32) -> bool) -> Vec<Option<u32>> {
    let mut before = None;
    let first = |word: &Option<u32>| {
        let first = word.filter(|word| Some(*word) != before && own(*word));
        before = *word;
        first
    };
    inputs.word_ids.iter().map(first).collect()
}
