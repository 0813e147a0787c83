//! Copying, interleaving and transposing numbers into panels. Safety of all functions: the processor has the instructions, reads
//! are inside the operand, and there is room for the writes.

use super::load::{Load, mask};
use super::unit::{NR, TILE_ROWS, TILE_STEPS};
use std::arch::x86_64::*;

/// Copies one dense row of `inner` numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
pub unsafe fn copy_row<T: Load>(from: *const T, inner: usize, to: *mut u32) {
    for at in (0..inner).step_by(16) {
        let seen = mask(inner - at);
        // SAFETY: reads and writes are masked to the remaining numbers
        unsafe { _mm512_mask_storeu_epi32(to.add(at).cast(), seen, T::whole(from.add(at), seen)) };
    }
}

/// Copies rows along the inner dimension into `[inner][WIDTH]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
pub unsafe fn copy<T: Load, const WIDTH: usize>(
    from: *const T,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
) {
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

/// Transposes columns along the inner dimension (each of `count` ≤ 32 dense) into `[inner][32]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
pub unsafe fn transpose<T: Load>(from: *const T, stride: usize, inner: usize, count: usize, to: *mut u32) {
    for half in 0..2 {
        for at in (0..inner).step_by(16) {
            let left = inner - at;
            let mut rows = [_mm512_setzero_si512(); 16];
            for (i, row) in rows.iter_mut().enumerate() {
                if half * 16 + i < count {
                    // SAFETY: this column exists, and the read is masked to its remaining numbers
                    *row = unsafe { T::whole(from.add((half * 16 + i) * stride + at), mask(left)) };
                }
            }
            for (i, numbers) in transpose_16(rows).iter().enumerate().take(left) {
                // SAFETY: at + i is below `inner`
                unsafe { _mm512_storeu_si512(to.add((at + i) * NR + half * 16).cast(), *numbers) };
            }
        }
    }
}

/// Converts one dense row of `inner` numbers to pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
pub unsafe fn convert_row<T: Load>(from: *const T, inner: usize, to: *mut u32) {
    for at in (0..inner).step_by(32) {
        let left = inner - at;
        // SAFETY: reads and writes are masked to the remaining numbers
        unsafe {
            let [pairs] = T::neighbors(from.add(at), left);
            _mm512_mask_storeu_epi32(to.add(at / 2).cast(), mask(left.div_ceil(2)), pairs);
        }
    }
}

/// The offset of one part of a block of sixteen steps, in a panel of `width` rows or columns.
#[inline(always)]
fn place<const PARTS: usize>(block: usize, part: usize, width: usize) -> usize {
    (block * PARTS + part) * TILE_STEPS * width
}

/// Copies `count` dense rows of `inner` numbers as pairs, into `[pairs / 16][parts][32][16]`, zeros past `inner`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
pub unsafe fn tile_rows<T: Load, const PARTS: usize>(
    from: *const T,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
) {
    for row in 0..count {
        for block in 0..inner.div_ceil(32) {
            // SAFETY: reads are masked to the remaining numbers, and blocks are written whole, for which there is room
            unsafe {
                let parts = T::neighbors::<PARTS>(from.add(row * stride + block * 32), inner - block * 32);
                for (part, pairs) in parts.into_iter().enumerate() {
                    let at = place::<PARTS>(block, part, TILE_ROWS) + row * TILE_STEPS;
                    _mm512_storeu_si512(to.add(at).cast(), pairs);
                }
            }
        }
    }
}

/// Transposes `count` rows along the inner dimension into `[pairs / 16][parts][32][16]`, zeros past `inner`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
pub unsafe fn tile_columns<T: Load, const PARTS: usize>(
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
                // SAFETY: reads are masked to `count` rows of `a` and to columns below `inner`
                let interleaved = unsafe { T::interleaved::<PARTS>(at, stride, count - first, row + 1 < inner) };
                pairs.iter_mut().zip(interleaved).for_each(|(pairs, interleaved)| pairs[pair] = interleaved);
            }
            for (part, pairs) in pairs.into_iter().enumerate() {
                for (i, row) in transpose_16(pairs).iter().enumerate() {
                    let at = place::<PARTS>(block, part, TILE_ROWS) + (first + i) * TILE_STEPS;
                    // SAFETY: there is room
                    unsafe { _mm512_storeu_si512(to.add(at).cast(), *row) };
                }
            }
        }
    }
}

/// Interleaves pairs of rows along the inner dimension into `[pairs / 16][parts][16][WIDTH]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
pub unsafe fn interleave<T: Load, const PARTS: usize, const WIDTH: usize>(
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
                let interleaved = T::interleaved::<PARTS>(at, stride, left, 2 * pair + 1 < inner);
                for (part, interleaved) in interleaved.into_iter().enumerate() {
                    let at = place::<PARTS>(pair / 16, part, WIDTH) + pair % 16 * WIDTH + column;
                    _mm512_mask_storeu_epi32(to.add(at).cast(), mask(WIDTH - column), interleaved);
                }
            }
        }
    }
}

/// Transposes columns along the inner dimension (each of `count` ≤ 32 dense), in pairs, into `[pairs / 16][parts][16][32]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
pub unsafe fn transpose_pairs<T: Load, const PARTS: usize>(
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
                // SAFETY: this column exists, and the read is masked to its remaining numbers
                let column = unsafe { T::neighbors::<PARTS>(from.add((half * 16 + i) * stride + block * 32), left) };
                pairs.iter_mut().zip(column).for_each(|(pairs, column)| pairs[i] = column);
            }
            for (part, pairs) in pairs.into_iter().enumerate() {
                for (i, pairs) in transpose_16(pairs).iter().enumerate().take(left.div_ceil(2)) {
                    let at = place::<PARTS>(block, part, NR) + i * NR + half * 16;
                    // SAFETY: the pair's index is below the number of pairs
                    unsafe { _mm512_storeu_si512(to.add(at).cast(), *pairs) };
                }
            }
        }
    }
}

/// A 16 × 16 transpose of 32-bit numbers.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_16(r: [__m512i; 16]) -> [__m512i; 16] {
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
