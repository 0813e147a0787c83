//! Dropout (Srivastava et al. 2014): whether a number is dropped is a function of a key and the number's position. So it is the
//! same for any number of threads, and the gradient recomputes the mask instead of keeping it.

use super::buffer::unwritten;
use super::math::simd;
use super::view::{array, view};
use super::{Array, Device, fused, parallel};
use crate::rng::splitmix;
use crate::{Result, bail};

/// Numbers per row key when an array is dropped as a whole.
const ROW: usize = 1 << 12;

/// The key and probability of dropout, and the factor of the kept numbers, which preserves the mean.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    key: u64,
    /// Threshold out of 2^32.
    limit: u32,
    kept: f32,
}

simd! {
    /// x times 0 or `kept`, by two rounds of a 32-bit hash (Wellons 2018, "lowbias32") of each position, keyed by `a` and `b`.
    fn drop_row(x: &mut [f32], a: u32, b: u32, first: u32, limit: u32, kept: f32) {
        for (place, x) in (first..).zip(x) {
            let mut bits = place.wrapping_add(a);
            for key in [b, 0] {
                bits = (bits ^ (bits >> 16)).wrapping_mul(0x7feb_352d);
                bits = (bits ^ (bits >> 15)).wrapping_mul(0x846c_a68b);
                bits = bits ^ (bits >> 16) ^ key;
            }
            *x *= if bits < limit { 0.0 } else { kept };
        }
    }
}

impl Dropout {
    /// Each number is dropped with probability `p`.
    pub fn new(who: &str, p: f64, mut key: u64) -> Result<Dropout> {
        if !(0.0..1.0).contains(&p) {
            bail!(who, "probability {p} of dropout is not in 0..1");
        }
        Ok(Dropout { key: splitmix(&mut key), limit: (p * 2f64.powi(32)) as u32, kept: (1.0 / (1.0 - p)) as f32 })
    }

    /// Applies dropout to the numbers of row `row` from position `first` on.
    pub fn row(&self, row: usize, first: usize, x: &mut [f32]) {
        let key = splitmix(&mut (self.key ^ row as u64));
        drop_row(x, key as u32, (key >> 32) as u32, first as u32, self.limit, self.kept);
    }

    /// The factor of each number of `rows` rows.
    pub fn factors(&self, rows: usize, width: usize) -> Vec<f32> {
        let mut factors = vec![1f32; rows * width];
        parallel::rows(&mut factors, width.max(1), |first, piece| {
            piece.chunks_mut(width.max(1)).enumerate().for_each(|(at, row)| self.row(first + at, 0, row));
        });
        factors
    }

    /// The factors of `rows` rows as an array of shape `dims`, which may be smaller, of the dtype and on the device of `like`.
    /// The mask is computed on the CPU, so it is the same for any device; one byte per number is transferred.
    pub fn factors_like(&self, rows: usize, width: usize, dims: &[usize], like: &Array) -> Result<Array> {
        let mut factors = self.factors(rows, width);
        factors.truncate(dims.iter().product());
        if like.device().is_cpu() {
            return Ok(Array::from_vec(factors, dims, &Device::Cpu)?.to_dtype(like.dtype())?);
        }
        let kept: Vec<u8> = factors.into_iter().map(|factor| u8::from(factor != 0.0)).collect();
        Ok((Array::from_vec(kept, dims, like.device())?.to_dtype(like.dtype())? * f64::from(self.kept))?)
    }

    /// Applies dropout to an array as rows of equal length.
    pub fn apply(&self, x: &Array) -> Result<Array> {
        if !fused(&[x]) {
            return Ok(x.mul(&self.factors_like(x.elem_count().div_ceil(ROW), ROW, x.dims(), x)?)?);
        }
        let x = x.contiguous()?;
        let values = view::<f32>(&x)?;
        let values: &[f32] = &values;
        let mut y = unwritten(values.len());
        parallel::pieces(&mut y, ROW, &|first, piece: &mut [f32]| {
            piece.copy_from_slice(&values[first..first + piece.len()]);
            self.row(first / ROW, 0, piece);
        });
        array(y, x.dims())
    }
}
