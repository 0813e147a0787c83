//! Operands in steps of 32 bits along the inner dimension: a number in f32, or two neighbours in bf16, the first one
//! low.

use super::{MR, NR, STRIDE, TILE_ROWS, TILE_STEPS, Unit};
use crate::kernel::product::{Matrix, Values};
use half::bf16;
use std::arch::x86_64::*;

/// Packs `count` ≤ 32 columns of `b` from `start` into `[steps][32]`, or `[steps / 16][parts][16][32]`, zeros beyond.
pub fn columns(b: Matrix, from: usize, inner: usize, start: usize, count: usize, to: &mut [u32], unit: Unit) {
    let steps = inner.div_ceil(unit.each());
    assert!(count <= NR && to.len() >= unit.columns(steps), "the panel of b is too short");
    b.check(from + inner, start + count);
    if !steps.is_multiple_of(TILE_STEPS) {
        // past the last step of a tile
        let whole = unit.columns(steps / TILE_STEPS * TILE_STEPS);
        to[whole..unit.columns(steps)].fill(0);
    }
    let (dense, to) = (b.columns == 1, to.as_mut_ptr());
    let stride = if dense { b.rows } else { b.columns };
    let at = if dense { from * stride + start } else { start * stride + from };
    // SAFETY: `takes` says that the processor has the instructions; what is read was checked, what is written asserted
    unsafe {
        match b.values {
            Values::F32(v) => columns_of(v.as_ptr().add(at), dense, stride, inner, count, to, unit),
            Values::Bf16(v) => columns_of(v.as_ptr().add(at), dense, stride, inner, count, to, unit),
        }
    }
}

/// [`columns`] of one kind of number.
///
/// # Safety
/// The processor has the instructions; what is read and written is there.
unsafe fn columns_of<T: Load>(
    from: *const T,
    dense: bool,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
    unit: Unit,
) {
    // SAFETY: as promised
    unsafe {
        match (unit, dense) {
            (Unit::Numbers, true) => lay::<T, NR>(from, stride, inner, count, to),
            (Unit::Numbers, false) => turned(from, stride, inner, count, to),
            (Unit::Thirds, true) => weave::<T, 3, NR>(from, stride, inner, count, to),
            (Unit::Thirds, false) => turned_pairs::<T, 3>(from, stride, inner, count, to),
            (_, true) => weave::<T, 1, NR>(from, stride, inner, count, to),
            (_, false) => turned_pairs::<T, 1>(from, stride, inner, count, to),
        }
    }
}

/// Packs `count` rows of `a` from `top`. For vectors at most 12: rows of steps `STRIDE` apart where the rows are dense,
/// else `[steps][12]`. For tiles at most 32: `[steps / 16][parts][32][16]`.
pub fn rows(a: Matrix, top: usize, count: usize, from: usize, inner: usize, to: &mut [u32], unit: Unit) {
    let steps = inner.div_ceil(unit.each());
    a.check(top + count, from + inner);
    if unit.is_amx() {
        return tiles(a, top, count, from, inner, to, unit);
    }
    if a.columns != 1 {
        assert!(count <= MR && to.len() >= MR * steps, "the panel of a is too short");
        let (at, stride, to) = (from * a.columns + top, a.columns, to.as_mut_ptr());
        // SAFETY: as above
        return unsafe {
            match (a.values, unit) {
                (Values::F32(v), Unit::Numbers) => lay::<f32, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::Bf16(v), Unit::Numbers) => lay::<bf16, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::F32(v), _) => weave::<_, 1, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::Bf16(v), _) => weave::<_, 1, MR>(v.as_ptr().add(at), stride, inner, count, to),
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
fn tiles(a: Matrix, top: usize, count: usize, from: usize, inner: usize, to: &mut [u32], unit: Unit) {
    assert!(count <= TILE_ROWS && to.len() >= unit.panel(inner.div_ceil(2), true), "the panel of a is too short");
    let dense = a.columns == 1;
    let (at, stride) = if dense { (top * a.rows + from, a.rows) } else { (from * a.columns + top, a.columns) };
    let to = to.as_mut_ptr();
    // SAFETY: as above
    unsafe {
        match a.values {
            Values::F32(v) => tiles_of(v.as_ptr().add(at), dense, stride, inner, count, to, unit),
            Values::Bf16(v) => tiles_of(v.as_ptr().add(at), dense, stride, inner, count, to, unit),
        }
    }
}

/// [`tiles`] of one kind of number.
///
/// # Safety
/// As of [`columns_of`].
unsafe fn tiles_of<T: Load>(
    from: *const T,
    dense: bool,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
    unit: Unit,
) {
    // SAFETY: as promised
    unsafe {
        match (unit, dense) {
            (Unit::Thirds, true) => tile_rows::<T, 3>(from, stride, inner, count, to),
            (Unit::Thirds, false) => tile_columns::<T, 3>(from, stride, inner, count, to),
            (_, true) => tile_rows::<T, 1>(from, stride, inner, count, to),
            (_, false) => tile_columns::<T, 1>(from, stride, inner, count, to),
        }
    }
}

/// Numbers that can be loaded as f32 and as bf16.
trait Load: Copy {
    /// Sixteen of them as f32, those outside `mask` zero.
    unsafe fn whole(from: *const Self, mask: __mmask16) -> __m512i;

    /// Sixteen of them as bf16, those outside `mask` zero.
    unsafe fn half(from: *const Self, mask: __mmask16) -> __m256i;

    /// The first `count` of 32, each paired with its neighbour, in so many parts.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    unsafe fn neighbours<const PARTS: usize>(from: *const Self, count: usize) -> [__m512i; PARTS] {
        let (seen, rest) = (mask(count), mask(count.saturating_sub(16)));
        // SAFETY: as promised by the caller; nothing past `count` is read
        unsafe {
            if PARTS == 1 {
                let (low, high) = (Self::half(from, seen), Self::half(from.wrapping_add(16), rest));
                return [_mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high); PARTS];
            }
            let (low, high) = (Self::whole(from, seen), Self::whole(from.wrapping_add(16), rest));
            let even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
            let odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
            parts(_mm512_permutex2var_epi32(low, even, high), _mm512_permutex2var_epi32(low, odd, high))
        }
    }

    /// The first 16 of `count` numbers, each paired with the one `stride` later, or with zero if there is no `second`, in
    /// so many parts.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    unsafe fn woven<const PARTS: usize>(
        from: *const Self,
        stride: usize,
        count: usize,
        second: bool,
    ) -> [__m512i; PARTS] {
        let seen = mask(count);
        let (next, also) = (from.wrapping_add(stride), if second { seen } else { 0 });
        // SAFETY: reads are masked to `count`, and to nothing where there is no second row
        unsafe {
            if PARTS == 1 {
                let order = _mm512_set_epi16(
                    31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                    18, 2, 17, 1, 16, 0,
                );
                let (low, high) = (Self::half(from, seen), Self::half(next, also));
                let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
                return [_mm512_permutexvar_epi16(order, both); PARTS];
            }
            parts(Self::whole(from, seen), Self::whole(next, also))
        }
    }
}

/// Pairs of f32 as pairs of bf16 three times, whose sums they are: each is what the parts before it leave, rounded to 8
/// bits. Nothing is left of 24 but below 2^-126.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn parts<const PARTS: usize>(low: __m512i, high: __m512i) -> [__m512i; PARTS] {
    let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    let half = _mm512_set1_epi32(0x8000);
    let rounded = |x| _mm512_and_si512(_mm512_add_epi32(x, half), upper);
    let without = |x, part| _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(part)));
    let (mut low, mut high) = (low, high);
    std::array::from_fn(|_| {
        let (low_part, high_part) = (rounded(low), rounded(high));
        (low, high) = (without(low, low_part), without(high, high_part));
        // the upper half of one beside the upper half of the other: a | b & c
        _mm512_ternarylogic_epi32::<0xf8>(_mm512_srli_epi32::<16>(low_part), high_part, upper)
    })
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
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
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
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
unsafe fn convert<T: Load>(from: *const T, inner: usize, to: *mut u32) {
    for at in (0..inner).step_by(32) {
        let left = inner - at;
        // SAFETY: reads and writes are masked to what is left
        unsafe {
            let [pairs] = T::neighbours(from.add(at), left);
            _mm512_mask_storeu_epi32(to.add(at / 2).cast(), mask(left.div_ceil(2)), pairs);
        }
    }
}

/// Where the first number of a block of sixteen steps lies, of one of its parts, in a panel of so many rows or columns.
#[inline(always)]
fn place<const PARTS: usize>(block: usize, part: usize, width: usize) -> usize {
    (block * PARTS + part) * TILE_STEPS * width
}

/// `count` dense rows of `inner` numbers as pairs, into `[pairs / 16][parts][32][16]`, zeros past `inner`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
unsafe fn tile_rows<T: Load, const PARTS: usize>(
    from: *const T,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
) {
    for row in 0..count {
        for block in 0..inner.div_ceil(32) {
            // SAFETY: reads are masked to what is left, and blocks written whole, as there is room for
            unsafe {
                let parts = T::neighbours::<PARTS>(from.add(row * stride + block * 32), inner - block * 32);
                for (part, pairs) in parts.into_iter().enumerate() {
                    let at = place::<PARTS>(block, part, TILE_ROWS) + row * TILE_STEPS;
                    _mm512_storeu_si512(to.add(at).cast(), pairs);
                }
            }
        }
    }
}

/// Rows along the inner dimension, `count` of them, turned into `[pairs / 16][parts][32][16]`, zeros past `inner`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
unsafe fn tile_columns<T: Load, const PARTS: usize>(
    from: *const T,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
) {
    for block in 0..inner.div_ceil(32) {
        for first in (0..count).step_by(16) {
            let mut pairs = [[_mm512_setzero_si512(); 16]; PARTS];
            for pair in 0..(inner - block * 32).div_ceil(2).min(16) {
                let row = block * 32 + 2 * pair;
                let at = from.wrapping_add(row * stride + first);
                // SAFETY: reads are masked to `count` rows of `a` and to less than `inner`
                let woven = unsafe { T::woven::<PARTS>(at, stride, count - first, row + 1 < inner) };
                pairs.iter_mut().zip(woven).for_each(|(pairs, woven)| pairs[pair] = woven);
            }
            for (part, pairs) in pairs.into_iter().enumerate() {
                for (i, row) in turn(pairs).iter().enumerate() {
                    let at = place::<PARTS>(block, part, TILE_ROWS) + (first + i) * TILE_STEPS;
                    // SAFETY: as there is room for
                    unsafe { _mm512_storeu_si512(to.add(at).cast(), *row) };
                }
            }
        }
    }
}

/// Rows along the inner dimension: pairs of rows woven into `[pairs / 16][parts][16][WIDTH]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
unsafe fn weave<T: Load, const PARTS: usize, const WIDTH: usize>(
    from: *const T,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
) {
    for pair in 0..inner.div_ceil(2) {
        for column in (0..WIDTH).step_by(16) {
            let left = count.saturating_sub(column);
            // SAFETY: reads are masked to `count` columns and to rows below `inner`, writes to `WIDTH`
            unsafe {
                let at = from.add(2 * pair * stride).wrapping_add(column);
                let woven = T::woven::<PARTS>(at, stride, left, 2 * pair + 1 < inner);
                for (part, woven) in woven.into_iter().enumerate() {
                    let at = place::<PARTS>(pair / 16, part, WIDTH) + pair % 16 * WIDTH + column;
                    _mm512_mask_storeu_epi32(to.add(at).cast(), mask(WIDTH - column), woven);
                }
            }
        }
    }
}

/// Columns along the inner dimension (each of `count` ≤ 32 dense): turned into `[pairs / 16][parts][16][32]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
unsafe fn turned_pairs<T: Load, const PARTS: usize>(
    from: *const T,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
) {
    for half in 0..2 {
        for block in 0..inner.div_ceil(32) {
            let left = inner - block * 32;
            let mut pairs = [[_mm512_setzero_si512(); 16]; PARTS];
            for i in 0..count.saturating_sub(half * 16).min(16) {
                // SAFETY: this column is there, and the read is masked to what is left of it
                let column = unsafe { T::neighbours::<PARTS>(from.add((half * 16 + i) * stride + block * 32), left) };
                pairs.iter_mut().zip(column).for_each(|(pairs, column)| pairs[i] = column);
            }
            for (part, pairs) in pairs.into_iter().enumerate() {
                for (i, pairs) in turn(pairs).iter().enumerate().take(left.div_ceil(2)) {
                    let at = place::<PARTS>(block, part, NR) + i * NR + half * 16;
                    // SAFETY: the pair is below their number
                    unsafe { _mm512_storeu_si512(to.add(at).cast(), *pairs) };
                }
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
