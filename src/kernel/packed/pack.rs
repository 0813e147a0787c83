//! Operands in steps of 32 bits along the inner dimension: a number in f32, or two neighbours in bf16, the first one
//! low.

use super::{MR, NR, STRIDE, TILE_ROWS, TILE_STEPS, Unit};
use crate::kernel::product::{Matrix, Values};
use half::bf16;
use std::arch::x86_64::*;

/// Packs `count` ≤ 32 columns of `b` from `start` into `[steps][32]`, zeros beyond.
pub fn columns(b: Matrix, from: usize, inner: usize, start: usize, count: usize, to: &mut [u32], unit: Unit) {
    let steps = inner.div_ceil(unit.each());
    assert!(count <= NR && to.len() >= unit.room(steps) * NR, "the panel of b is too short");
    b.check(from + inner, start + count);
    to[steps * NR..unit.room(steps) * NR].fill(0);
    let (dense, to) = (b.columns == 1, to.as_mut_ptr());
    let stride = if dense { b.rows } else { b.columns };
    let at = if dense { from * stride + start } else { start * stride + from };
    // SAFETY: `takes` says that the processor has the instructions; what is read was checked, what is written asserted
    unsafe {
        match (b.values, unit, dense) {
            (Values::F32(v), Unit::Numbers, true) => lay::<f32, NR>(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), Unit::Numbers, true) => lay::<bf16, NR>(v.as_ptr().add(at), stride, inner, count, to),
            (Values::F32(v), Unit::Numbers, false) => turned(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), Unit::Numbers, false) => turned(v.as_ptr().add(at), stride, inner, count, to),
            (Values::F32(v), _, true) => weave::<f32, NR>(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), _, true) => weave::<bf16, NR>(v.as_ptr().add(at), stride, inner, count, to),
            (Values::F32(v), _, false) => turned_pairs(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), _, false) => turned_pairs(v.as_ptr().add(at), stride, inner, count, to),
        }
    }
}

/// Packs `count` rows of `a` from `top`. For vectors at most 12: rows of steps `STRIDE` apart where the rows are dense,
/// else `[steps][12]`. For tiles at most 32: `[steps / 16][32][16]`.
pub fn rows(a: Matrix, top: usize, count: usize, from: usize, inner: usize, to: &mut [u32], unit: Unit) {
    let steps = inner.div_ceil(unit.each());
    a.check(top + count, from + inner);
    if unit == Unit::Tiles {
        return tiles(a, top, count, from, inner, to);
    }
    if a.columns != 1 {
        assert!(count <= MR && to.len() >= MR * steps, "the panel of a is too short");
        let (at, stride, to) = (from * a.columns + top, a.columns, to.as_mut_ptr());
        // SAFETY: as above
        return unsafe {
            match (a.values, unit) {
                (Values::F32(v), Unit::Numbers) => lay::<f32, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::Bf16(v), Unit::Numbers) => lay::<bf16, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::F32(v), _) => weave::<f32, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::Bf16(v), _) => weave::<bf16, MR>(v.as_ptr().add(at), stride, inner, count, to),
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
            match (a.values, unit) {
                (Values::F32(v), Unit::Numbers) => copy(v.as_ptr().add(at), inner, row),
                (Values::Bf16(v), Unit::Numbers) => copy(v.as_ptr().add(at), inner, row),
                (Values::F32(v), _) => convert(v.as_ptr().add(at), inner, row),
                (Values::Bf16(v), _) => convert(v.as_ptr().add(at), inner, row),
            }
        }
    }
}

/// Rows for tiles. What lies past `count` are old numbers, whose results nobody reads.
fn tiles(a: Matrix, top: usize, count: usize, from: usize, inner: usize, to: &mut [u32]) {
    let steps = inner.div_ceil(2).next_multiple_of(TILE_STEPS);
    assert!(count <= TILE_ROWS && to.len() >= steps * TILE_ROWS, "the panel of a is too short");
    let dense = a.columns == 1;
    let (at, stride) = if dense { (top * a.rows + from, a.rows) } else { (from * a.columns + top, a.columns) };
    let to = to.as_mut_ptr();
    // SAFETY: as above
    unsafe {
        match (a.values, dense) {
            (Values::F32(v), true) => tile_rows(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), true) => tile_rows(v.as_ptr().add(at), stride, inner, count, to),
            (Values::F32(v), false) => tile_columns(v.as_ptr().add(at), stride, inner, count, to),
            (Values::Bf16(v), false) => tile_columns(v.as_ptr().add(at), stride, inner, count, to),
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

/// `count` dense rows of `inner` numbers as pairs, into `[pairs / 16][32][16]`, zeros past `inner`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tile_rows<T: Load>(from: *const T, stride: usize, inner: usize, count: usize, to: *mut u32) {
    for row in 0..count {
        for at in (0..inner).step_by(32) {
            // SAFETY: reads are masked to what is left, and blocks written whole, as there is room for
            unsafe {
                let pairs = T::full(from.add(row * stride + at), inner - at);
                _mm512_storeu_si512(to.add((at / 32 * TILE_ROWS + row) * TILE_STEPS).cast(), pairs);
            }
        }
    }
}

/// Rows along the inner dimension, `count` of them, turned into `[pairs / 16][32][16]`, zeros past `inner`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tile_columns<T: Load>(from: *const T, stride: usize, inner: usize, count: usize, to: *mut u32) {
    for block in 0..inner.div_ceil(32) {
        for first in (0..count).step_by(16) {
            let mut pairs = [_mm512_setzero_si512(); 16];
            for (pair, woven) in pairs.iter_mut().enumerate().take((inner - block * 32).div_ceil(2)) {
                let row = block * 32 + 2 * pair;
                // SAFETY: reads are masked to `count` rows of `a` and to less than `inner`
                *woven = unsafe { weave_pair(from.add(row * stride + first), stride, count - first, row + 1 < inner) };
            }
            for (i, row) in turn(pairs).iter().enumerate() {
                // SAFETY: as there is room for
                unsafe { _mm512_storeu_si512(to.add((block * TILE_ROWS + first + i) * TILE_STEPS).cast(), *row) };
            }
        }
    }
}

/// The first 16 of `count` numbers, each paired with the one `stride` later, or with zero if there is no `second`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn weave_pair<T: Load>(from: *const T, stride: usize, count: usize, second: bool) -> __m512i {
    let order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
        16, 0,
    );
    let seen = mask(count);
    // SAFETY: reads are masked to `count`, and to nothing where there is no second row
    unsafe {
        let low = T::half(from, seen);
        let high = T::half(from.wrapping_add(stride), if second { seen } else { 0 });
        _mm512_permutexvar_epi16(order, _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high))
    }
}

/// Rows along the inner dimension: pairs of rows woven into `[pairs][WIDTH]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn weave<T: Load, const WIDTH: usize>(from: *const T, stride: usize, inner: usize, count: usize, to: *mut u32) {
    for pair in 0..inner.div_ceil(2) {
        for column in (0..WIDTH).step_by(16) {
            let left = count.saturating_sub(column);
            // SAFETY: reads are masked to `count` columns and to rows below `inner`, writes to `WIDTH`
            unsafe {
                let at = from.add(2 * pair * stride).wrapping_add(column);
                let woven = weave_pair(at, stride, left, 2 * pair + 1 < inner);
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
