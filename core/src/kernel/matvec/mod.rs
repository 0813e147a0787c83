//! Products of a few rows with a matrix, for decoding, as fast as the matrix can be read.
//!
//! Every result is one dot product with sixteen partial sums: a row's results do not depend on the number of rows.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod wide;

use super::cpu::{Level, level};
use super::math::{fma, fold, simd};
use super::matrix::{Matrix, Values};
use super::team::Board;
use half::bf16;
use rayon::prelude::*;
use std::ops::Range;

/// More rows than this use the matmul kernels.
const ROWS: usize = 4;
/// The same limit if rows share one read of the matrix: packing pays from more rows on.
pub const WIDE_ROWS: usize = 32;
/// Numbers of the matrix per task.
const PIECE: usize = 1 << 15;

/// Whether [`multiply`] supports this: few rows, and both operands dense in one dimension.
pub fn supports(m: usize, a: &Matrix, b: &Matrix) -> bool {
    let wide = b.rows == 1 && level() >= Level::Avx2;
    let most = if wide { WIDE_ROWS } else { ROWS };
    m <= most && a.columns == 1 && matches!(a.values, Values::F32(_)) && (b.rows == 1 || b.columns == 1)
}

/// A number of the matrix, as f32.
trait Wide: Copy + Sync {
    fn wide(self) -> f32;
}

impl Wide for f32 {
    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }
}

impl Wide for bf16 {
    #[inline(always)]
    fn wide(self) -> f32 {
        f32::from_bits((self.to_bits() as u32) << 16)
    }
}

/// Dot products of `x` with rows of `w`, `stride` apart.
#[inline(always)]
fn dots<const FMA: bool, T: Wide>(x: &[f32], w: &[T], stride: usize, y: &mut [f32]) {
    let whole = x.len() / 16 * 16;
    for (i, y) in y.iter_mut().enumerate() {
        let w = &w[i * stride..][..x.len()];
        let mut sums = [0f32; 16];
        for (x, w) in x.chunks_exact(16).zip(w.chunks_exact(16)) {
            step::<FMA, T>(x.try_into().expect("sixteen"), w, &mut sums);
        }
        for ((x, w), sum) in x[whole..].iter().zip(&w[whole..]).zip(&mut sums) {
            *sum = fma::<FMA>(*x, w.wide(), *sum);
        }
        *y = fold(&sums);
    }
}

/// Adds sixteen products to sixteen sums.
#[inline(always)]
fn step<const FMA: bool, T: Wide>(x: &[f32; 16], w: &[T], sums: &mut [f32; 16]) {
    let w: &[T; 16] = w.try_into().expect("sixteen");
    for i in 0..16 {
        sums[i] = fma::<FMA>(x[i], w[i].wide(), sums[i]);
    }
}

simd! {
    fn dots_f32(x: &[f32], w: &[f32], stride: usize, y: &mut [f32]) {
        dots::<FMA, f32>(x, w, stride, y)
    }
}

simd! {
    fn dots_bf16(x: &[f32], w: &[bf16], stride: usize, y: &mut [f32]) {
        dots::<FMA, bf16>(x, w, stride, y)
    }
}

/// Dot products of every row of `x` (`k` numbers each) with these rows of `w` (`stride` apart), concatenated in `y`, the first
/// row of `x` first.
pub fn rows(x: &[f32], k: usize, w: Values, stride: usize, range: Range<usize>, y: &mut [f32]) {
    if range.is_empty() || k == 0 {
        return y.fill(0.0);
    }
    assert_eq!(y.len() * k, x.len() * range.len(), "results of another size");
    #[cfg(target_arch = "x86_64")]
    match level() {
        Level::Plain => {}
        Level::Avx2 => return avx2::rows(x, k, w, stride, range, y),
        Level::Avx512 | Level::Bf16 | Level::Amx => return wide::rows(x, k, w, stride, range, y),
    }
    plain_rows(x, k, w, stride, range, y);
}

/// [`rows`] in portable code: for processors without AVX2, and as a reference for tests.
pub fn plain_rows(x: &[f32], k: usize, w: Values, stride: usize, range: Range<usize>, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(k).zip(y.chunks_exact_mut(range.len())) {
        match w {
            Values::F32(w) => dots_f32(x, &w[range.start * stride..], stride, y),
            Values::Bf16(w) => dots_bf16(x, &w[range.start * stride..], stride, y),
        }
    }
}

/// y += Σ x[i] · (row i of `w`, from column `from`)
#[inline(always)]
fn sums<const FMA: bool, T: Wide>(x: &[f32], w: &[T], stride: usize, from: usize, y: &mut [f32]) {
    for (i, x) in x.iter().enumerate() {
        let w = &w[i * stride + from..][..y.len()];
        for (y, w) in y.iter_mut().zip(w) {
            *y = fma::<FMA>(*x, w.wide(), *y);
        }
    }
}

simd! {
    fn sums_f32(x: &[f32], w: &[f32], stride: usize, from: usize, y: &mut [f32]) {
        sums::<FMA, f32>(x, w, stride, from, y)
    }
}

simd! {
    fn sums_bf16(x: &[f32], w: &[bf16], stride: usize, from: usize, y: &mut [f32]) {
        sums::<FMA, bf16>(x, w, stride, from, y)
    }
}

/// Sets `out [m, n]` to `a [m, k] · b [k, n]`, or adds that to it. Only if [`supports`] returns true.
pub fn multiply(out: &mut [f32], [m, n, k]: [usize; 3], a: Matrix, b: Matrix, add: bool) {
    let Values::F32(values) = a.values else { unreachable!("supports() asks for f32") };
    let step = (PIECE / k.max(1)).max(16).next_multiple_of(16);
    let transposed = b.rows == 1 && b.columns >= k;
    let out = Board::new(&mut out[..m * n]);
    let x: Vec<f32> = (0..m).flat_map(|i| &values[i * a.rows..][..k]).copied().collect();
    let work = |piece: usize| {
        let range = piece * step..n.min((piece + 1) * step);
        // SAFETY: these columns belong to this task alone
        let part = |i: usize| unsafe { out.write(i * n + range.start..i * n + range.end) };
        if transposed {
            let mut y = vec![0.0; m * range.len()];
            rows(&x, k, b.values, b.columns, range.clone(), &mut y);
            for (i, y) in y.chunks_exact(range.len()).enumerate() {
                if add {
                    super::math::add_scaled(part(i), 1.0, y);
                } else {
                    part(i).copy_from_slice(y);
                }
            }
            return;
        }
        for (i, x) in x.chunks_exact(k).enumerate() {
            let y = part(i);
            if !add {
                y.fill(0.0);
            }
            match b.values {
                Values::F32(w) => sums_f32(x, w, b.rows, range.start, y),
                Values::Bf16(w) => sums_bf16(x, w, b.rows, range.start, y),
            }
        }
    };
    if n > step { (0..n.div_ceil(step)).into_par_iter().for_each(work) } else { work(0) }
}
