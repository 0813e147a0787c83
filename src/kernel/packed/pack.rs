//! Operands in steps of 32 bits along the inner dimension: a number in f32, or two neighbours in bf16, the first one
//! low.

use super::{MR, NR, STRIDE, each};
use crate::kernel::product::{Matrix, Precision, Values};
use half::bf16;
use std::arch::x86_64::*;

/// Packs `count` ≤ 32 columns of `b` from `start` into `[steps][32]`, zeros beyond.
pub fn columns(b: Matrix, from: usize, inner: usize, start: usize, count: usize, to: &mut [u32], precision: Precision) {
    assert!(count <= NR && to.len() >= inner.div_ceil(each(precision)) * NR, "the panel of b is too short");
    b.check(from + inner, start + count);
    let (dense, to) = (b.columns == 1, to.as_mut_ptr());
    let stride = if dense { b.rows } else { b.columns };
    let at = if dense { from * stride + start } else { start * stride + from };
    // SAFETY: `takes` says that the processor has the instructions; what is read was checked, what is written asserted
    unsafe {
        match (b.values, precision, dense) {
            (Values::F32(v), Precision::F32, true) => lay::<f32, NR>(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), Precision::F32, true) => lay::<bf16, NR>(v.as_ptr().add(at), stride, inner, count, to),
            (Values::F32(v), Precision::F32, false) => turned(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), Precision::F32, false) => turned(v.as_ptr().add(at), stride, inner, count, to),
            (Values::F32(v), Precision::Bf16, true) => weave::<f32, NR>(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), Precision::Bf16, true) => weave::<bf16, NR>(v.as_ptr().add(at), stride, inner, count, to),
            (Values::F32(v), Precision::Bf16, false) => turned_pairs(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), Precision::Bf16, false) => turned_pairs(v.as_ptr().add(at), stride, inner, count, to),
        }
    }
}

/// Packs `count` ≤ 12 rows of `a` from `top`: rows of steps `STRIDE` apart where the rows are dense, else `[steps][12]`.
pub fn rows(a: Matrix, top: usize, count: usize, from: usize, inner: usize, to: &mut [u32], precision: Precision) {
    let steps = inner.div_ceil(each(precision));
    a.check(top + count, from + inner);
    if a.columns != 1 {
        assert!(count <= MR && to.len() >= MR * steps, "the panel of a is too short");
        let (at, stride, to) = (from * a.columns + top, a.columns, to.as_mut_ptr());
        // SAFETY: as above
        return unsafe {
            match (a.values, precision) {
                (Values::F32(v), Precision::F32) => lay::<f32, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::Bf16(v), Precision::F32) => lay::<bf16, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::F32(v), Precision::Bf16) => weave::<f32, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::Bf16(v), Precision::Bf16) => weave::<bf16, MR>(v.as_ptr().add(at), stride, inner, count, to),
            }
        };
    }
    assert!(steps.next_multiple_of(16) <= STRIDE + 8 && to.len() >= MR * STRIDE, "the panel of a is too short");
    for i in 0..MR {
        let row = &mut to[i * STRIDE..][..steps];
        if i >= count {
            row.fill(0);
            continue;
        }
        let (at, row) = ((top + i) * a.rows + from, row.as_mut_ptr());
        // SAFETY: as above
        unsafe {
            match (a.values, precision) {
                (Values::F32(v), Precision::F32) => copy(v.as_ptr().add(at), inner, row),
                (Values::Bf16(v), Precision::F32) => copy(v.as_ptr().add(at), inner, row),
                (Values::F32(v), Precision::Bf16) => convert(v.as_ptr().add(at), inner, row),
                (Values::Bf16(v), Precision::Bf16) => convert(v.as_ptr().add(at), inner, row),
            }
        }
    }
}

/// Numbers that can be loaded as f32 and as bf16.
trait Load: Copy {
    /// Sixteen of them as f32, those outside `mask` zero.
    unsafe fn whole(from: *const Self, mask: __mmask16) -> __m512i;

    /// Sixteen of them as bf16, those outside `mask` zero.
    unsafe fn half(from: *const Self, mask: __mmask16) -> __m256i;

    /// The first `count` of 32.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn full(from: *const Self, count: usize) -> __m512i {
        // SAFETY: as promised by the caller; nothing past `count` is read
        unsafe {
            let low = Self::half(from, mask(count));
            let high = Self::half(from.wrapping_add(16), mask(count.saturating_sub(16)));
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        }
    }
}

#[inline(always)]
fn mask(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as u16
}

impl Load for f32 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    unsafe fn whole(from: *const f32, mask: __mmask16) -> __m512i {
        // SAFETY: as promised by the caller
        unsafe { _mm512_maskz_loadu_epi32(mask, from.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn half(from: *const f32, mask: __mmask16) -> __m256i {
        // SAFETY: as promised by the caller; the conversion is between types of 256 bits
        unsafe { std::mem::transmute(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from))) }
    }
}

impl Load for bf16 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    unsafe fn whole(from: *const bf16, mask: __mmask16) -> __m512i {
        // SAFETY: as promised by the caller
        unsafe { _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from.cast()))) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn half(from: *const bf16, mask: __mmask16) -> __m256i {
        // SAFETY: as promised by the caller
        unsafe { _mm256_maskz_loadu_epi16(mask, from.cast()) }
    }
}

/// One dense row of `inner` numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn copy<T: Load>(from: *const T, inner: usize, to: *mut u32) {
    for at in (0..inner).step_by(16) {
        let seen = mask(inner - at);
        // SAFETY: reads and writes are masked to what is left
        unsafe { _mm512_mask_storeu_epi32(to.add(at).cast(), seen, T::whole(from.add(at), seen)) };
    }
}

/// Rows along the inner dimension, as `[inner][WIDTH]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn lay<T: Load, const WIDTH: usize>(from: *const T, stride: usize, inner: usize, count: usize, to: *mut u32) {
    for row in 0..inner {
        for column in (0..WIDTH).step_by(16) {
            let seen = mask(count.saturating_sub(column));
            // SAFETY: reads are masked to `count` columns, writes to `WIDTH`
            unsafe {
                let numbers = T::whole(from.add(row * stride).wrapping_add(column), seen);
                _mm512_mask_storeu_epi32(to.add(row * WIDTH + column).cast(), mask(WIDTH - column), numbers);
            }
        }
    }
}

/// Columns along the inner dimension (each of `count` ≤ 32 dense), as `[inner][32]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn turned<T: Load>(from: *const T, stride: usize, inner: usize, count: usize, to: *mut u32) {
    for half in 0..2 {
        for at in (0..inner).step_by(16) {
            let left = inner - at;
            let mut rows = [_mm512_setzero_si512(); 16];
            for (i, row) in rows.iter_mut().enumerate() {
                if half * 16 + i < count {
                    // SAFETY: this column is there, and the read is masked to what is left of it
                    *row = unsafe { T::whole(from.add((half * 16 + i) * stride + at), mask(left)) };
                }
            }
            for (i, numbers) in turn(rows).iter().enumerate().take(left) {
                // SAFETY: at + i is below `inner`
                unsafe { _mm512_storeu_si512(to.add((at + i) * NR + half * 16).cast(), *numbers) };
            }
        }
    }
}

/// One dense row of `inner` numbers as pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn convert<T: Load>(from: *const T, inner: usize, to: *mut u32) {
    for at in (0..inner).step_by(32) {
        let left = inner - at;
        // SAFETY: reads and writes are masked to what is left
        unsafe {
            let pairs = T::full(from.add(at), left);
            _mm512_mask_storeu_epi32(to.add(at / 2).cast(), mask(left.div_ceil(2)), pairs);
        }
    }
}

/// Rows along the inner dimension: pairs of rows woven into `[pairs][WIDTH]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn weave<T: Load, const WIDTH: usize>(from: *const T, stride: usize, inner: usize, count: usize, to: *mut u32) {
    let order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
        16, 0,
    );
    for pair in 0..inner.div_ceil(2) {
        for column in (0..WIDTH).step_by(16) {
            let seen = mask(count.saturating_sub(column));
            let second = if 2 * pair + 1 < inner { seen } else { 0 };
            // SAFETY: reads are masked to `count` columns and to rows below `inner`, writes to `WIDTH`
            unsafe {
                let at = from.add(2 * pair * stride).wrapping_add(column);
                let low = T::half(at, seen);
                let high = T::half(at.wrapping_add(stride), second);
                let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
                let woven = _mm512_permutexvar_epi16(order, both);
                _mm512_mask_storeu_epi32(to.add(pair * WIDTH + column).cast(), mask(WIDTH - column), woven);
            }
        }
    }
}

/// Columns along the inner dimension (each of `count` ≤ 32 dense): turned into `[pairs][32]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn turned_pairs<T: Load>(from: *const T, stride: usize, inner: usize, count: usize, to: *mut u32) {
    for half in 0..2 {
        for at in (0..inner).step_by(32) {
            let left = inner - at;
            let mut rows = [_mm512_setzero_si512(); 16];
            for (i, row) in rows.iter_mut().enumerate() {
                if half * 16 + i < count {
                    // SAFETY: this column is there, and the read is masked to what is left of it
                    *row = unsafe { T::full(from.add((half * 16 + i) * stride + at), left) };
                }
            }
            for (i, pairs) in turn(rows).iter().enumerate().take(left.div_ceil(2)) {
                // SAFETY: pair at/2 + i is below the number of pairs
                unsafe { _mm512_storeu_si512(to.add((at / 2 + i) * NR + half * 16).cast(), *pairs) };
            }
        }
    }
}

/// A 16 × 16 transpose of 32-bit numbers.
#[inline]
#[target_feature(enable = "avx512f")]
fn turn(r: [__m512i; 16]) -> [__m512i; 16] {
    let mut t = r;
    for i in (0..16).step_by(2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    let mut u = t;
    for i in (0..16).step_by(4) {
        u[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    // u[4q + c] holds, in its 128-bit lane l, column 4l + c of rows 4q..4q+4
    let mut out = r;
    for c in 0..4 {
        let low = _mm512_shuffle_i32x4::<0x88>(u[c], u[4 + c]); // lanes 0, 2 of rows 0..8
        let odd = _mm512_shuffle_i32x4::<0xdd>(u[c], u[4 + c]); // lanes 1, 3
        let low2 = _mm512_shuffle_i32x4::<0x88>(u[8 + c], u[12 + c]);
        let odd2 = _mm512_shuffle_i32x4::<0xdd>(u[8 + c], u[12 + c]);
        out[c] = _mm512_shuffle_i32x4::<0x88>(low, low2);
        out[8 + c] = _mm512_shuffle_i32x4::<0xdd>(low, low2);
        out[4 + c] = _mm512_shuffle_i32x4::<0x88>(odd, odd2);
        out[12 + c] = _mm512_shuffle_i32x4::<0xdd>(odd, odd2);
    }
    out
}
