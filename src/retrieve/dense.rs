//! Dense search: passages and questions as vectors from a model's hidden states.

use crate::model::{Model, TokenRows};
use crate::tensor::{DType, no_grad};
use crate::token::Tokenizer;
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;

/// Encodes a text as the mean of a model's last hidden states over its tokens.
#[derive(Clone)]
pub struct PassageEncoder {
    pub net: Model,
    pub tok: Tokenizer,
    /// Maximum number of tokens of a text; the rest is truncated.
    pub max_length: usize,
    /// Texts in a batch.
    pub batch_size: usize,
}

/// Passages as unit vectors around their common center.
pub struct Dense {
    reader: PassageEncoder,
    hidden: usize,
    vectors: Vec<f32>,
    center: Vec<f32>,
}

impl Dense {
    /// The hidden states of a language model share a large common component, which makes any two texts similar; so the mean over
    /// all passages is subtracted (Mu and Viswanath 2018, "All-but-the-top").
    pub fn new<S: AsRef<str> + Sync>(texts: &[S], reader: PassageEncoder) -> Result<Dense> {
        let hidden = reader.net.config().hidden;
        let mut vectors = reader.read(texts)?;
        let mut center = vec![0.0; hidden];
        if texts.len() > 1 {
            for (at, sum) in center.iter_mut().enumerate() {
                let sum_of: f64 = vectors.iter().skip(at).step_by(hidden).map(|&x| f64::from(x)).sum();
                *sum = (sum_of / texts.len() as f64) as f32;
            }
        }
        vectors.chunks_mut(hidden).for_each(|vector| towards(vector, &center));
        Ok(Dense { reader, hidden, vectors, center })
    }

    /// Existing vectors, with the encoder that made them.
    pub fn of(reader: PassageEncoder, vectors: Vec<f32>, center: Vec<f32>) -> Result<Dense> {
        let hidden = reader.net.config().hidden;
        if hidden != center.len() {
            bail!("index", "its vectors have {} numbers, the states of this model {hidden}", center.len());
        }
        Ok(Dense { reader, hidden, vectors, center })
    }

    /// An error where the model encodes the first passage differently than when the vectors were made.
    pub fn check(&self, texts: &[String]) -> Result<()> {
        const NEAR: f32 = 1e-2;
        let mut now = self.reader.read(&texts[..texts.len().min(1)])?;
        towards(&mut now, &self.center);
        let apart = now.iter().zip(&self.vectors).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
        if apart.is_nan() || apart > NEAR {
            return Err(Error::new(
                "index",
                format!("its vectors are of another model: its first passage lies {apart:.2} off"),
            )
            .help("give the model and the tokenizer that it was made with"));
        }
        Ok(())
    }

    pub fn hidden(&self) -> usize {
        self.hidden
    }

    pub fn reader(&self) -> &PassageEncoder {
        &self.reader
    }

    /// All vectors, concatenated.
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    pub fn center(&self) -> &[f32] {
        &self.center
    }

    /// The cosine of every passage with each query, in passage order.
    pub fn scores<S: AsRef<str> + Sync>(&self, queries: &[S]) -> Result<Vec<Vec<(usize, f64)>>> {
        let mut found = self.reader.read(queries)?;
        let by_query = found.chunks_mut(self.hidden).map(|query| {
            cancel::check()?;
            towards(query, &self.center);
            let query = &*query;
            let cosine = |vector: &[f32]| vector.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
            let scores = self.vectors.par_chunks(self.hidden).map(|vector| f64::from(cosine(vector)));
            Ok(scores.enumerate().collect())
        });
        by_query.collect()
    }
}

/// A vector relative to `center`, scaled to length 1. A vector equal to the center becomes 0: it has no direction.
fn towards(vector: &mut [f32], center: &[f32]) {
    vector.iter_mut().zip(center).for_each(|(x, middle)| *x -= middle);
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32;
    if length > 1e-12 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

impl PassageEncoder {
    /// A row of `hidden` numbers for each text; zeros for a text without tokens.
    fn read<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<f32>> {
        if self.max_length == 0 || self.batch_size == 0 {
            bail!("index", "max_length {} and batch_size {}: both are at least 1", self.max_length, self.batch_size);
        }
        let hidden = self.net.config().hidden;
        let mut ids = self.tok.encode_batch(texts, true)?;
        ids.iter_mut().for_each(|ids| ids.truncate(self.max_length));
        // texts of similar length together, for little padding
        let mut order: Vec<usize> = (0..ids.len()).filter(|&at| !ids[at].is_empty()).collect();
        order.sort_by_key(|&at| (ids[at].len(), at));
        let mut vectors = vec![0.0; ids.len() * hidden];
        for batch in order.chunks(self.batch_size) {
            cancel::check()?;
            let rows: Vec<&[u32]> = batch.iter().map(|&at| ids[at].as_slice()).collect();
            for (&at, mean) in batch.iter().zip(self.means(&rows, hidden)?) {
                vectors[at * hidden..(at + 1) * hidden].copy_from_slice(&mean);
            }
        }
        Ok(vectors)
    }

    fn means(&self, rows: &[&[u32]], hidden: usize) -> Result<Vec<Vec<f32>>> {
        let length = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let padded =
            |row: &&[u32]| row.iter().copied().chain(std::iter::repeat_n(0, length - row.len())).collect::<Vec<_>>();
        let ids: Vec<u32> = rows.iter().flat_map(padded).collect();
        let segments: Vec<u32> = rows.iter().flat_map(|row| (0..length).map(|at| u32::from(at < row.len()))).collect();
        let batch =
            TokenRows { rows: rows.len(), length, ids: &ids, segments: Some(&segments), ..TokenRows::default() };
        let states = no_grad(|| self.net.hidden_states(&batch))?.value().to_dtype(DType::F32)?.flatten_all()?;
        let states = states.to_vec1::<f32>()?;
        let mean = |(row, ids): (usize, &&[u32])| {
            let states = &states[row * length * hidden..];
            let sum = |at: usize| (0..ids.len()).map(|place| f64::from(states[place * hidden + at])).sum::<f64>();
            (0..hidden).map(|at| (sum(at) / ids.len() as f64) as f32).collect()
        };
        Ok(rows.iter().enumerate().map(mean).collect())
    }
}
