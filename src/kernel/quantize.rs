//! Quantizing to ggml's blocks: which kinds there are, and which a row of some width can have.
//!
//! The rounding is ggml's reference (`quantize_row_*_ref` of `ggml-quants.c`), so that a file has the bytes that llama.cpp's
//! own quantizer would write without an importance matrix.

use super::quant::{Blocks, by_kind};
use super::view::view;
use super::{Array, DType};
use crate::{Error, Result, bail};
use candle_core::quantized::{GgmlType, k_quants::*};
use rayon::prelude::*;

pub use candle_core::quantized::GgmlDType;

/// What weights can be stored as beside f32, f16 and bf16: our word, and the kind for rows that it does not divide, as
/// llama.cpp falls back (it has IQ4_NL where Q4_0 stands here for Q2_K and Q3_K).
const KINDS: &[(&str, GgmlDType, Option<&str>)] = &[
    ("q4_0", GgmlDType::Q4_0, None),
    ("q4_1", GgmlDType::Q4_1, None),
    ("q5_0", GgmlDType::Q5_0, None),
    ("q5_1", GgmlDType::Q5_1, None),
    ("q8_0", GgmlDType::Q8_0, None),
    ("q2_k", GgmlDType::Q2K, Some("q4_0")),
    ("q3_k", GgmlDType::Q3K, Some("q4_0")),
    ("q4_k", GgmlDType::Q4K, Some("q5_0")),
    ("q5_k", GgmlDType::Q5K, Some("q5_1")),
    ("q6_k", GgmlDType::Q6K, Some("q8_0")),
];

/// The words of [`quantized`].
pub const WORDS: [&str; 10] = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"];

/// The kind of blocks that is called so.
pub fn quantized(word: &str) -> Option<GgmlDType> {
    KINDS.iter().find(|(known, ..)| *known == word).map(|(_, kind, _)| *kind)
}

/// What a kind is called.
pub fn word(kind: GgmlDType) -> String {
    let known = KINDS.iter().find(|(_, known, _)| *known == kind);
    known.map_or_else(|| format!("{kind:?}").to_lowercase(), |(word, ..)| (*word).into())
}

/// The kind itself where rows of `columns` numbers divide into its blocks, else the one that stands in for it; `None` where none
/// does.
pub fn fitting(kind: GgmlDType, columns: usize) -> Option<GgmlDType> {
    if columns.is_multiple_of(kind.block_size()) {
        return Some(kind);
    }
    let (.., instead) = KINDS.iter().find(|(_, known, _)| *known == kind)?;
    quantized((*instead)?).filter(|kind| columns.is_multiple_of(kind.block_size()))
}

fn rows<T: GgmlType + Send>(numbers: &[f32], columns: usize) -> Vec<u8> {
    let mut blocks = vec![T::zeros(); numbers.len() / T::BLCK_SIZE];
    blocks
        .par_chunks_mut(columns / T::BLCK_SIZE)
        .zip(numbers.par_chunks(columns))
        .for_each(|(blocks, row)| T::from_float(row, blocks));
    // SAFETY: the block types are plain numbers without padding, and any numbers are bytes
    let (_, bytes, _) = unsafe { blocks.align_to::<u8>() };
    bytes.to_vec()
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
        let bytes = by_kind!(kind, rows(numbers, columns));
        Blocks::new(kind, [count, columns], &bytes)
    }
}
