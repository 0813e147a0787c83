//! Quantizing to ggml's blocks: which kinds there are, and which a row of some width can have.
//!
//! The rounding is ggml's reference (`quantize_row_*_ref` of `ggml-quants.c`): what llama.cpp's own quantizer writes without an
//! importance matrix, to the byte for the kinds without `_k`.

use super::k_quants;
use super::quant::Blocks;
use super::view::view;
use super::{Array, DType};
use crate::{Error, Result, bail};
use candle_core::quantized::{GgmlType, k_quants::*};
use rayon::prelude::*;

pub use super::quant::word;
pub use candle_core::quantized::GgmlDType;

/// Rounds the numbers of a block to its bytes.
type Round = fn(&[f32], &mut [u8]);

/// What weights can be stored as beside f32, f16 and bf16: our word, the kind for rows that it does not divide, as
/// llama.cpp falls back (it has IQ4_NL where Q4_0 stands here for Q2_K and Q3_K).
const KINDS: &[(&str, GgmlDType, Option<&str>, Round)] = &[
    ("q4_0", GgmlDType::Q4_0, None, simple::<BlockQ4_0>),
    ("q4_1", GgmlDType::Q4_1, None, simple::<BlockQ4_1>),
    ("q5_0", GgmlDType::Q5_0, None, simple::<BlockQ5_0>),
    ("q5_1", GgmlDType::Q5_1, None, simple::<BlockQ5_1>),
    ("q8_0", GgmlDType::Q8_0, None, simple::<BlockQ8_0>),
    ("q2_k", GgmlDType::Q2K, Some("q4_0"), k_quants::q2_k),
    ("q3_k", GgmlDType::Q3K, Some("q4_0"), k_quants::q3_k),
    ("q4_k", GgmlDType::Q4K, Some("q5_0"), k_quants::q4_k),
    ("q5_k", GgmlDType::Q5K, Some("q5_1"), k_quants::q5_k),
    ("q6_k", GgmlDType::Q6K, Some("q8_0"), k_quants::q6_k),
];

/// The words of [`quantized`].
pub const WORDS: [&str; 10] = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"];

/// The kind of blocks that is called so.
pub fn quantized(word: &str) -> Option<GgmlDType> {
    KINDS.iter().find(|(known, ..)| *known == word).map(|(_, kind, ..)| *kind)
}

/// The kind itself where rows of `columns` numbers divide into its blocks, else the one that stands in for it; `None` where none
/// does.
pub fn fitting(kind: GgmlDType, columns: usize) -> Option<GgmlDType> {
    if columns.is_multiple_of(kind.block_size()) {
        return Some(kind);
    }
    let (_, _, instead, _) = KINDS.iter().find(|(_, known, ..)| *known == kind)?;
    quantized((*instead)?).filter(|kind| columns.is_multiple_of(kind.block_size()))
}

/// Rows in blocks of `size` numbers, each of `bytes` bytes, on all threads.
fn rows(numbers: &[f32], size: usize, bytes: usize, round: impl Fn(&[f32], &mut [u8]) + Sync) -> Vec<u8> {
    let mut all = vec![0; numbers.len() / size * bytes];
    let each = |(numbers, to): (&[f32], &mut [u8])| {
        numbers.chunks(size).zip(to.chunks_mut(bytes)).for_each(|(numbers, to)| round(numbers, to));
    };
    numbers.par_chunks(PART * size).zip(all.par_chunks_mut(PART * bytes)).for_each(each);
    all
}

/// Blocks that one thread takes at a time.
const PART: usize = 64;

/// By candle, whose rounding to these kinds is ggml's.
fn simple<T: GgmlType>(numbers: &[f32], to: &mut [u8]) {
    let mut block = [T::zeros()];
    T::from_float(numbers, &mut block);
    // SAFETY: the block types are plain numbers without padding, and any numbers are bytes
    let (_, bytes, _) = unsafe { block.align_to::<u8>() };
    to.copy_from_slice(bytes);
}

impl Blocks {
    /// A matrix in blocks of this kind along its rows.
    pub fn quantize(kind: GgmlDType, matrix: &Array) -> Result<Blocks> {
        let (count, columns) = matrix.dims2()?;
        if !columns.is_multiple_of(kind.block_size()) {
            let error = format!("rows of {columns} numbers don't divide into blocks of {}", kind.block_size());
            return Err(Error::new("quantize", error));
        }
        let matrix = matrix.to_dtype(DType::F32)?.contiguous()?;
        let numbers = view::<f32>(&matrix)?;
        let numbers: &[f32] = &numbers;
        let Some((.., round)) = KINDS.iter().find(|(_, known, ..)| *known == kind) else {
            bail!("quantize", "weights can't be quantized to {kind:?}");
        };
        let bytes = rows(numbers, kind.block_size(), kind.type_size(), round);
        Blocks::new(kind, [count, columns], &bytes)
    }
}
