//! Emulates AMX products of numbers in three parts with vectors: the same products, added in the same order. Many times slower;
//! it reproduces a result on a processor without AMX.
//!
//! A tile product adds 16 pairs to each result, as Intel's manual specifies for TDPBF16PS: products of the first of each pair are
//! added one after the other, and likewise those of the second; the two sums are added, and then added to the result.
//! Multiplication and addition are fused, and numbers below 2^-126 are zero, as inputs and as results.

use super::prefetch::Prefetch;
use super::unit::{NR, TILE_ROWS, TILE_STEPS};
use std::arch::x86_64::*;

/// The multiplied parts of `b` and of `a`: the six largest products, the smallest first.
const PRODUCTS: [[usize; 2]; 6] = [[2, 0], [1, 0], [1, 1], [0, 1], [0, 2], [0, 0]];
/// 32-bit words of one part of a block.
const PART: usize = TILE_STEPS * NR;

/// Computes `ROWS` rows of 32 results of two packed panels, or adds to them.
///
/// # Safety
/// The processor has AVX-512; `a` and `b` hold `blocks` of three parts, `out` the rows, `width` apart.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
pub unsafe fn emulate<const ROWS: usize>(
    blocks: usize,
    a: *const u32,
    b: *const u32,
    out: *mut f32,
    width: usize,
    add: bool,
    _: Prefetch,
) {
    const { assert!(ROWS <= TILE_ROWS) };
    for row in 0..ROWS {
        // SAFETY: as promised
        unsafe {
            let to = out.add(row * width);
            let mut sums = match add {
                true => [_mm512_loadu_ps(to), _mm512_loadu_ps(to.add(16))],
                false => [_mm512_setzero_ps(); 2],
            };
            for block in 0..blocks {
                for [of_b, of_a] in PRODUCTS {
                    let a = a.add((3 * block + of_a) * PART + row * TILE_STEPS);
                    tile(a, b.add((3 * block + of_b) * PART), &mut sums);
                }
            }
            _mm512_storeu_ps(to, sums[0]);
            _mm512_storeu_ps(to.add(16), sums[1]);
        }
    }
}

/// The product of one row of a tile of `a` and two tiles of `b`, added to 32 sums.
///
/// # Safety
/// `a` holds 16 pairs, `b` 16 pairs for each of 32 columns.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn tile(a: *const u32, b: *const u32, sums: &mut [__m512; 2]) {
    let mut apart = [[_mm512_setzero_ps(); 2]; 2];
    for step in 0..TILE_STEPS {
        // SAFETY: as promised
        unsafe {
            let first = halves(_mm512_set1_epi32(*a.add(step) as i32));
            for (half, sums) in apart.iter_mut().enumerate() {
                let second = halves(_mm512_loadu_si512(b.add(step * NR + half * 16).cast()));
                for ((sum, x), y) in sums.iter_mut().zip(first).zip(second) {
                    *sum = flushed(_mm512_fmadd_ps(x, y, *sum));
                }
            }
        }
    }
    for (sum, [even, odd]) in sums.iter_mut().zip(apart) {
        *sum = flushed(_mm512_add_ps(*sum, flushed(_mm512_add_ps(even, odd))));
    }
}

/// The first and the second of sixteen pairs, as f32.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn halves(pairs: __m512i) -> [__m512; 2] {
    let second = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
    [_mm512_slli_epi32::<16>(pairs), second].map(|numbers| flushed(_mm512_castsi512_ps(numbers)))
}

/// Replaces numbers below 2^-126 by zeros of the same sign.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn flushed(numbers: __m512) -> __m512 {
    const DENORMAL: i32 = 0x20;
    let small = _mm512_fpclass_ps_mask::<DENORMAL>(numbers);
    _mm512_mask_and_ps(numbers, small, numbers, _mm512_set1_ps(-0.0))
}
