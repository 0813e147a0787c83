//! Rounding to the K kinds of ggml: 256 numbers a block, in groups of 16 or 32 with a scale each, and the scales rounded too.
//!
//! The searches for scales are those of ggml's reference (`make_qx_quants`, `make_q3_quants`, `make_qkx2_quants` and `quantize_row_q*_K_ref`
//! in `ggml-quants.c` of llama.cpp, MIT), for blocks that are no worse than llama.cpp's: candle has those of an older version.

use half::f16;

/// Numbers in a block.
pub const BLOCK: usize = 256;
/// Groups whose largest number is below are zeros.
const TINY: f32 = 1e-15;

/// To the nearest whole number, of two the even one.
fn nearest(number: f32) -> i32 {
    number.round_ties_even() as i32
}

/// A scale as it is stored, and as it is read back.
fn stored(number: f32, to: &mut [u8]) -> f32 {
    let half = f16::from_f32(number);
    to.copy_from_slice(&half.to_le_bytes());
    half.to_f32()
}

/// How the levels of a group with a scale and a minimum are searched for.
struct Search {
    levels: i32,
    first: f32,
    steps: usize,
    /// By absolute errors in place of squares.
    absolute: bool,
}

/// The scale and the (negated) minimum with which levels from 0 to `search.levels` say a group best.
fn affine(x: &[f32], weights: &[f32], search: &Search) -> (f32, f32) {
    let most = search.levels as f32;
    let (mut min, max) = x.iter().fold((x[0], x[0]), |(min, max), &x| (min.min(x), max.max(x)));
    let sum_w: f32 = weights.iter().sum();
    let sum_x: f32 = x.iter().zip(weights).map(|(x, w)| w * x).sum();
    min = min.min(0.0);
    if max == min {
        return (0.0, -min);
    }
    let level = |x: f32, by: f32, min: f32| nearest(by * (x - min)).clamp(0, search.levels) as f32;
    // levels are those over `low`, the minimum that was the best before
    let error = |by: f32, low: f32, scale: f32, min: f32| -> f32 {
        let one = |(&x, &w): (&f32, &f32)| {
            let off = scale * level(x, by, low) + min - x;
            w * if search.absolute { off.abs() } else { off * off }
        };
        x.iter().zip(weights).map(one).sum()
    };
    let by = most / (max - min);
    let mut scale = 1.0 / by;
    let mut best = error(by, min, scale, min);
    for step in 0..=search.steps {
        let by = (search.first + 0.1 * step as f32 + most) / (max - min);
        let (mut sum_l, mut sum_l2, mut sum_xl) = (0.0f32, 0.0f32, 0.0f32);
        for (&x, &w) in x.iter().zip(weights) {
            let l = level(x, by, min);
            sum_l += w * l;
            sum_l2 += w * l * l;
            sum_xl += w * l * x;
        }
        let determinant = sum_w * sum_l2 - sum_l * sum_l;
        if determinant <= 0.0 {
            continue;
        }
        let mut this = (sum_w * sum_xl - sum_x * sum_l) / determinant;
        let mut this_min = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
        if this_min > 0.0 {
            (this_min, this) = (0.0, sum_xl / sum_l2);
        }
        let found = error(by, min, this, this_min);
        if found < best {
            (best, scale, min) = (found, this, this_min);
        }
    }
    (scale, -min)
}

/// The number that is farthest from 0.
fn extreme(x: &[f32]) -> f32 {
    x.iter().fold(0.0f32, |most, &x| if x.abs() > most.abs() { x } else { most })
}

/// The scale with which levels from -`half` to `half` - 1 say a group best, large numbers weighing more.
fn symmetric(x: &[f32], half: i32) -> f32 {
    let largest = extreme(x);
    if largest.abs() < TINY {
        return 0.0;
    }
    let sums = |by: f32| {
        x.iter().fold((0.0f32, 0.0f32), |(lx, l2), &x| {
            let (l, w) = (nearest(by * x).clamp(-half, half - 1) as f32, x * x);
            (lx + w * x * l, l2 + w * l * l)
        })
    };
    let (lx, l2) = sums(-(half as f32) / largest);
    let mut scale = if l2 == 0.0 { 0.0 } else { lx / l2 };
    let mut best = scale * lx;
    for step in (-9..=9).filter(|step| *step != 0) {
        let (lx, l2) = sums(-(half as f32 + 0.1 * step as f32) / largest);
        if l2 > 0.0 && lx * lx > best * l2 {
            scale = lx / l2;
            best = scale * lx;
        }
    }
    scale
}

/// As [`symmetric`] for 3 bits: levels are moved one at a time while that helps.
fn three_bits(x: &[f32]) -> f32 {
    let largest = extreme(x);
    if largest.abs() < TINY {
        return 0.0;
    }
    let by = -4.0 / largest;
    let mut levels: Vec<f32> = x.iter().map(|&x| nearest(by * x).clamp(-4, 3) as f32).collect();
    let (mut lx, mut l2) = (0.0f32, 0.0f32);
    for (&x, &l) in x.iter().zip(&levels) {
        lx += x * x * x * l;
        l2 += x * x * l * l;
    }
    for _ in 0..5 {
        let mut changed = false;
        for (&x, level) in x.iter().zip(&mut levels) {
            let w = x * x;
            let (rest_lx, rest_l2) = (lx - w * x * *level, l2 - w * *level * *level);
            if rest_lx <= 0.0 {
                continue;
            }
            let new = nearest(x * rest_l2 / rest_lx).clamp(-4, 3) as f32;
            let (new_lx, new_l2) = (rest_lx + w * x * new, rest_l2 + w * new * new);
            if new != *level && new_l2 > 0.0 && new_lx * new_lx * l2 > lx * lx * new_l2 {
                (*level, lx, l2, changed) = (new, new_lx, new_l2, true);
            }
        }
        if !changed {
            break;
        }
    }
    if l2 > 0.0 { lx / l2 } else { 0.0 }
}

/// Scales and minima of the groups of `width` numbers.
fn groups(x: &[f32], width: usize, weights: impl Fn(&[f32]) -> Vec<f32>, search: &Search) -> Vec<(f32, f32)> {
    x.chunks(width).map(|group| affine(group, &weights(group), search)).collect()
}

/// What large numbers of a group weigh more.
fn from_mean(group: &[f32]) -> Vec<f32> {
    let mean = (group.iter().map(|x| x * x).sum::<f32>() / group.len() as f32).sqrt();
    group.iter().map(|x| mean + x.abs()).collect()
}

fn largest(groups: &[(f32, f32)]) -> (f32, f32) {
    groups.iter().fold((0.0, 0.0), |(scale, min), group| (scale.max(group.0), min.max(group.1)))
}

fn inverse(most: f32, levels: f32) -> f32 {
    if most > 0.0 { levels / most } else { 0.0 }
}

/// Levels of a group by its scale and minimum as they are read back; without a scale as they are.
fn levels(x: &[f32], d: f32, dm: f32, most: i32, to: &mut [u8]) {
    if d != 0.0 {
        to.iter_mut().zip(x).for_each(|(to, x)| *to = nearest((x + dm) / d).clamp(0, most) as u8);
    }
}

/// Four numbers of 2 bits in a byte, 32 apart.
fn pack_2(levels: &[u8], to: &mut [u8]) {
    for (part, to) in levels.chunks(128).zip(to.chunks_mut(32)) {
        for (at, to) in to.iter_mut().enumerate() {
            *to = part[at] | part[at + 32] << 2 | part[at + 64] << 4 | part[at + 96] << 6;
        }
    }
}

/// `scales [16] levels [64] d dmin`
pub fn q2_k(x: &[f32], to: &mut [u8]) {
    let search = Search { levels: 3, first: -0.5, steps: 15, absolute: true };
    let groups = groups(x, 16, |group| group.iter().map(|x| x.abs()).collect(), &search);
    let (scale, min) = largest(&groups);
    let (by, by_min) = (inverse(scale, 15.0), inverse(min, 15.0));
    let (scales, rest) = to.split_at_mut(16);
    let (packed, halves) = rest.split_at_mut(64);
    let (d, dmin) = (stored(scale / 15.0, &mut halves[..2]), stored(min / 15.0, &mut halves[2..]));
    let mut all = [0; BLOCK];
    for (at, (group, own)) in groups.iter().zip(all.chunks_mut(16)).enumerate() {
        let (s, m) = (nearest(by * group.0) as u8, nearest(by_min * group.1) as u8);
        scales[at] = s | m << 4;
        levels(&x[16 * at..16 * at + 16], d * f32::from(s), dmin * f32::from(m), 3, own);
    }
    pack_2(&all, packed);
}

/// `high bits [32] levels [64] scales [12] d`
pub fn q3_k(x: &[f32], to: &mut [u8]) {
    let groups: Vec<f32> = x.chunks(16).map(three_bits).collect();
    let most = extreme(&groups);
    let (high, rest) = to.split_at_mut(32);
    let (packed, rest) = rest.split_at_mut(64);
    let (scales, d) = rest.split_at_mut(12);
    let by = if most == 0.0 { 0.0 } else { -32.0 / most };
    let d = stored(if most == 0.0 { 0.0 } else { 1.0 / by }, d);
    let (mut all, mut of_group) = ([0u8; BLOCK], [0i32; 16]);
    scales.fill(0);
    for (at, group) in groups.iter().enumerate() {
        of_group[at] = nearest(by * group).clamp(-32, 31);
        let bits = if most == 0.0 { 0 } else { (of_group[at] + 32) as u8 };
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
fn by_32(x: &[f32], search: &Search, to: &mut [u8]) -> [u8; BLOCK] {
    let groups = groups(x, 32, from_mean, search);
    let (scale, min) = largest(&groups);
    let (by, by_min) = (inverse(scale, 63.0), inverse(min, 63.0));
    let (halves, scales) = to.split_at_mut(4);
    let (d, dmin) = (stored(scale / 63.0, &mut halves[..2]), stored(min / 63.0, &mut halves[2..]));
    scales.fill(0);
    let mut all = [0; BLOCK];
    for (at, (group, own)) in groups.iter().zip(all.chunks_mut(32)).enumerate() {
        let (s, m) = (nearest(by * group.0).clamp(0, 63) as u8, nearest(by_min * group.1).clamp(0, 63) as u8);
        // 6 bits each: of the later four the upper 2 bits stand above those of the earlier four
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

/// Two numbers of 4 bits in a byte, 32 apart.
fn pack_4(levels: &[u8], to: &mut [u8]) {
    for (part, to) in levels.chunks(64).zip(to.chunks_mut(32)) {
        to.iter_mut().enumerate().for_each(|(at, to)| *to = (part[at] & 15) | (part[at + 32] & 15) << 4);
    }
}

/// `d dmin scales [12] levels [128]`
pub fn q4_k(x: &[f32], to: &mut [u8]) {
    let (head, packed) = to.split_at_mut(16);
    let all = by_32(x, &Search { levels: 15, first: -1.0, steps: 20, absolute: false }, head);
    pack_4(&all, packed);
}

/// `d dmin scales [12] high bits [32] levels [128]`
pub fn q5_k(x: &[f32], to: &mut [u8]) {
    let (head, rest) = to.split_at_mut(16);
    let (high, packed) = rest.split_at_mut(32);
    let all = by_32(x, &Search { levels: 31, first: -0.5, steps: 15, absolute: false }, head);
    high.fill(0);
    all.iter().enumerate().for_each(|(at, level)| high[at % 32] |= (level >> 4) << (at / 32));
    pack_4(&all, packed);
}

/// `low bits [128] high bits [64] scales [16] d`
pub fn q6_k(x: &[f32], to: &mut [u8]) {
    let groups: Vec<f32> = x.chunks(16).map(|group| symmetric(group, 32)).collect();
    let most = extreme(&groups);
    to.fill(0);
    if most.abs() < TINY {
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
