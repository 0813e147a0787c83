//! Quantization to ggml's K-quants: blocks of 256 numbers, in groups of 16 or 32 with a scale each, and the scales quantized too.
//!
//! The blocks equal llama.cpp's: without `weights` those of `quantize_row_q*_K_ref`, with them those of `quantize_row_q*_K_impl`
//! (`ggml-quants.c` of llama.cpp, MIT). candle implements an older version.

use super::scale_search::{Search, affine, extreme, is_tiny, nearest, positive, stored, symmetric, three_bits};

/// Numbers in a block.
pub const BLOCK: usize = 256;

/// The weight of each number if an importance matrix is given.
pub type Weights<'a> = Option<&'a [f32]>;

/// Scales and minima of the groups of `width` numbers, with `weights` or the kind's own.
fn groups(
    x: &[f32],
    width: usize,
    weights: Weights,
    own: impl Fn(&[f32]) -> Vec<f32>,
    search: &Search,
) -> Vec<(f32, f32)> {
    let group = |(at, group): (usize, &[f32])| {
        let found = match weights {
            None => affine(group, &own(group), search),
            Some(weights) => {
                let search = Search { levels: search.levels, ..Search::WEIGHTED };
                affine(group, &weights[at * width..][..width], &search)
            }
        };
        (found.scale, found.min)
    };
    x.chunks(width).enumerate().map(group).collect()
}

/// Weights that favor the large numbers of a group.
fn from_mean(group: &[f32]) -> Vec<f32> {
    let mean = (group.iter().map(|x| x * x).sum::<f32>() / group.len() as f32).sqrt();
    group.iter().map(|x| mean + x.abs()).collect()
}

/// The sums of the weights of the groups of `width` numbers.
fn sums(weights: &[f32], width: usize) -> Vec<f32> {
    weights.chunks(width).map(|group| group.iter().sum()).collect()
}

/// Scales or minima of groups as levels from 0 to `most`, and the unit of a level: by the largest, or minimizing the error of
/// groups with large weights.
fn rounded(scales: &[f32], most: i32, group_weights: Option<&[f32]>) -> (f32, Vec<u8>) {
    if let Some(weights) = group_weights {
        return positive(scales, most, weights);
    }
    let largest = scales.iter().fold(0.0f32, |largest, &scale| largest.max(scale));
    let by = if largest > 0.0 { most as f32 / largest } else { 0.0 };
    (largest / most as f32, scales.iter().map(|scale| nearest(by * scale).clamp(0, most) as u8).collect())
}

/// Levels of a group by its scale and minimum as they are read back; unchanged without a scale.
fn levels(x: &[f32], d: f32, dm: f32, most: i32, to: &mut [u8]) {
    if d != 0.0 {
        to.iter_mut().zip(x).for_each(|(to, x)| *to = nearest((x + dm) / d).clamp(0, most) as u8);
    }
}

/// Packs four 2-bit numbers, 32 apart, into a byte.
fn pack_2(levels: &[u8], to: &mut [u8]) {
    for (part, to) in levels.chunks(128).zip(to.chunks_mut(32)) {
        for (at, to) in to.iter_mut().enumerate() {
            *to = part[at] | part[at + 32] << 2 | part[at + 64] << 4 | part[at + 96] << 6;
        }
    }
}

/// `scales [16] levels [64] d dmin`
pub fn q2_k(x: &[f32], weights: Weights, to: &mut [u8]) {
    let search = Search { levels: 3, first: -0.5, step: 0.1, steps: 15, absolute: true };
    let groups = groups(x, 16, weights, |group| group.iter().map(|x| x.abs()).collect(), &search);
    let (of_scales, of_mins): (Vec<f32>, Vec<f32>) = groups.into_iter().unzip();
    let by_group = weights.map(|weights| sums(weights, 16));
    let (scale, scale_levels) = rounded(&of_scales, 15, by_group.as_deref());
    let (min, min_levels) = rounded(&of_mins, 15, by_group.as_deref());
    let (scales, rest) = to.split_at_mut(16);
    let (packed, halves) = rest.split_at_mut(64);
    let (d, dmin) = (stored(scale, &mut halves[..2]), stored(min, &mut halves[2..]));
    let mut all = [0; BLOCK];
    for (at, own) in all.chunks_mut(16).enumerate() {
        let (s, m) = (scale_levels[at], min_levels[at]);
        scales[at] = s | m << 4;
        levels(&x[16 * at..16 * at + 16], d * f32::from(s), dmin * f32::from(m), 3, own);
    }
    pack_2(&all, packed);
}

/// The block scale of Q3_K, and the group scales as levels from -32 to 31.
fn q3_k_scales(x: &[f32], weights: Weights) -> (f32, Vec<i32>) {
    let Some(weights) = weights else {
        let groups: Vec<f32> = x.chunks(16).map(three_bits).collect();
        let most = extreme(&groups);
        let by = if most == 0.0 { 0.0 } else { -32.0 / most };
        let own = |group: &f32| if most == 0.0 { -32 } else { nearest(by * group).clamp(-32, 31) };
        return (if most == 0.0 { 0.0 } else { 1.0 / by }, groups.iter().map(own).collect());
    };
    let group = |(x, weights)| symmetric(x, 4, Some(weights)).map_or(0.0, |(scale, _)| scale);
    let groups: Vec<f32> = x.chunks(16).zip(weights.chunks(16)).map(group).collect();
    match symmetric(&groups, 32, Some(&sums(weights, 16))) {
        Some((scale, by)) => (scale, groups.iter().map(|group| nearest(by * group).clamp(-32, 31)).collect()),
        None => (0.0, vec![-32; groups.len()]),
    }
}

/// `high bits [32] levels [64] scales [12] d`
pub fn q3_k(x: &[f32], weights: Weights, to: &mut [u8]) {
    let (scale, of_group) = q3_k_scales(x, weights);
    let (high, rest) = to.split_at_mut(32);
    let (packed, rest) = rest.split_at_mut(64);
    let (scales, d) = rest.split_at_mut(12);
    let d = stored(scale, d);
    let mut all = [0u8; BLOCK];
    scales.fill(0);
    for (at, group) in of_group.iter().enumerate() {
        let bits = (group + 32) as u8;
        scales[at % 8] |= (bits & 15) << (4 * (at / 8));
        scales[8 + at % 4] |= (bits >> 4) << (2 * (at / 4));
    }
    for (at, own) in all.chunks_mut(16).enumerate() {
        let d = d * of_group[at] as f32;
        for (to, x) in own.iter_mut().zip(&x[16 * at..]) {
            *to = if d == 0.0 { 4 } else { (nearest(x / d).clamp(-4, 3) + 4) as u8 };
        }
    }
    high.fill(0);
    for (at, level) in all.iter_mut().enumerate() {
        high[at % 32] |= (*level >> 2) << (at / 32);
        *level &= 3;
    }
    pack_2(&all, packed);
}

/// The groups of Q4_K and Q5_K: `d dmin scales [12]`, and the levels.
fn by_32(x: &[f32], weights: Weights, search: &Search, to: &mut [u8]) -> [u8; BLOCK] {
    let groups = groups(x, 32, weights, from_mean, search);
    let (of_scales, of_mins): (Vec<f32>, Vec<f32>) = groups.into_iter().unzip();
    let by_group = weights.map(|weights| sums(weights, 32));
    let (scale, scale_levels) = rounded(&of_scales, 63, by_group.as_deref());
    let (min, min_levels) = rounded(&of_mins, 63, by_group.as_deref());
    let (halves, scales) = to.split_at_mut(4);
    let (d, dmin) = (stored(scale, &mut halves[..2]), stored(min, &mut halves[2..]));
    scales.fill(0);
    let mut all = [0; BLOCK];
    for (at, own) in all.chunks_mut(32).enumerate() {
        let (s, m) = (scale_levels[at], min_levels[at]);
        // 6 bits each: the upper 2 bits of the last four are stored above those of the first four
        if at < 4 {
            scales[at] |= s;
            scales[at + 4] |= m;
        } else {
            scales[at + 4] = (s & 15) | (m & 15) << 4;
            scales[at - 4] |= (s >> 4) << 6;
            scales[at] |= (m >> 4) << 6;
        }
        levels(&x[32 * at..32 * at + 32], d * f32::from(s), dmin * f32::from(m), search.levels, own);
    }
    all
}

/// Packs two 4-bit numbers, 32 apart, into a byte.
fn pack_4(levels: &[u8], to: &mut [u8]) {
    for (part, to) in levels.chunks(64).zip(to.chunks_mut(32)) {
        to.iter_mut().enumerate().for_each(|(at, to)| *to = (part[at] & 15) | (part[at + 32] & 15) << 4);
    }
}

/// `d dmin scales [12] levels [128]`
pub fn q4_k(x: &[f32], weights: Weights, to: &mut [u8]) {
    let (head, packed) = to.split_at_mut(16);
    let search = Search { levels: 15, first: -1.0, step: 0.1, steps: 20, absolute: false };
    let all = by_32(x, weights, &search, head);
    pack_4(&all, packed);
}

/// `d dmin scales [12] high bits [32] levels [128]`
pub fn q5_k(x: &[f32], weights: Weights, to: &mut [u8]) {
    let (head, rest) = to.split_at_mut(16);
    let (high, packed) = rest.split_at_mut(32);
    let search = Search { levels: 31, first: -0.5, step: 0.1, steps: 15, absolute: false };
    let all = by_32(x, weights, &search, head);
    high.fill(0);
    all.iter().enumerate().for_each(|(at, level)| high[at % 32] |= (level >> 4) << (at / 32));
    pack_4(&all, packed);
}

/// `low bits [128] high bits [64] scales [16] d`
pub fn q6_k(x: &[f32], weights: Weights, to: &mut [u8]) {
    let of_group = |at: usize| weights.map(|weights| &weights[16 * at..16 * at + 16]);
    let group = |(at, group): (usize, &[f32])| symmetric(group, 32, of_group(at)).map_or(0.0, |(scale, _)| scale);
    let groups: Vec<f32> = x.chunks(16).enumerate().map(group).collect();
    let most = extreme(&groups);
    to.fill(0);
    if is_tiny(most) {
        return;
    }
    let (low, rest) = to.split_at_mut(128);
    let (high, rest) = rest.split_at_mut(64);
    let (scales, d) = rest.split_at_mut(16);
    let by = -128.0 / most;
    let d = stored(1.0 / by, d);
    let mut all = [0u8; BLOCK];
    for (at, (group, own)) in groups.iter().zip(all.chunks_mut(16)).enumerate() {
        let scale = nearest(by * group).min(127);
        scales[at] = scale as i8 as u8;
        let d = d * scale as f32;
        for (to, x) in own.iter_mut().zip(&x[16 * at..]) {
            *to = if d == 0.0 { 32 } else { (nearest(x / d).clamp(-32, 31) + 32) as u8 };
        }
    }
    for (half, part) in all.chunks(128).enumerate() {
        for at in 0..32 {
            let four = [part[at], part[at + 32], part[at + 64], part[at + 96]];
            low[64 * half + at] = (four[0] & 15) | (four[2] & 15) << 4;
            low[64 * half + at + 32] = (four[1] & 15) | (four[3] & 15) << 4;
            high[32 * half + at] = four[0] >> 4 | (four[1] >> 4) << 2 | (four[2] >> 4) << 4 | (four[3] >> 4) << 6;
        }
    }
}
