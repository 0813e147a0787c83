//! Rows of activations rounded to 8 bits, with one scale per 32 numbers: the input of products with quantized weights.

use super::panel::UNIT;
use crate::kernel::math::simd;

/// `count` rows of `units * 32` numbers.
pub struct Rounded {
    pub units: usize,
    pub levels: Vec<i8>,
    /// One for each 32 numbers.
    pub scales: Vec<f32>,
    /// Sums of the levels of each 16 numbers.
    pub sums: Vec<[i32; 2]>,
    /// Those sums times the scale: of the first 16 numbers, of the last 16, and of all 32.
    pub totals: Vec<[f32; 3]>,
}

impl Rounded {
    /// Number of rows; zero if the width is zero.
    pub fn rows(&self) -> usize {
        self.scales.len() / self.units.max(1)
    }

    /// Rounds rows of `width` numbers; the scale is the largest magnitude of 32 divided by 127. If a number is not finite the
    /// scale is NaN, and so are all its products.
    pub fn of(x: &[f32], width: usize) -> Rounded {
        let units = width / UNIT;
        let count = x.len() / UNIT;
        let (mut levels, mut scales) = (vec![0; x.len()], vec![0.0; count]);
        let mut sums = vec![[0; 2]; count];
        round(x, &mut levels, &mut scales, &mut sums);
        let total =
            |(scale, [first, last]): (&f32, &[i32; 2])| [*first, *last, first + last].map(|sum| scale * sum as f32);
        let totals = scales.iter().zip(&sums).map(total).collect();
        Rounded { units, levels, scales, sums, totals }
    }
}

/// The index in [`Rounded::totals`] for a group, with `groups` groups per 32 numbers.
#[inline(always)]
pub fn total_of(groups: usize, group: usize) -> usize {
    if groups == 1 { 2 } else { group }
}

simd! {
    fn round(x: &[f32], levels: &mut [i8], scales: &mut [f32], sums: &mut [[i32; 2]]) {
        let parts = x.chunks_exact(UNIT).zip(levels.chunks_exact_mut(UNIT));
        for ((x, levels), (scale, sums)) in parts.zip(scales.iter_mut().zip(sums)) {
            let x: &[f32; UNIT] = x.try_into().expect("32 numbers");
            let largest = largest(x);
            // infinity and NaN have all exponent bits set
            *scale = if largest < 0x7f80_0000 { f32::from_bits(largest) / 127.0 } else { f32::NAN };
            let by = if *scale > 0.0 { 1.0 / *scale } else { 0.0 };
            // a scale so small that its inverse is infinite
            let by = if by.is_finite() { by } else { 0.0 };
            let mut own = [0i32; UNIT];
            for i in 0..UNIT {
                own[i] = nearest(x[i] * by);
                levels[i] = own[i] as i8;
            }
            *sums = [own[..16].iter().sum(), own[16..].iter().sum()];
        }
    }
}

/// The bits of the largest magnitude: without sign, bits are ordered like the numbers.
#[inline(always)]
fn largest(x: &[f32; UNIT]) -> u32 {
    x.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff))
}

/// Rounds to the nearest integer, half to even, for magnitudes below 2²²; 0 for NaN.
#[inline(always)]
fn nearest(x: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 · 2²³: the sum has no place for a fraction
    let bits = (x + SHIFT).to_bits() as i32;
    (bits - SHIFT.to_bits() as i32).clamp(-127, 127)
}
