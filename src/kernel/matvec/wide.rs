//! The dot products of decoding by AVX-512: four rows of the matrix with four rows of input in registers, and the
//! next four rows of the matrix on their way from memory.

use crate::kernel::math::fold;
use crate::kernel::product::Values;
use half::bf16;
use std::arch::x86_64::*;
use std::ops::Range;

/// See [`super::rows`]. Only on a processor with AVX-512.
pub fn rows(x: &[f32], k: usize, w: Values, stride: usize, range: Range<usize>, y: &mut [f32]) {
    assert!(stride >= k && x.len().is_multiple_of(k), "rows of another width");
    let count = range.len();
    let mut start = 0;
    while start < x.len() / k {
        // the same sums for four rows as for one, in one reading of the matrix
        let some = if x.len() / k - start >= 4 { 4 } else { 1 };
        let (x, y) = (&x[start * k..(start + some) * k], &mut y[start * count..(start + some) * count]);
        // SAFETY: `super::rows` asked the processor; lengths are checked inside
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

/// Defines the product for one kind of number: `$load` gives sixteen of them from an address as f32.
macro_rules! product {
    ($name:ident, $kind:ty, $load:expr) => {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
        fn $name<const M: usize>(x: &[f32], k: usize, w: &[$kind], stride: usize, y: &mut [f32]) {
            let count = y.len() / M;
            assert!(x.len() == M * k && w.len() >= (count - 1) * stride + k, "rows beyond the matrix");
            let whole = k / 16 * 16;
            for first in (0..count).step_by(4) {
                let row = |i: usize| &w[(first + i.min(count - first - 1)) * stride..][..k];
                let four = [row(0), row(1), row(2), row(3)];
                let mut sums = [[_mm512_setzero_ps(); 4]; M];
                for at in (0..whole).step_by(16) {
                    // SAFETY: 16 numbers from `at` lie in each row of w and of x; a prefetch may name any address
                    unsafe {
                        let mut ws = [_mm512_setzero_ps(); 4];
                        for i in 0..4 {
                            let place = four[i].as_ptr().add(at);
                            ws[i] = $load(place);
                            if at % (64 / size_of::<$kind>()) == 0 {
                                _mm_prefetch(place.wrapping_add(4 * stride).cast(), _MM_HINT_T0);
                            }
                        }
                        for m in 0..M {
                            let x = _mm512_loadu_ps(x.as_ptr().add(m * k + at));
                            for i in 0..4 {
                                sums[m][i] = _mm512_fmadd_ps(x, ws[i], sums[m][i]);
                            }
                        }
                    }
                }
                for m in 0..M {
                    let x = &x[m * k..(m + 1) * k];
                    for i in 0..4.min(count - first) {
                        let mut sum = [0f32; 16];
                        // SAFETY: sixteen numbers fit
                        unsafe { _mm512_storeu_ps(sum.as_mut_ptr(), sums[m][i]) };
                        for ((x, w), sum) in x[whole..].iter().zip(&four[i][whole..]).zip(&mut sum) {
                            *sum = x.mul_add(super::Wide::wide(*w), *sum);
                        }
                        y[m * count + first + i] = fold(&sum);
                    }
                }
            }
        }
    };
}

product!(f32_rows, f32, |place: *const f32| _mm512_loadu_ps(place));
product!(bf16_rows, bf16, |place: *const bf16| {
    let sixteen = _mm512_cvtepu16_epi32(_mm256_loadu_si256(place.cast()));
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(sixteen))
});

/// Bytes of a Q8_0 block: a scale in f16, and 32 numbers.
const Q8: usize = 34;

/// See [`super::q8_rows`]. Only on a processor with AVX-512.
pub fn q8_rows(x: &[f32], k: usize, w: &[u8], y: &mut [f32]) {
    assert!(k > 0 && k.is_multiple_of(32) && x.len().is_multiple_of(k), "rows of another width");
    let count = w.len() / (k / 32 * Q8);
    for (x, y) in x.chunks_exact(k).zip(y.chunks_exact_mut(count)) {
        // SAFETY: `super::q8_rows` asked the processor; lengths are checked inside
        unsafe { q8_row(x, w, y) };
    }
}

/// Four rows at a time; two sums a row, the halves of each block.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")]
fn q8_row(x: &[f32], w: &[u8], y: &mut [f32]) {
    let (count, size) = (y.len(), x.len() / 32 * Q8);
    assert!(w.len() == count * size, "rows beyond the matrix");
    for first in (0..count).step_by(4) {
        let row = |i: usize| w[(first + i.min(count - first - 1)) * size..][..size].as_ptr();
        let four = [row(0), row(1), row(2), row(3)];
        let mut sums = [[_mm512_setzero_ps(); 2]; 4];
        for block in 0..x.len() / 32 {
            // SAFETY: a block of 34 bytes lies in each row, and 32 numbers in x
            unsafe {
                let low = _mm512_loadu_ps(x.as_ptr().add(block * 32));
                let high = _mm512_loadu_ps(x.as_ptr().add(block * 32 + 16));
                for i in 0..4 {
                    let place = four[i].add(block * Q8);
                    _mm_prefetch(place.wrapping_add(4 * size).cast(), _MM_HINT_T0);
                    let scale = _mm_cvtsi32_si128(i32::from(place.cast::<u16>().read_unaligned()));
                    let scale = _mm512_broadcastss_ps(_mm_cvtph_ps(scale));
                    let one = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(place.add(2).cast())));
                    let two = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(place.add(18).cast())));
                    sums[i][0] = _mm512_fmadd_ps(_mm512_mul_ps(one, scale), low, sums[i][0]);
                    sums[i][1] = _mm512_fmadd_ps(_mm512_mul_ps(two, scale), high, sums[i][1]);
                }
            }
        }
        for i in 0..4.min(count - first) {
            let mut sum = [0f32; 16];
            // SAFETY: sixteen numbers fit
            unsafe { _mm512_storeu_ps(sum.as_mut_ptr(), _mm512_add_ps(sums[i][0], sums[i][1])) };
            y[first + i] = fold(&sum);
        }
    }
}
