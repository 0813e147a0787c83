//! Quantization to ggml's blocks: the kinds, and those that fit a row width.
//!
//! The result equals llama.cpp's own quantizer byte for byte: ggml's reference (`quantize_row_*_ref` of `ggml-quants.c`), or with
//! an importance matrix of column weights `quantize_row_*_impl`.

use super::k_quants::{self, Weights};
use super::quant::Blocks;
use super::view::view;
use super::{Array, DType, weighted_quants};
use crate::{Error, Result, bail};
use candle_core::quantized::{GgmlType, k_quants::*};
use rayon::prelude::*;

pub use super::quant::word;
pub use candle_core::quantized::GgmlDType;

/// Quantizes the numbers of a block to its bytes, with weights if given.
type Round = fn(&[f32], Weights, &mut [u8]);

/// The weight of a number from the importance of its column: the importance itself, or more for numbers that are large relative
/// to the mean square of their row or block, counted once or twice.
#[derive(Clone, Copy)]
enum Weighing {
    Column,
    BesideRow,
    BesideBlock(f32),
}

/// A storage kind of weights besides f32, f16 and bf16.
struct Kind {
    word: &'static str,
    kind: GgmlDType,
    /// The fallback for rows not divisible by its block size, as in llama.cpp (which falls back from Q2_K and Q3_K to IQ4_NL, not
    /// Q4_0).
    instead: Option<&'static str>,
    round: Round,
    weighing: Weighing,
}

const fn kind(
    word: &'static str,
    kind: GgmlDType,
    instead: Option<&'static str>,
    round: Round,
    weighing: Weighing,
) -> Kind {
    Kind { word, kind, instead, round, weighing }
}

const KINDS: &[Kind] = &[
    kind("q4_0", GgmlDType::Q4_0, None, q4_0, Weighing::BesideRow),
    kind("q4_1", GgmlDType::Q4_1, None, q4_1, Weighing::BesideRow),
    kind("q5_0", GgmlDType::Q5_0, None, q5_0, Weighing::BesideRow),
    kind("q5_1", GgmlDType::Q5_1, None, q5_1, Weighing::BesideRow),
    // 8 bits are the same for any column weights
    kind("q8_0", GgmlDType::Q8_0, None, |x, _, to| simple::<BlockQ8_0>(x, to), Weighing::Column),
    kind("q2_k", GgmlDType::Q2K, Some("q4_0"), k_quants::q2_k, Weighing::BesideBlock(1.0)),
    kind("q3_k", GgmlDType::Q3K, Some("q4_0"), k_quants::q3_k, Weighing::BesideBlock(2.0)),
    kind("q4_k", GgmlDType::Q4K, Some("q5_0"), k_quants::q4_k, Weighing::BesideBlock(2.0)),
    kind("q5_k", GgmlDType::Q5K, Some("q5_1"), k_quants::q5_k, Weighing::BesideBlock(2.0)),
    kind("q6_k", GgmlDType::Q6K, Some("q8_0"), k_quants::q6_k, Weighing::Column),
];

/// The words accepted by [`quantized`].
pub const WORDS: [&str; 10] = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"];

/// The block kind of this name.
pub fn quantized(word: &str) -> Option<GgmlDType> {
    KINDS.iter().find(|known| known.word == word).map(|known| known.kind)
}

/// The kind itself if rows of `columns` numbers divide into its blocks, otherwise its fallback; `None` if neither fits.
pub fn fitting(kind: GgmlDType, columns: usize) -> Option<GgmlDType> {
    if columns.is_multiple_of(kind.block_size()) {
        return Some(kind);
    }
    let instead = KINDS.iter().find(|known| known.kind == kind)?.instead?;
    quantized(instead).filter(|kind| columns.is_multiple_of(kind.block_size()))
}

/// By candle, whose rounding to these kinds equals ggml's.
fn simple<T: GgmlType>(numbers: &[f32], to: &mut [u8]) {
    let mut block = [T::zeros()];
    T::from_float(numbers, &mut block);
    // SAFETY: the block types are plain numbers without padding, and any numbers are bytes
    let (_, bytes, _) = unsafe { block.align_to::<u8>() };
    to.copy_from_slice(bytes);
}

macro_rules! of_32 {
    ($($name:ident $block:ident)*) => {$(
        fn $name(x: &[f32], weights: Weights, to: &mut [u8]) {
            match weights {
                None => simple::<$block>(x, to),
                Some(weights) => weighted_quants::$name(x, weights, to),
            }
        }
    )*};
}

of_32! { q4_0 BlockQ4_0 q4_1 BlockQ4_1 q5_0 BlockQ5_0 q5_1 BlockQ5_1 }

fn mean_square(x: &[f32]) -> f32 {
    x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32
}

impl Weighing {
    /// The weights of the numbers of a row, in blocks of `size`.
    fn weights(self, row: &[f32], importance: &[f32], size: usize, to: &mut [f32]) {
        let of_row = match self {
            Weighing::Column => return to.copy_from_slice(importance),
            Weighing::BesideRow => Some(mean_square(row)),
            Weighing::BesideBlock(_) => None,
        };
        for ((x, own), to) in row.chunks(size).zip(importance.chunks(size)).zip(to.chunks_mut(size)) {
            let square = match self {
                Weighing::BesideBlock(times) => times * mean_square(x),
                _ => of_row.unwrap_or_default(),
            };
            for ((to, x), own) in to.iter_mut().zip(x).zip(own) {
                *to = own * (square + x * x).sqrt();
            }
        }
    }
}

impl Kind {
    /// Quantizes a row.
    fn row(&self, numbers: &[f32], importance: Option<&[f32]>, to: &mut [u8]) {
        let (size, bytes) = (self.kind.block_size(), self.kind.type_size());
        let weights = importance.map(|importance| {
            let mut weights = vec![0.0; numbers.len()];
            self.weighing.weights(numbers, importance, size, &mut weights);
            weights
        });
        for (at, (numbers, to)) in numbers.chunks(size).zip(to.chunks_mut(bytes)).enumerate() {
            (self.round)(numbers, weights.as_ref().map(|weights| &weights[at * size..(at + 1) * size]), to);
        }
    }
}

impl Blocks {
    /// Quantizes the rows of a matrix to blocks of this kind. With `importance`, a number for each column, errors in important
    /// columns are kept small at the cost of the others.
    pub fn quantize(kind: GgmlDType, matrix: &Array, importance: Option<&[f32]>) -> Result<Blocks> {
        let (count, columns) = matrix.dims2()?;
        if !columns.is_multiple_of(kind.block_size()) {
            let error = format!("rows of {columns} numbers don't divide into blocks of {}", kind.block_size());
            return Err(Error::new("quantize", error));
        }
        if let Some(importance) = importance.filter(|importance| importance.len() != columns) {
            bail!("quantize", "the importance of {} columns for a matrix of {columns}", importance.len());
        }
        let matrix = matrix.to_dtype(DType::F32)?.contiguous()?;
        let numbers = view::<f32>(&matrix)?;
        let numbers: &[f32] = &numbers;
        let Some(known) = KINDS.iter().find(|known| known.kind == kind) else {
            bail!("quantize", "weights can't be quantized to {kind:?}");
        };
        let row_bytes = columns / kind.block_size() * kind.type_size();
        let mut bytes = vec![0; count * row_bytes];
        if columns > 0 {
            let rows = numbers.par_chunks(columns).zip(bytes.par_chunks_mut(row_bytes));
            rows.for_each(|(row, to)| known.row(row, importance, to));
        }
        Blocks::new(kind, [count, columns], &bytes)
    }
}
