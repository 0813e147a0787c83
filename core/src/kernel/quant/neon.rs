//! Integer products by NEON dot products: a vector holds four columns of four rows, and four vectors hold a panel's.
//!
//! Sums equal those of the portable code bit for bit: each product is rounded before it is added.

use super::kinds::{Kind, Scales};
use super::panel::{Places, ROWS};
use super::rounded::{Rounded, total_of};
use std::arch::aarch64::*;
use std::arch::asm;

/// Rows per vector.
const LANES: usize = 4;

pub fn is_available() -> bool {
    std::arch::is_aarch64_feature_detected!("dotprod")
}

/// Products of `M` rows of `x`, from `first` on, with the sixteen rows of a panel. Only if [`is_available`].
///
/// # Safety
/// The processor has NEON and its dot products.
#[target_feature(enable = "neon,dotprod")]
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
    for quarter in 0..ROWS / LANES {
        let mut sums = [vdupq_n_f32(0.0); M];
        for unit in 0..units {
            // SAFETY: `places` are inside the panel, and the rows from `first` on inside x, as checked above
            unsafe {
                let steps = steps::<K>(panel.as_ptr().add(unit * 64 * K::BITS), quarter);
                let scales = scales::<K>(panel.as_ptr(), places, unit, quarter);
                for (m, sums) in sums.iter_mut().enumerate() {
                    let at = (first + m) * units + unit;
                    let numbers = x.levels.as_ptr().add(at * 32).cast::<i32>();
                    let by = vdupq_n_f32(*x.scales.get_unchecked(at));
                    let own = *x.sums.get_unchecked(at);
                    for group in 0..K::GROUPS {
                        let sum = if K::GROUPS == 1 { own[0] + own[1] } else { own[group] };
                        // 8-bit levels are signed
                        let mut dots = vdupq_n_s32(if K::BITS == 8 { 0 } else { -K::OFFSET * sum });
                        let count = 8 / K::GROUPS;
                        for (j, step) in steps.iter().enumerate().skip(group * count).take(count) {
                            let four = vreinterpretq_s8_s32(vdupq_n_s32(numbers.add(j).read_unaligned()));
                            dots = dot(dots, vreinterpretq_s8_u8(*step), four);
                        }
                        let (scale, min) = scales[group];
                        *sums = vaddq_f32(vmulq_f32(vcvtq_f32_s32(dots), vmulq_f32(scale, by)), *sums);
                        if !matches!(K::SCALES, Scales::Half | Scales::Byte) {
                            let total = x.totals.get_unchecked(at)[total_of(K::GROUPS, group)];
                            *sums = vaddq_f32(vmulq_f32(min, vdupq_n_f32(total)), *sums);
                        }
                    }
                }
            }
        }
        for (y, sums) in y.iter_mut().zip(sums) {
            // SAFETY: four numbers of sixteen
            unsafe { vst1q_f32(y.as_mut_ptr().add(LANES * quarter), sums) };
        }
    }
}

/// Adds the products of four levels with four numbers. Its intrinsic is not in stable Rust.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sums: int32x4_t, levels: int8x16_t, numbers: int8x16_t) -> int32x4_t {
    // SAFETY: reads and writes only these registers
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sums, in(vreg) levels, in(vreg) numbers, options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// Four halves as f32. Its intrinsic is not in stable Rust.
#[inline]
#[target_feature(enable = "neon")]
fn widened(halves: uint16x4_t) -> float32x4_t {
    let wide: float32x4_t;
    // SAFETY: reads and writes only these registers
    unsafe {
        asm!("fcvtl {0:v}.4s, {1:v}.4h", out(vreg) wide, in(vreg) halves, options(pure, nomem, nostack, preserves_flags));
    }
    wide
}

/// The levels of 32 columns of a quarter's four rows, a vector for each four columns. 8-bit levels are signed.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn steps<K: Kind>(lines: *const u8, quarter: usize) -> [uint8x16_t; 8] {
    let mut steps = [vdupq_n_u8(0); 8];
    // SAFETY: the caller ensures that K::BITS lines follow
    unsafe {
        let line = |at: usize| vld1q_u8(lines.add(64 * at + 16 * quarter));
        if K::BITS == 8 {
            for (j, step) in steps.iter_mut().enumerate() {
                *step = veorq_u8(line(j), vdupq_n_u8(0x80));
            }
            return steps;
        }
        if K::BITS >= 4 {
            for t in 0..4 {
                let both = line(t);
                steps[t] = vandq_u8(both, vdupq_n_u8(15));
                steps[t + 4] = vshrq_n_u8::<4>(both);
            }
        }
        if K::BITS == 6 || K::BITS < 4 {
            let (first, high) = if K::BITS == 6 { (4, true) } else { (0, false) };
            for p in 0..2 {
                let four = line(first + p);
                let shifted = [four, vshrq_n_u8::<2>(four), vshrq_n_u8::<4>(four), vshrq_n_u8::<6>(four)];
                for (s, shifted) in shifted.into_iter().enumerate() {
                    let own = vandq_u8(shifted, vdupq_n_u8(3));
                    let own = if high { vshlq_n_u8::<4>(own) } else { own };
                    steps[4 * p + s] = vorrq_u8(steps[4 * p + s], own);
                }
            }
        }
        if K::BITS == 3 || K::BITS == 5 {
            let bit = vdupq_n_u8(1 << (K::BITS - 1));
            let masks = lines.add(64 * (K::BITS - 1));
            // byte `i` of a vector has bit `i % 8` of byte `i / 8` of 16 bits
            let own = vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201));
            for (j, step) in steps.iter_mut().enumerate() {
                let bits = masks.add(8 * j + 2 * quarter);
                let bytes = vcombine_u8(vdup_n_u8(*bits), vdup_n_u8(*bits.add(1)));
                *step = vorrq_u8(*step, vandq_u8(vtstq_u8(bytes, own), bit));
            }
        }
    }
    steps
}

/// Four bytes as f32.
#[inline]
#[target_feature(enable = "neon")]
fn wide(bytes: u32) -> float32x4_t {
    let bytes = vmovl_u8(vcreate_u8(u64::from(bytes)));
    vcvtq_f32_u32(vmovl_u16(vget_low_u16(bytes)))
}

/// Four signed bytes as f32.
#[inline]
#[target_feature(enable = "neon")]
fn wide_signed(bytes: u32) -> float32x4_t {
    let bytes = vmovl_s8(vcreate_s8(u64::from(bytes)));
    vcvtq_f32_s32(vmovl_s16(vget_low_s16(bytes)))
}

/// Scales and minima of the groups of 32 columns, for a quarter's four rows.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn scales<K: Kind>(
    panel: *const u8,
    places: Places,
    unit: usize,
    quarter: usize,
) -> [(float32x4_t, float32x4_t); 2] {
    let zero = vdupq_n_f32(0.0);
    let mut both = [(zero, zero); 2];
    // SAFETY: the caller ensures that these places are inside the panel
    unsafe {
        let halves = |at: *const u8| widened(vld1_u16(at.add(2 * LANES * quarter).cast()));
        let own = panel.add(places.scales + unit * places.scale_bytes);
        match K::SCALES {
            Scales::Half => both[0].0 = halves(own),
            Scales::HalfAndMin => both[0] = (halves(own), halves(own.add(32))),
            _ => {
                let block = panel.add(places.blocks + unit / 8 * places.block_bytes);
                let scale = halves(block);
                let min = if K::SCALES == Scales::Byte { zero } else { vnegq_f32(halves(block.add(32))) };
                for (group, both) in both.iter_mut().enumerate().take(K::GROUPS) {
                    let place = own.add(group * places.scale_bytes / K::GROUPS + LANES * quarter);
                    let bytes = place.cast::<u32>().read_unaligned();
                    *both = match K::SCALES {
                        Scales::Byte => (vmulq_f32(scale, wide_signed(bytes)), zero),
                        Scales::ByteAndMin => {
                            let mins = place.add(16).cast::<u32>().read_unaligned();
                            (vmulq_f32(scale, wide(bytes)), vmulq_f32(min, wide(mins)))
                        }
                        _ => {
                            let (low, high) = (bytes & 0x0f0f_0f0f, bytes >> 4 & 0x0f0f_0f0f);
                            (vmulq_f32(scale, wide(low)), vmulq_f32(min, wide(high)))
                        }
                    };
                }
            }
        }
    }
    both
}
