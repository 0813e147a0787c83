//! The order of the rows in the weights of a GGUF file, and in ours.

use crate::Result;
use crate::kernel::quant::Blocks;
use crate::model::config::Config;
use crate::tensor::Array;

/// From the order of llama.cpp's rows in each of `heads` heads to that of Hugging Face.
pub fn deinterleave(config: &Config, heads: usize, array: Array) -> Result<Array> {
    let dims = array.dims().to_vec();
    let columns = array.elem_count() / (heads * config.head_dim);
    let ordered = array.reshape((heads, config.head_dim / 2, 2, columns))?.transpose(1, 2)?.contiguous()?;
    Ok(ordered.reshape(dims)?)
}

/// As [`deinterleave`], for rows that are read into blocks: which of llama.cpp's rows of a head comes where.
pub fn deinterleaved(config: &Config) -> Vec<usize> {
    (0..2).flat_map(|part| (0..config.head_dim / 2).map(move |at| 2 * at + part)).collect()
}

/// The inverse of [`deinterleave`]: from the order of Hugging Face to that of llama.cpp.
pub fn interleave(config: &Config, heads: usize, array: Array) -> Result<Array> {
    let dims = array.dims().to_vec();
    let columns = array.elem_count() / (heads * config.head_dim);
    let ordered = array.reshape((heads, 2, config.head_dim / 2, columns))?.transpose(1, 2)?.contiguous()?;
    Ok(ordered.reshape(dims)?)
}

/// As [`interleave`], for rows that stay in their blocks.
pub fn interleave_blocks(config: &Config, heads: usize, blocks: &Blocks) -> Result<Blocks> {
    let half = config.head_dim / 2;
    let row = |head: usize, at: usize, part: usize| head * config.head_dim + part * half + at;
    let order: Vec<usize> =
        (0..heads).flat_map(|head| (0..half).flat_map(move |at| (0..2).map(move |part| row(head, at, part)))).collect();
    blocks.reordered(&order)
}
