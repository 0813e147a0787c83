//! The row order of weights in a GGUF file, and in ours.

use crate::Result;
use crate::kernel::quant::Blocks;
use crate::model::config::Config;
use crate::tensor::Array;

/// Converts the rows of each of `heads` heads from llama.cpp's order to Hugging Face's.
pub fn deinterleave(config: &Config, heads: usize, array: Array) -> Result<Array> {
    let dims = array.dims().to_vec();
    let columns = array.elem_count() / (heads * config.head_dim);
    let ordered = array.reshape((heads, config.head_dim / 2, 2, columns))?.transpose(1, 2)?.contiguous()?;
    Ok(ordered.reshape(dims)?)
}

/// Like [`deinterleave`], for rows read into blocks: the permutation of a head's rows.
pub fn deinterleaved(config: &Config) -> Vec<usize> {
    (0..2).flat_map(|part| (0..config.head_dim / 2).map(move |at| 2 * at + part)).collect()
}

/// The inverse of [`deinterleave`]: from Hugging Face's order to llama.cpp's.
pub fn interleave(config: &Config, heads: usize, array: Array) -> Result<Array> {
    let dims = array.dims().to_vec();
    let columns = array.elem_count() / (heads * config.head_dim);
    let ordered = array.reshape((heads, 2, config.head_dim / 2, columns))?.transpose(1, 2)?.contiguous()?;
    Ok(ordered.reshape(dims)?)
}

/// Like [`interleave`], for rows that stay quantized.
pub fn interleave_blocks(config: &Config, heads: usize, blocks: &Blocks) -> Result<Blocks> {
    let half = config.head_dim / 2;
    let row = |head: usize, at: usize, part: usize| head * config.head_dim + part * half + at;
    let order: Vec<usize> =
        (0..heads).flat_map(|head| (0..half).flat_map(move |at| (0..2).map(move |part| row(head, at, part)))).collect();
    blocks.reordered(&order)
}
