//! Loads of f32 and bf16 numbers into vectors: whole, as bf16, and in three bf16 parts.

use half::bf16;
use std::arch::x86_64::*;

/// Numbers that can be loaded as f32 and as bf16.
pub trait Load: Copy {
    /// Its bits as f32.
    fn bits(self) -> u32;

    /// Eight of them as f32; those from `count` on are zero and not read. The processor has AVX2.
    unsafe fn eight(from: *const Self, count: usize) -> __m256i;

    /// Sixteen of them as f32; those outside `mask` are zero.
    unsafe fn whole(from: *const Self, mask: __mmask16) -> __m512i;

    /// Sixteen of them as bf16; those outside `mask` are zero.
    unsafe fn half(from: *const Self, mask: __mmask16) -> __m256i;

    /// The first `count` of 32, each paired with its neighbor, in `PARTS` parts.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    unsafe fn neighbors<const PARTS: usize>(from: *const Self, count: usize) -> [__m512i; PARTS] {
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

    /// The first 16 of `count` numbers, each paired with the one `stride` later, or with zero without a `second`, in `PARTS`
    /// parts.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    unsafe fn interleaved<const PARTS: usize>(
        from: *const Self,
        stride: usize,
        count: usize,
        second: bool,
    ) -> [__m512i; PARTS] {
        let seen = mask(count);
        let (next, also) = (from.wrapping_add(stride), if second { seen } else { 0 });
        // SAFETY: reads are masked to `count`, and to nothing without a second row
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

/// Splits pairs of f32 into three pairs of bf16 whose sums they are: each part is the remainder of the previous parts, rounded to
/// 8 bits. The remainder of 24 bits is zero, except below 2^-126.
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
        // the upper half of one next to the upper half of the other: a | b & c
        _mm512_ternarylogic_epi32::<0xf8>(_mm512_srli_epi32::<16>(low_part), high_part, upper)
    })
}

/// The first `count` of eight numbers as f32, followed by zeros.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn first<T: Load>(from: *const T, count: usize) -> __m256i {
    let mut numbers = [0; 8];
    for (at, to) in numbers.iter_mut().enumerate().take(count) {
        // SAFETY: as promised by the caller
        *to = unsafe { (*from.add(at)).bits() };
    }
    // SAFETY: eight numbers
    unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
}

#[inline(always)]
pub fn mask(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as u16
}

impl Load for f32 {
    #[inline(always)]
    fn bits(self) -> u32 {
        self.to_bits()
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn eight(from: *const f32, count: usize) -> __m256i {
        if count >= 8 {
            // SAFETY: as promised by the caller
            return unsafe { _mm256_loadu_si256(from.cast()) };
        }
        // SAFETY: as promised by the caller
        unsafe { first(from, count) }
    }

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
    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self.to_bits()) << 16
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn eight(from: *const bf16, count: usize) -> __m256i {
        if count >= 8 {
            // SAFETY: as promised by the caller
            return unsafe { _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()))) };
        }
        // SAFETY: as promised by the caller
        unsafe { first(from, count) }
    }

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
