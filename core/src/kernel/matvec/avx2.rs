//! The dot products of decoding by AVX2: as in [`super::wide`], in vectors of eight, with sums in the same order.

use crate::kernel::math::fold;
use crate::kernel::matrix::Values;
use half::bf16;
use std::arch::x86_64::*;
use std::ops::Range;

/// See [`super::rows`]. Only on a processor with AVX2.
pub fn rows(x: &[f32], k: usize, w: Values, stride: usize, range: Range<usize>, y: &mut [f32]) {
    assert!(stride >= k && x.len().is_multiple_of(k), "rows of another width");
    let count = range.len();
    let mut start = 0;
    while start < x.len() / k {
        // the same sums for four rows as for one, in one pass over the matrix
        let some = if x.len() / k - start >= 4 { 4 } else { 1 };
        let (x, y) = (&x[start * k..(start + some) * k], &mut y[start * count..(start + some) * count]);
        // SAFETY: `super::rows` checked the processor; lengths are checked inside
        unsafe {
            match (w, some) {
                (Values::F32(w), 4) => f32_rows::<4>(x, k, &w[range.start * stride..], stride, y),
                (Values::F32(w), _) => f32_rows::<1>(x, k, &w[range.start * stride..], stride, y),
                (Values::Bf16(w), 4) => bf16_rows::<4>(x, k, &w[range.start * stride..], stride, y),
                (Values::Bf16(w), _) => bf16_rows::<1>(x, k, &w[range.start * stride..], stride, y),
            }
        }
        start += some;
    }
}

/// Prefetch distance in bytes.
const AHEAD: usize = 4096;

/// Defines the product of M rows of `x` with rows of `w` for one kind of number: `$load` loads eight from an address as f32,
/// `$one` one.
macro_rules! dots {
    ($name:ident, $kind:ty, $load:expr, $one:expr) => {
        #[target_feature(enable = "avx2,fma")]
        fn $name<const M: usize>(x: &[f32], k: usize, w: &[$kind], stride: usize, y: &mut [f32]) {
            let count = y.len() / M;
            assert!(x.len() == M * k && w.len() >= (count - 1) * stride + k, "rows beyond the matrix");
            let whole = k / 16 * 16;
            for place in 0..count {
                let row = &w[place * stride..][..k];
                let mut sums = [[_mm256_setzero_ps(); 2]; M];
                for at in (0..whole).step_by(16) {
                    // SAFETY: 16 numbers from `at` are inside the row of w and of each x; a prefetch may use any address
                    unsafe {
                        let from = row.as_ptr().add(at);
                        let ws = [$load(from), $load(from.add(8))];
                        if at % (64 / size_of::<$kind>()) == 0 {
                            _mm_prefetch(from.wrapping_byte_add(AHEAD).cast(), _MM_HINT_T0);
                        }
                        for (m, sums) in sums.iter_mut().enumerate() {
                            let x = x.as_ptr().add(m * k + at);
                            sums[0] = _mm256_fmadd_ps(_mm256_loadu_ps(x), ws[0], sums[0]);
                            sums[1] = _mm256_fmadd_ps(_mm256_loadu_ps(x.add(8)), ws[1], sums[1]);
                        }
                    }
                }
                for (m, sums) in sums.iter().enumerate() {
                    let mut sixteen = [0f32; 16];
                    // SAFETY: eight numbers each
                    unsafe {
                        _mm256_storeu_ps(sixteen.as_mut_ptr(), sums[0]);
                        _mm256_storeu_ps(sixteen.as_mut_ptr().add(8), sums[1]);
                    }
                    for (sum, at) in sixteen.iter_mut().zip(whole..k) {
                        *sum = x[m * k + at].mul_add($one(row[at]), *sum);
                    }
                    y[m * count + place] = fold(&sixteen);
                }
            }
        }
    };
}

dots!(f32_rows, f32, |place: *const f32| _mm256_loadu_ps(place), |one: f32| one);
dots!(
    bf16_rows,
    bf16,
    |place: *const bf16| {
        let eight = _mm256_cvtepu16_epi32(_mm_loadu_si128(place.cast()));
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(eight))
    },
    |one: bf16| one.to_f32()
);
