//! Searches for the scale and minimum of a group of numbers with the smallest error of integer levels: the searches of ggml
//! (`make_qx_quants`, `make_q3_quants`, `make_qkx2_quants`, `make_qkx3_quants` and `make_qp_quants` in `ggml-quants.c` of
//! llama.cpp, MIT).

use half::f16;

/// Groups whose largest number is below this are all zeros.
const TINY: f32 = 1e-15;

/// Rounds to the nearest integer, half to even.
pub fn nearest(number: f32) -> i32 {
    number.round_ties_even() as i32
}

/// A scale as it is stored, returned as it is read back.
pub fn stored(number: f32, to: &mut [u8]) -> f32 {
    let half = f16::from_f32(number);
    to.copy_from_slice(&half.to_le_bytes());
    half.to_f32()
}

/// Parameters of the search for a group's levels with a scale and a minimum.
pub struct Search {
    pub levels: i32,
    /// Added to `levels` for the first scale tried, and the increment for each of the `steps` after it.
    pub first: f32,
    pub step: f32,
    pub steps: usize,
    /// Minimizes absolute errors instead of squares.
    pub absolute: bool,
}

impl Search {
    /// The search of all kinds with an importance matrix, except for its levels.
    pub const WEIGHTED: Search = Search { levels: 0, first: -0.9, step: 0.05, steps: 36, absolute: false };
}

/// A scale and the (negated) minimum of a group, and the parameters that determined its levels: those of `by * (x - low)`.
#[derive(Clone, Copy)]
pub struct Affine {
    pub scale: f32,
    pub min: f32,
    by: f32,
    low: f32,
}

impl Affine {
    /// The levels found, from 0 to `most`.
    pub fn levels<'a>(&self, x: &'a [f32], most: i32) -> impl Iterator<Item = u8> + use<'a> {
        let Affine { by, low, .. } = *self;
        x.iter().map(move |x| nearest(by * (x - low)).clamp(0, most) as u8)
    }
}

/// The scale and the (negated) minimum for which levels from 0 to `search.levels` represent a group best.
pub fn affine(x: &[f32], weights: &[f32], search: &Search) -> Affine {
    let most = search.levels as f32;
    let (mut min, max) = x.iter().fold((x[0], x[0]), |(min, max), &x| (min.min(x), max.max(x)));
    let sum_w: f32 = weights.iter().sum();
    let sum_x: f32 = x.iter().zip(weights).map(|(x, w)| w * x).sum();
    min = min.min(0.0);
    if max == min {
        return Affine { scale: 0.0, min: -min, by: 0.0, low: min };
    }
    let level = |x: f32, by: f32, min: f32| nearest(by * (x - min)).clamp(0, search.levels) as f32;
    // levels are relative to `low`, the previous best minimum
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
    let mut found_by = (by, min);
    for step in 0..=search.steps {
        let by = (search.first + search.step * step as f32 + most) / (max - min);
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
            found_by = (by, min);
            (best, scale, min) = (found, this, this_min);
        }
    }
    Affine { scale, min: -min, by: found_by.0, low: found_by.1 }
}

/// The number farthest from 0.
pub fn extreme(x: &[f32]) -> f32 {
    x.iter().fold(0.0f32, |most, &x| if x.abs() > most.abs() { x } else { most })
}

/// Whether a group with this extreme is all zeros.
pub fn is_tiny(extreme: f32) -> bool {
    extreme.abs() < TINY
}

/// The scale for which levels from -`half` to `half` - 1 represent a group best, and the factor that determined the levels;
/// without weights large numbers weigh more. `None` for zeros.
pub fn symmetric(x: &[f32], half: i32, weights: Option<&[f32]>) -> Option<(f32, f32)> {
    let largest = extreme(x);
    if is_tiny(largest) {
        return None;
    }
    let sums = |by: f32| {
        x.iter().enumerate().fold((0.0f32, 0.0f32), |(lx, l2), (at, &x)| {
            let w = weights.map_or(x * x, |weights| weights[at]);
            let l = nearest(by * x).clamp(-half, half - 1) as f32;
            (lx + w * x * l, l2 + w * l * l)
        })
    };
    let mut found_by = -(half as f32) / largest;
    let (lx, l2) = sums(found_by);
    let mut scale = if l2 == 0.0 { 0.0 } else { lx / l2 };
    let mut best = scale * lx;
    for step in (-9..=9).filter(|step| *step != 0) {
        let by = -(half as f32 + 0.1 * step as f32) / largest;
        let (lx, l2) = sums(by);
        if l2 > 0.0 && lx * lx > best * l2 {
            (scale, found_by) = (lx / l2, by);
            best = scale * lx;
        }
    }
    Some((scale, found_by))
}

/// As [`symmetric`] for 3 bits: levels are moved one at a time while that reduces the error.
pub fn three_bits(x: &[f32]) -> f32 {
    let largest = extreme(x);
    if is_tiny(largest) {
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

/// The scale of nonnegative numbers, and their levels from 0 to `most`: the best of nine scales, with levels moved one at a time
/// while that reduces the error.
pub fn positive(x: &[f32], most: i32, weights: &[f32]) -> (f32, Vec<u8>) {
    let largest = x.iter().fold(0.0f32, |largest, &x| largest.max(x));
    if largest < TINY {
        return (0.0, vec![0; x.len()]);
    }
    let level = |by: f32, x: f32| nearest(by * x).clamp(0, most) as f32;
    let error = |by: f32| -> f32 {
        let scale = 1.0 / by;
        x.iter().zip(weights).fold(0.0, |sum, (&x, &w)| {
            let off = x - scale * level(by, x);
            sum + w * off * off
        })
    };
    let mut by = most as f32 / largest;
    let mut best = error(by);
    for step in (-4..=4).filter(|step| *step != 0) {
        let this = (0.1 * step as f32 + most as f32) / largest;
        let found = error(this);
        if found < best {
            (best, by) = (found, this);
        }
    }
    let mut levels: Vec<f32> = x.iter().map(|&x| level(by, x)).collect();
    let scale = moved(x, weights, &mut levels, most);
    (scale, levels.into_iter().map(|level| level as u8).collect())
}

/// Moves levels one at a time while that reduces the error, and returns the best scale for them.
fn moved(x: &[f32], weights: &[f32], levels: &mut [f32], most: i32) -> f32 {
    let (mut lx, mut l2) = (0.0f32, 0.0f32);
    for ((&x, &w), &l) in x.iter().zip(weights).zip(&*levels) {
        lx += w * x * l;
        l2 += w * l * l;
    }
    for _ in 0..5 {
        let mut changed = false;
        for ((&x, &w), level) in x.iter().zip(weights).zip(&mut *levels) {
            let (rest_lx, rest_l2) = (lx - w * x * *level, l2 - w * *level * *level);
            if rest_lx <= 0.0 || rest_l2 <= 0.0 {
                continue;
            }
            let new = nearest(x * rest_l2 / rest_lx).clamp(0, most) as f32;
            if new == *level {
                continue;
            }
            let (new_lx, new_l2) = (rest_lx + w * x * new, rest_l2 + w * new * new);
            if new_lx * new_lx * l2 > lx * lx * new_l2 {
                (*level, lx, l2, changed) = (new, new_lx, new_l2, true);
            }
        }
        if !changed {
            break;
        }
    }
    if l2 > 0.0 { lx / l2 } else { 0.0 }
}
