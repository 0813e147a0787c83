//! Products of a few rows with a matrix: decoding. As fast as the matrix can be read.

use super::math::{fma, fold, simd};
use super::product::{Matrix, Values};
use half::bf16;
use rayon::prelude::*;

/// More rows than this are a product of matrices.
pub const ROWS: usize = 4;
/// Numbers of the matrix in one task.
const PIECE: usize = 1 << 15;

/// Whether [`multiply`] takes this: few rows, and both operands dense one way.
pub fn takes(m: usize, a: &Matrix, b: &Matrix) -> bool {
    m <= ROWS && a.columns == 1 && matches!(a.values, Values::F32(_)) && (b.rows == 1 || b.columns == 1)
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

/// Dots of `x` with rows of `w` that lie `stride` apart: four at a time, so that four streams of memory are read.
#[inline(always)]
fn dots<const FMA: bool, T: Wide>(x: &[f32], w: &[T], stride: usize, y: &mut [f32], add: bool) {
    let k = x.len();
    let mut start = 0;
    for y in y.chunks_mut(4) {
        let row = |i: usize| &w[start + i.min(y.len() - 1) * stride..][..k];
        let (w0, w1, w2, w3) = (row(0), row(1), row(2), row(3));
        let (mut s0, mut s1, mut s2, mut s3) = ([0f32; 16], [0f32; 16], [0f32; 16], [0f32; 16]);
        let whole = k / 16 * 16;
        for at in (0..whole).step_by(16) {
            let x: &[f32; 16] = x[at..at + 16].try_into().expect("sixteen");
            step::<FMA, T>(x, &w0[at..at + 16], &mut s0);
            step::<FMA, T>(x, &w1[at..at + 16], &mut s1);
            step::<FMA, T>(x, &w2[at..at + 16], &mut s2);
            step::<FMA, T>(x, &w3[at..at + 16], &mut s3);
        }
        let mut sums = [s0, s1, s2, s3];
        for (w, sums) in [w0, w1, w2, w3].into_iter().zip(&mut sums) {
            for ((x, w), sum) in x[whole..].iter().zip(&w[whole..]).zip(sums) {
                *sum = fma::<FMA>(*x, w.wide(), *sum);
            }
        }
        for (y, sums) in y.iter_mut().zip(&sums) {
            *y = fold(sums) + if add { *y } else { 0.0 };
        }
        start += 4 * stride;
    }
}

/// Sixteen products added to sixteen sums.
#[inline(always)]
fn step<const FMA: bool, T: Wide>(x: &[f32; 16], w: &[T], sums: &mut [f32; 16]) {
    let w: &[T; 16] = w.try_into().expect("sixteen");
    for i in 0..16 {
        sums[i] = fma::<FMA>(x[i], w[i].wide(), sums[i]);
    }
}

simd! {
    fn dots_f32(x: &[f32], w: &[f32], stride: usize, y: &mut [f32], add: bool) {
        dots::<FMA, f32>(x, w, stride, y, add)
    }
}

simd! {
    fn dots_bf16(x: &[f32], w: &[bf16], stride: usize, y: &mut [f32], add: bool) {
        dots::<FMA, bf16>(x, w, stride, y, add)
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

/// `out [m, n]` becomes `a [m, k] · b [k, n]`, or that is added to it. Only where [`takes`] says so.
pub fn multiply(out: &mut [f32], [m, n, k]: [usize; 3], a: Matrix, b: Matrix, add: bool) {
    let Values::F32(values) = a.values else { unreachable!("takes() asks for f32") };
    let step = (PIECE / k.max(1)).max(16).next_multiple_of(16);
    for (i, y) in out[..m * n].chunks_exact_mut(n).enumerate() {
        let x = &values[i * a.rows..][..k];
        let work = |(piece, y): (usize, &mut [f32])| {
            let from = piece * step;
            match (b.rows == 1 && b.columns >= k, b.values) {
                (true, Values::F32(w)) => dots_f32(x, &w[from * b.columns..], b.columns, y, add),
                (true, Values::Bf16(w)) => dots_bf16(x, &w[from * b.columns..], b.columns, y, add),
                (false, values) => {
                    if !add {
                        y.fill(0.0);
                    }
                    match values {
                        Values::F32(w) => sums_f32(x, w, b.rows, from, y),
                        Values::Bf16(w) => sums_bf16(x, w, b.rows, from, y),
                    }
                }
            }
        };
        if n > step {
            y.par_chunks_mut(step).enumerate().for_each(work);
        } else {
            work((0, y));
        }
    }
}
