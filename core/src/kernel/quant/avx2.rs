//! Integer products by AVX2: a vector holds four columns of eight rows, and two vectors hold a panel's.

use super::kinds::{Kind, Scales};
use super::panel::{Places, ROWS};
use super::rounded::{Rounded, total_of};
use std::arch::x86_64::*;

/// Prefetch distance in bytes.
const AHEAD: usize = 4096;

/// Products of `M` rows of `x`, from `first` on, with the sixteen rows of a panel.
///
/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma,f16c")]
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
    if M > 1 {
        // sums of both halves would leave no registers for the levels
        for side in 0..2 {
            // SAFETY: ensured by the caller, and checked above
            unsafe { sides::<K, M, 1>(panel, places, x, first, side, y) };
        }
    } else {
        // SAFETY: as before
        unsafe { sides::<K, M, 2>(panel, places, x, first, 0, y) };
    }
}

/// The same for `S` halves of the panel, eight rows each, from `side` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sides<K: Kind, const M: usize, const S: usize>(
    panel: &[u8],
    places: Places,
    x: &Rounded,
    first: usize,
    side: usize,
    y: &mut [[f32; ROWS]; M],
) {
    let units = places.units;
    let mut sums = [[_mm256_setzero_ps(); S]; M];
    for unit in 0..units {
        // SAFETY: `places` are inside the panel, and the rows from `first` on inside x, as the caller ensures; a prefetch may use
        // any address
        unsafe {
            let lines = panel.as_ptr().add(unit * 64 * K::BITS);
            for at in 0..K::BITS {
                _mm_prefetch::<_MM_HINT_T0>(lines.wrapping_add(64 * at + AHEAD).cast());
            }
            for s in 0..S {
                let steps = steps::<K>(lines, side + s);
                let scales = scales::<K>(panel.as_ptr(), places, unit, side + s);
                for (m, sums) in sums.iter_mut().enumerate() {
                    let at = (first + m) * units + unit;
                    let numbers = x.levels.as_ptr().add(at * 32).cast::<i32>();
                    let by = _mm256_set1_ps(*x.scales.get_unchecked(at));
                    let own = *x.sums.get_unchecked(at);
                    let sums = &mut sums[s];
                    for group in 0..K::GROUPS {
                        let sum = if K::GROUPS == 1 { own[0] + own[1] } else { own[group] };
                        // 8-bit levels are signed
                        let offset = if K::BITS == 8 { 0 } else { -K::OFFSET * sum };
                        let mut dots = _mm256_set1_epi32(offset);
                        let count = 8 / K::GROUPS;
                        for (j, step) in steps.iter().enumerate().skip(group * count).take(count) {
                            let four = _mm256_set1_epi32(numbers.add(j).read_unaligned());
                            dots = _mm256_add_epi32(dots, dot::<K>(*step, four));
                        }
                        let (scale, min) = scales[group];
                        *sums = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), _mm256_mul_ps(scale, by), *sums);
                        if !matches!(K::SCALES, Scales::Half | Scales::Byte) {
                            let total = x.totals.get_unchecked(at)[total_of(K::GROUPS, group)];
                            *sums = _mm256_fmadd_ps(min, _mm256_set1_ps(total), *sums);
                        }
                    }
                }
            }
        }
    }
    for (y, sums) in y.iter_mut().zip(sums) {
        for (s, sums) in sums.into_iter().enumerate() {
            // SAFETY: eight numbers of sixteen
            unsafe { _mm256_storeu_ps(y.as_mut_ptr().add(8 * (side + s)), sums) };
        }
    }
}

/// Sums of products of four levels with four numbers. Pairs are added in 16 bits: 63 · 127 · 2 fits, and so does 128 · 127 · 2.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot<K: Kind>(levels: __m256i, numbers: __m256i) -> __m256i {
    let pairs = if K::BITS == 8 {
        let signed = _mm256_xor_si256(levels, _mm256_set1_epi8(-128));
        _mm256_maddubs_epi16(_mm256_abs_epi8(signed), _mm256_sign_epi8(numbers, signed))
    } else {
        _mm256_maddubs_epi16(levels, numbers)
    };
    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
}

/// The levels of 32 columns of one half's eight rows, a vector for each four columns.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn steps<K: Kind>(lines: *const u8, side: usize) -> [__m256i; 8] {
    let mut steps = [_mm256_setzero_si256(); 8];
    let nibble = _mm256_set1_epi8(15);
    let pair = _mm256_set1_epi8(3);
    // SAFETY: the caller ensures that K::BITS lines follow
    unsafe {
        let line = |at: usize| _mm256_loadu_si256(lines.add(64 * at + 32 * side).cast());
        if K::BITS == 8 {
            for (j, step) in steps.iter_mut().enumerate() {
                *step = line(j);
            }
            return steps;
        }
        if K::BITS >= 4 {
            for t in 0..4 {
                let both = line(t);
                steps[t] = _mm256_and_si256(both, nibble);
                steps[t + 4] = _mm256_and_si256(_mm256_srli_epi16::<4>(both), nibble);
            }
        }
        if K::BITS == 6 || K::BITS < 4 {
            let (first, by) = if K::BITS == 6 { (4, 16) } else { (0, 1) };
            for p in 0..2 {
                let four = line(first + p);
                let shifted =
                    [four, _mm256_srli_epi16::<2>(four), _mm256_srli_epi16::<4>(four), _mm256_srli_epi16::<6>(four)];
                for (s, shifted) in shifted.into_iter().enumerate() {
                    let own = _mm256_and_si256(shifted, pair);
                    let own = if by == 16 { _mm256_slli_epi16::<4>(own) } else { own };
                    steps[4 * p + s] = _mm256_or_si256(steps[4 * p + s], own);
                }
            }
        }
        if K::BITS == 3 || K::BITS == 5 {
            let bit = _mm256_set1_epi8(1 << (K::BITS - 1));
            let masks = lines.add(64 * (K::BITS - 1));
            // byte `i` of a vector has bit `i % 8` of byte `i / 8` of 32 bits
            let places = _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
            let own = _mm256_set1_epi64x(0x8040_2010_0804_0201u64 as i64);
            for (j, step) in steps.iter_mut().enumerate() {
                let bits = masks.add(8 * j + 4 * side).cast::<i32>().read_unaligned();
                let bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), places);
                let set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, own), own);
                *step = _mm256_or_si256(*step, _mm256_and_si256(set, bit));
            }
        }
    }
    steps
}

/// Scales and minima of the groups of 32 columns, for one half's eight rows.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn scales<K: Kind>(panel: *const u8, places: Places, unit: usize, side: usize) -> [(__m256, __m256); 2] {
    let zero = _mm256_setzero_ps();
    let mut both = [(zero, zero); 2];
    // SAFETY: the caller ensures that these places are inside the panel
    unsafe {
        let halves = |at: *const u8| _mm256_cvtph_ps(_mm_loadu_si128(at.add(16 * side).cast()));
        let own = panel.add(places.scales + unit * places.scale_bytes);
        match K::SCALES {
            Scales::Half => both[0].0 = halves(own),
            Scales::HalfAndMin => both[0] = (halves(own), halves(own.add(32))),
            _ => {
                let block = panel.add(places.blocks + unit / 8 * places.block_bytes);
                let scale = halves(block);
                let min = if K::SCALES == Scales::Byte { zero } else { _mm256_sub_ps(zero, halves(block.add(32))) };
                for (group, both) in both.iter_mut().enumerate().take(K::GROUPS) {
                    let place = own.add(group * places.scale_bytes / K::GROUPS + 8 * side);
                    let bytes = _mm_loadl_epi64(place.cast());
                    let wide = |bytes| _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
                    *both = match K::SCALES {
                        Scales::Byte => (_mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))), zero),
                        Scales::ByteAndMin => {
                            let mins = _mm_loadl_epi64(place.add(16).cast());
                            (_mm256_mul_ps(scale, wide(bytes)), _mm256_mul_ps(min, wide(mins)))
                        }
                        _ => {
                            let nibble = _mm_set1_epi8(15);
                            let high = _mm_and_si128(_mm_srli_epi16::<4>(bytes), nibble);
                            let low = _mm_and_si128(bytes, nibble);
                            (_mm256_mul_ps(scale, wide(low)), _mm256_mul_ps(min, wide(high)))
                        }
                    };
                }
            }
        }
    }
    both
}
