//! The tile in registers: 12 rows of two vectors, or fewer.

use super::{MR, NR, STRIDE};
use std::arch::x86_64::*;

/// `out` (row stride `width`) becomes, or is increased by, `high` × `wide` results of two packed panels.
///
/// `by_rows`: panel `a` holds rows of pairs `STRIDE` apart; otherwise `MR` rows of one pair after the other.
#[allow(clippy::too_many_arguments)]
pub fn tile(
    by_rows: bool,
    pairs: usize,
    a: &[u32],
    b: &[u32],
    out: &mut [f32],
    width: usize,
    high: usize,
    wide: usize,
    add: bool,
) {
    assert!((1..=MR).contains(&high) && (1..=NR).contains(&wide), "a tile of {high} × {wide}");
    assert!(out.len() >= (high - 1) * width + wide, "the tile does not fit");
    assert!(b.len() >= pairs * NR, "the panel of b is too short");
    assert!(a.len() >= if by_rows { (MR - 1) * STRIDE + pairs } else { pairs * MR }, "the panel of a is too short");
    let (a, b, out) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
    // SAFETY: `takes` says that the processor has the instructions; the reads and writes lie in the slices, as asserted
    unsafe {
        match (by_rows, high) {
            (true, 9..) => run::<12, STRIDE, 1>(pairs, a, b, out, width, high, wide, add),
            (true, 5..=8) => run::<8, STRIDE, 1>(pairs, a, b, out, width, high, wide, add),
            (true, _) => run::<4, STRIDE, 1>(pairs, a, b, out, width, high, wide, add),
            (false, 9..) => run::<12, 1, MR>(pairs, a, b, out, width, high, wide, add),
            (false, 5..=8) => run::<8, 1, MR>(pairs, a, b, out, width, high, wide, add),
            (false, _) => run::<4, 1, MR>(pairs, a, b, out, width, high, wide, add),
        }
    }
}

/// # Safety
/// See [`tile`]: `a` and `b` are readable for `pairs`, `out` writable for `high` rows of `wide`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[allow(clippy::too_many_arguments)]
unsafe fn run<const ROWS: usize, const ROW: usize, const PAIR: usize>(
    pairs: usize,
    a: *const u32,
    b: *const u32,
    out: *mut f32,
    width: usize,
    high: usize,
    wide: usize,
    add: bool,
) {
    // SAFETY: as promised by the caller; columns past `wide` are masked, rows past `high` are skipped
    unsafe {
        for i in 0..high {
            _mm_prefetch(out.add(i * width).cast(), _MM_HINT_T0);
            _mm_prefetch(out.add(i * width).wrapping_add(16).cast(), _MM_HINT_T0);
        }
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        let (mut a, mut b) = (a, b);
        for _ in 0..pairs {
            let b0 = __m512bh::from(Bits(_mm512_loadu_si512(b.cast())));
            let b1 = __m512bh::from(Bits(_mm512_loadu_si512(b.add(16).cast())));
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = __m512bh::from(Bits(_mm512_set1_epi32(*a.add(i * ROW) as i32)));
                sums[0] = _mm512_dpbf16_ps(sums[0], x, b0);
                sums[1] = _mm512_dpbf16_ps(sums[1], x, b1);
            }
            a = a.add(PAIR);
            b = b.add(NR);
        }
        let mask = |from: usize| -> __mmask16 {
            let left = wide.saturating_sub(from).min(16);
            ((1u32 << left) - 1) as u16
        };
        let masks = [mask(0), mask(16)];
        for (i, sums) in sums.iter().enumerate() {
            if i < high {
                for (j, sum) in sums.iter().enumerate() {
                    let at = out.wrapping_add(i * width + j * 16);
                    let old = if add { _mm512_maskz_loadu_ps(masks[j], at) } else { _mm512_setzero_ps() };
                    _mm512_mask_storeu_ps(at, masks[j], _mm512_add_ps(old, *sum));
                }
            }
        }
    }
}

/// Bits that are read as pairs of bf16.
struct Bits(__m512i);

impl From<Bits> for __m512bh {
    #[inline(always)]
    fn from(bits: Bits) -> __m512bh {
        // SAFETY: both are 512 bits without invalid values
        unsafe { std::mem::transmute(bits.0) }
    }
}
