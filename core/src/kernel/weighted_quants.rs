//! Quantization to ggml's kinds with 32 numbers per block, weighted by an importance matrix: `quantize_row_q*_impl` in
//! `ggml-quants.c` of llama.cpp (MIT).

use super::scale_search::{Search, affine, nearest, stored, symmetric};

/// Numbers in a block.
const BLOCK: usize = 32;

/// Packs 4-bit numbers into 16 bytes: the first half in the low nibbles, the second in the high ones.
fn pack_4(levels: &[u8; BLOCK], to: &mut [u8]) {
    to.iter_mut().enumerate().for_each(|(at, to)| *to = (levels[at] & 15) | (levels[at + 16] & 15) << 4);
}

/// The fifth bits of 32 levels, in four bytes.
fn pack_fifth(levels: &[u8; BLOCK], to: &mut [u8]) {
    let bits = levels.iter().enumerate().fold(0u32, |bits, (at, level)| bits | u32::from(level >> 4) << at);
    to.copy_from_slice(&bits.to_le_bytes());
}

/// Levels around 0; writes the scale.
fn around_zero(x: &[f32], weights: &[f32], half: i32, scale: &mut [u8]) -> [u8; BLOCK] {
    let mut levels = [0; BLOCK];
    let found = symmetric(x, half, Some(weights));
    stored(found.map_or(0.0, |(scale, _)| scale), scale);
    if let Some((_, by)) = found {
        levels.iter_mut().zip(x).for_each(|(to, x)| *to = (nearest(by * x).clamp(-half, half - 1) + half) as u8);
    }
    levels
}

/// Levels above a minimum; writes the scale and the minimum.
fn over_minimum(x: &[f32], weights: &[f32], most: i32, halves: &mut [u8]) -> [u8; BLOCK] {
    let search = Search { levels: most, ..Search::WEIGHTED };
    let found = affine(x, weights, &search);
    stored(found.scale, &mut halves[..2]);
    stored(-found.min, &mut halves[2..]);
    let mut levels = [0; BLOCK];
    levels.iter_mut().zip(found.levels(x, most)).for_each(|(to, level)| *to = level);
    levels
}

/// `d levels [16]`
pub fn q4_0(x: &[f32], weights: &[f32], to: &mut [u8]) {
    let (scale, packed) = to.split_at_mut(2);
    pack_4(&around_zero(x, weights, 8, scale), packed);
}

/// `d m levels [16]`
pub fn q4_1(x: &[f32], weights: &[f32], to: &mut [u8]) {
    let (halves, packed) = to.split_at_mut(4);
    pack_4(&over_minimum(x, weights, 15, halves), packed);
}

/// `d fifth bits [4] levels [16]`
pub fn q5_0(x: &[f32], weights: &[f32], to: &mut [u8]) {
    let (scale, rest) = to.split_at_mut(2);
    let (fifth, packed) = rest.split_at_mut(4);
    let levels = around_zero(x, weights, 16, scale);
    pack_fifth(&levels, fifth);
    pack_4(&levels, packed);
}

/// `d m fifth bits [4] levels [16]`
pub fn q5_1(x: &[f32], weights: &[f32], to: &mut [u8]) {
    let (halves, rest) = to.split_at_mut(4);
    let (fifth, packed) = rest.split_at_mut(4);
    let levels = over_minimum(x, weights, 31, halves);
    pack_fifth(&levels, fifth);
    pack_4(&levels, packed);
}
