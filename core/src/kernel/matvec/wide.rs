//! The dot products of decoding by AVX-512. One row of the matrix at a time, so that memory is read as one stream: four parallel
//! streams reached two thirds of the rate (22 instead of 34 GB/s on a Zen 4 with two cores).

use crate::kernel::matrix::Values;
use half::bf16;
use std::arch::x86_64::*;
use std::ops::Range;

/// See [`super::rows`]. Only on a processor with AVX-512.
pub fn rows(x: &[f32], k: usize, w: Values, stride: usize, range: Range<usize>, y: &mut [f32]) {
    assert!(stride >= k && x.len().is_multiple_of(k), "rows of another width");
    let count = range.len();
    let mut start = 0;
    while start < x.len() / k {
        // the same sums for many rows as for one, in one pass over the matrix
        let some = match x.len() / k - start {
            8.. => 8,
            4.. => 4,
            _ => 1,
        };
        let (x, y) = (&x[start * k..(start + some) * k], &mut y[start * count..(start + some) * count]);
        // SAFETY: `super::rows` checked the processor; lengths are checked inside
        unsafe {
            match (w, some) {
                (Values::F32(w), 8) => f32_rows::<8, 2>(x, k, &w[range.start * stride..], stride, y),
                (Values::F32(w), 4) => f32_rows::<4, 1>(x, k, &w[range.start * stride..], stride, y),
                (Values::F32(w), _) => f32_rows::<1, 1>(x, k, &w[range.start * stride..], stride, y),
                (Values::Bf16(w), 8) => bf16_rows::<8, 2>(x, k, &w[range.start * stride..], stride, y),
                (Values::Bf16(w), 4) => bf16_rows::<4, 1>(x, k, &w[range.start * stride..], stride, y),
                (Values::Bf16(w), _) => bf16_rows::<1, 1>(x, k, &w[range.start * stride..], stride, y),
            }
        }
        start += some;
    }
}

/// Prefetch distance in bytes.
const AHEAD: usize = 4096;

/// Defines the product of M rows of `x` with rows of `w`, N at a time, for one type of number: `$load` loads sixteen from an
/// address as f32, `$some` those under a mask, zeros elsewhere.
macro_rules! dots {
    ($name:ident, $kind:ty, $load:expr, $some:expr) => {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
        fn $name<const M: usize, const N: usize>(x: &[f32], k: usize, w: &[$kind], stride: usize, y: &mut [f32]) {
            let count = y.len() / M;
            assert!(x.len() == M * k && w.len() >= (count - 1) * stride + k, "rows beyond the matrix");
            let whole = k / 16 * 16;
            for first in (0..count).step_by(N) {
                let mut rows = [&w[..k]; N];
                for (i, row) in rows.iter_mut().enumerate() {
                    *row = &w[(first + i).min(count - 1) * stride..][..k];
                }
                let mut sums = [[_mm512_setzero_ps(); N]; M];
                for at in (0..whole).step_by(16) {
                    // SAFETY: 16 numbers from `at` are inside each row of w and of x; a prefetch may use any address
                    unsafe {
                        let mut ws = [_mm512_setzero_ps(); N];
                        for i in 0..N {
                            let place = rows[i].as_ptr().add(at);
                            ws[i] = $load(place);
                            if at % (64 / size_of::<$kind>()) == 0 {
                                _mm_prefetch(place.wrapping_byte_add(AHEAD).cast(), _MM_HINT_T0);
                            }
                        }
                        for m in 0..M {
                            let x = _mm512_loadu_ps(x.as_ptr().add(m * k + at));
                            for i in 0..N {
                                sums[m][i] = _mm512_fmadd_ps(x, ws[i], sums[m][i]);
                            }
                        }
                    }
                }
                let rest: __mmask16 = (1 << (k - whole)) - 1;
                for m in 0..M {
                    for i in 0..N.min(count - first) {
                        // SAFETY: each row has at least as many more numbers as the mask has ones
                        y[m * count + first + i] = unsafe {
                            let x = _mm512_maskz_loadu_ps(rest, x.as_ptr().add(m * k + whole));
                            let w = $some(rest, rows[i].as_ptr().add(whole));
                            folded(_mm512_mask3_fmadd_ps(x, w, sums[m][i], rest))
                        };
                    }
                }
            }
        }
    };
}

dots!(f32_rows, f32, |place: *const f32| _mm512_loadu_ps(place), |mask, place: *const f32| {
    _mm512_maskz_loadu_ps(mask, place)
});
dots!(
    bf16_rows,
    bf16,
    |place: *const bf16| {
        let sixteen = _mm512_cvtepu16_epi32(_mm256_loadu_si256(place.cast()));
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(sixteen))
    },
    |mask, place: *const bf16| {
        let sixteen = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, place.cast()));
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(sixteen))
    }
);

/// The total of sixteen partial sums, in the order of [`fold`](crate::kernel::math::fold).
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn folded(sums: __m512) -> f32 {
    let eight = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps::<1>(sums));
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}
