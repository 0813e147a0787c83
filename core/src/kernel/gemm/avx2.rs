//! Panels and tiles of f32 for vectors of eight numbers. Panels of `b` have half the width of AVX-512 panels, and each result is
//! the same sum in the same order, so the bits are the same too.

use super::load::Load;
use super::prefetch::Prefetch;
use super::unit::AVX2_NR;
use std::arch::x86_64::*;

/// Rows of results held in registers, of two vectors each.
const ROWS: usize = 6;

/// Copies one dense row of `inner` numbers.
///
/// # Safety
/// As for [`super::layout`].
#[target_feature(enable = "avx2")]
pub unsafe fn copy_row<T: Load>(from: *const T, inner: usize, to: *mut u32) {
    for at in 0..inner {
        // SAFETY: as promised
        unsafe { *to.add(at) = (*from.add(at)).bits() };
    }
}

/// Copies rows along the inner dimension into `[inner][WIDTH]`.
///
/// # Safety
/// As for [`super::layout`].
#[target_feature(enable = "avx2")]
pub unsafe fn copy<T: Load, const WIDTH: usize>(
    from: *const T,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
) {
    for row in 0..inner {
        // SAFETY: as promised; a whole row is a loop of known length
        unsafe {
            let (from, to) = (from.add(row * stride), to.add(row * WIDTH));
            if count >= WIDTH {
                copy_row(from, WIDTH, to);
            } else {
                copy_row(from, count, to);
                (count..WIDTH).for_each(|at| *to.add(at) = 0);
            }
        }
    }
}

/// Transposes columns along the inner dimension (each of `count` ≤ 16 dense) into `[inner][16]`.
///
/// # Safety
/// As for [`super::layout`].
#[target_feature(enable = "avx2")]
pub unsafe fn transpose<T: Load>(from: *const T, stride: usize, inner: usize, count: usize, to: *mut u32) {
    for first in (0..AVX2_NR).step_by(8) {
        for at in (0..inner).step_by(8) {
            let left = inner - at;
            let mut rows = [_mm256_setzero_si256(); 8];
            for (i, row) in rows.iter_mut().enumerate() {
                if first + i < count {
                    // SAFETY: this column exists, with `left` numbers of it remaining
                    *row = unsafe { T::eight(from.add((first + i) * stride + at), left) };
                }
            }
            for (i, numbers) in transpose_8(rows).iter().enumerate().take(left) {
                // SAFETY: at + i is below `inner`
                unsafe { _mm256_storeu_si256(to.add((at + i) * AVX2_NR + first).cast(), *numbers) };
            }
        }
    }
}

/// An 8 × 8 transpose of 32-bit numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_8(r: [__m256i; 8]) -> [__m256i; 8] {
    let mut t = r;
    for i in (0..8).step_by(2) {
        t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    let mut u = t;
    for i in (0..8).step_by(4) {
        u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    // u[4q + c] holds, in its 128-bit lane l, column 4l + c of rows 4q..4q+4
    let mut out = r;
    for c in 0..4 {
        out[c] = _mm256_permute2x128_si256::<0x20>(u[c], u[4 + c]);
        out[4 + c] = _mm256_permute2x128_si256::<0x31>(u[c], u[4 + c]);
    }
    out
}

/// A tile as in [`super::tile`], of up to 12 × 16, in strips that fit the registers. `ROW` and `STEP` are the distances of
/// numbers of `a`.
///
/// # Safety
/// `a` and `b` are readable for `steps`, `out` writable for `high` rows of `wide`, `width` apart.
#[target_feature(enable = "avx2,fma")]
#[allow(clippy::too_many_arguments)]
pub unsafe fn tile<const ROW: usize, const STEP: usize>(
    steps: usize,
    a: *const u32,
    b: *const u32,
    out: *mut f32,
    width: usize,
    [high, wide]: [usize; 2],
    add: bool,
    prefetch: Prefetch,
) {
    let mut prefetch = Some(prefetch);
    for row in (0..high).step_by(ROWS) {
        let size = [ROWS.min(high - row), wide];
        // SAFETY: as promised; the next panel is prefetched once
        unsafe {
            let prefetch = prefetch.take().unwrap_or(Prefetch { from: b, pace: 0 });
            let (a, b, out) = (a.add(row * ROW).cast(), b.cast(), out.add(row * width));
            match size[0] {
                5.. => strip::<6, ROW, STEP>(steps, a, b, out, width, size, add, prefetch),
                3..=4 => strip::<4, ROW, STEP>(steps, a, b, out, width, size, add, prefetch),
                _ => strip::<2, ROW, STEP>(steps, a, b, out, width, size, add, prefetch),
            }
        }
    }
}

/// # Safety
/// See [`tile`]; `a` has `MOST` rows.
#[target_feature(enable = "avx2,fma")]
#[allow(clippy::too_many_arguments)]
unsafe fn strip<const MOST: usize, const ROW: usize, const STEP: usize>(
    steps: usize,
    mut a: *const f32,
    mut b: *const f32,
    out: *mut f32,
    width: usize,
    [high, wide]: [usize; 2],
    add: bool,
    mut prefetch: Prefetch,
) {
    // SAFETY: as promised; columns past `wide` are masked, rows past `high` are skipped
    unsafe {
        for i in 0..high {
            _mm_prefetch(out.add(i * width).cast(), _MM_HINT_T0);
        }
        let mut sums = [[_mm256_setzero_ps(); 2]; MOST];
        for _ in 0..steps {
            let (b0, b1) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = _mm256_broadcast_ss(&*a.add(i * ROW));
                sums[0] = _mm256_fmadd_ps(x, b0, sums[0]);
                sums[1] = _mm256_fmadd_ps(x, b1, sums[1]);
            }
            a = a.add(STEP);
            b = b.add(AVX2_NR);
            _mm_prefetch(prefetch.from.cast(), _MM_HINT_T1);
            prefetch.from = prefetch.from.wrapping_add(prefetch.pace);
        }
        let masks = [mask(wide), mask(wide.saturating_sub(8))];
        for (i, sums) in sums.iter().enumerate().take(high) {
            for (j, sum) in sums.iter().enumerate() {
                let at = out.wrapping_add(i * width + j * 8);
                if wide == AVX2_NR {
                    let old = if add { _mm256_loadu_ps(at) } else { _mm256_setzero_ps() };
                    _mm256_storeu_ps(at, _mm256_add_ps(old, *sum));
                } else {
                    let old = if add { _mm256_maskload_ps(at, masks[j]) } else { _mm256_setzero_ps() };
                    _mm256_maskstore_ps(at, masks[j], _mm256_add_ps(old, *sum));
                }
            }
        }
    }
}

/// A mask of the first `count` of eight.
#[inline]
#[target_feature(enable = "avx2")]
fn mask(count: usize) -> __m256i {
    let places = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(8) as i32), places)
}
