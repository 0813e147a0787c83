//! Integer products by AVX-512 with VNNI: a vector holds four columns of sixteen rows.

use super::kinds::{Kind, Scales};
use super::panel::{Places, ROWS};
use super::rounded::{Rounded, total_of};
use std::arch::x86_64::*;

pub fn is_available() -> bool {
    is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("f16c")
}

/// Prefetch distance in bytes.
const AHEAD: usize = 4096;

/// Products of `M` rows of `x`, from `first` on, with the sixteen rows of a panel. Only if [`is_available`].
///
/// # Safety
/// The processor has AVX-512 (F, BW, VL, DQ) and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub unsafe fn products<K: Kind, const M: usize>(
    panel: &[u8],
    places: Places,
    x: &Rounded,
    first: usize,
    y: &mut [[f32; ROWS]; M],
) {
    let units = places.units;
    assert!(panel.len() >= places.bytes && x.units == units, "a panel of another width");
    assert!(x.levels.len() >= (first + M) * units * 32 && x.sums.len() >= (first + M) * units, "rows beyond x");
    assert!([x.scales.len(), x.totals.len()] == [x.sums.len(); 2], "rows beyond x");
    let mut sums = [_mm512_setzero_ps(); M];
    for unit in 0..units {
        // SAFETY: `places` are inside the panel, and the rows from `first` on inside x, as checked above
        unsafe {
            let lines = panel.as_ptr().add(unit * 64 * K::BITS);
            let steps = steps::<K>(lines);
            let scales = scales::<K>(panel.as_ptr(), places, unit);
            for (m, sums) in sums.iter_mut().enumerate() {
                let at = (first + m) * units + unit;
                let numbers = x.levels.as_ptr().add(at * 32).cast::<i32>();
                let by = _mm512_set1_ps(*x.scales.get_unchecked(at));
                let own = *x.sums.get_unchecked(at);
                for group in 0..K::GROUPS {
                    let sum = if K::GROUPS == 1 { own[0] + own[1] } else { own[group] };
                    let mut dots =
                        if K::OFFSET == 0 { _mm512_setzero_si512() } else { _mm512_set1_epi32(-K::OFFSET * sum) };
                    let count = 8 / K::GROUPS;
                    for (j, step) in steps.iter().enumerate().skip(group * count).take(count) {
                        dots = _mm512_dpbusd_epi32(dots, *step, _mm512_set1_epi32(numbers.add(j).read_unaligned()));
                    }
                    let (scale, min) = scales[group];
                    *sums = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_mul_ps(scale, by), *sums);
                    if !matches!(K::SCALES, Scales::Half | Scales::Byte) {
                        let total = x.totals.get_unchecked(at)[total_of(K::GROUPS, group)];
                        *sums = _mm512_fmadd_ps(min, _mm512_set1_ps(total), *sums);
                    }
                }
            }
        }
    }
    for (y, sums) in y.iter_mut().zip(sums) {
        // SAFETY: sixteen numbers
        unsafe { _mm512_storeu_ps(y.as_mut_ptr(), sums) };
    }
}

/// The levels of 32 columns, a vector for each four columns.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub unsafe fn steps<K: Kind>(lines: *const u8) -> [__m512i; 8] {
    let mut steps = [_mm512_setzero_si512(); 8];
    // SAFETY: the caller ensures that K::BITS lines follow; a prefetch may use any address
    unsafe {
        let line = |at: usize| _mm512_loadu_si512(lines.add(64 * at).cast());
        for at in 0..K::BITS {
            _mm_prefetch(lines.wrapping_add(64 * at + AHEAD).cast(), _MM_HINT_T0);
        }
        if K::BITS == 8 {
            for (j, step) in steps.iter_mut().enumerate() {
                *step = line(j);
            }
            return steps;
        }
        let nibble = _mm512_set1_epi8(15);
        if K::BITS >= 4 {
            for t in 0..4 {
                let both = line(t);
                steps[t] = _mm512_and_si512(both, nibble);
                steps[t + 4] = _mm512_and_si512(_mm512_srli_epi16::<4>(both), nibble);
            }
        }
        let pair = _mm512_set1_epi8(3);
        if K::BITS == 6 {
            let high = _mm512_set1_epi8(0x30);
            for p in 0..2 {
                let four = line(4 + p);
                let s = &mut steps[4 * p..4 * p + 4];
                s[0] = _mm512_or_si512(s[0], _mm512_and_si512(_mm512_slli_epi16::<4>(four), high));
                s[1] = _mm512_or_si512(s[1], _mm512_and_si512(_mm512_slli_epi16::<2>(four), high));
                s[2] = _mm512_or_si512(s[2], _mm512_and_si512(four, high));
                s[3] = _mm512_or_si512(s[3], _mm512_and_si512(_mm512_srli_epi16::<2>(four), high));
            }
        }
        if K::BITS < 4 {
            for p in 0..2 {
                let four = line(p);
                steps[4 * p] = _mm512_and_si512(four, pair);
                steps[4 * p + 1] = _mm512_and_si512(_mm512_srli_epi16::<2>(four), pair);
                steps[4 * p + 2] = _mm512_and_si512(_mm512_srli_epi16::<4>(four), pair);
                steps[4 * p + 3] = _mm512_and_si512(_mm512_srli_epi16::<6>(four), pair);
            }
        }
        if K::BITS == 3 || K::BITS == 5 {
            let bit = _mm512_set1_epi8(1 << (K::BITS - 1));
            let masks = lines.add(64 * (K::BITS - 1)).cast::<u64>();
            for (j, step) in steps.iter_mut().enumerate() {
                // the bit was zero, so adding it sets it
                *step = _mm512_mask_add_epi8(*step, masks.add(j).read_unaligned(), *step, bit);
            }
        }
    }
    steps
}

/// Scales and minima of the groups of 32 columns, for sixteen rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub unsafe fn scales<K: Kind>(panel: *const u8, places: Places, unit: usize) -> [(__m512, __m512); 2] {
    let zero = _mm512_setzero_ps();
    let mut both = [(zero, zero); 2];
    // SAFETY: the caller ensures that these places are inside the panel
    unsafe {
        let halves = |at: *const u8| _mm512_cvtph_ps(_mm256_loadu_si256(at.cast()));
        let own = panel.add(places.scales + unit * places.scale_bytes);
        match K::SCALES {
            Scales::Half => both[0].0 = halves(own),
            Scales::HalfAndMin => both[0] = (halves(own), halves(own.add(32))),
            _ => {
                let block = panel.add(places.blocks + unit / 8 * places.block_bytes);
                let scale = halves(block);
                let min = if K::SCALES == Scales::Byte { zero } else { _mm512_sub_ps(zero, halves(block.add(32))) };
                for (group, both) in both.iter_mut().enumerate().take(K::GROUPS) {
                    let bytes = _mm_loadu_si128(own.add(group * places.scale_bytes / K::GROUPS).cast());
                    let wide = |bytes| _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
                    *both = match K::SCALES {
                        Scales::Byte => (_mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))), zero),
                        Scales::ByteAndMin => {
                            let mins = _mm_loadu_si128(own.add(group * places.scale_bytes / K::GROUPS + 16).cast());
                            (_mm512_mul_ps(scale, wide(bytes)), _mm512_mul_ps(min, wide(mins)))
                        }
                        _ => {
                            let nibble = _mm_set1_epi8(15);
                            let high = _mm_and_si128(_mm_srli_epi16::<4>(bytes), nibble);
                            let low = _mm_and_si128(bytes, nibble);
                            (_mm512_mul_ps(scale, wide(low)), _mm512_mul_ps(min, wide(high)))
                        }
                    };
                }
            }
        }
    }
    both
}
