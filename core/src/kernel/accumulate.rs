//! Accumulation in place.

use super::buffer::unwritten;
use super::math::add_scaled;
use super::view::view;
use super::{Array, parallel};
use crate::{Result, bail};
use rayon::prelude::*;

/// sum += more, which must be f32 on the CPU.
pub fn add_to(sum: &mut [f32], more: &Array) -> Result<()> {
    let more = more.contiguous()?;
    let more = view::<f32>(&more)?;
    if sum.len() != more.len() {
        bail!("backward", "a gradient of {} numbers for {}", more.len(), sum.len());
    }
    let more: &[f32] = &more;
    parallel::rows(sum, 1, |at, sum| add_scaled(sum, 1.0, &more[at..at + sum.len()]));
    Ok(())
}

/// A copy of the numbers, in f32.
pub fn values(x: &Array) -> Result<Vec<f32>> {
    let x = x.to_dtype(super::DType::F32)?.contiguous()?;
    let from = view::<f32>(&x)?;
    let mut to = unwritten(from.len());
    to.par_chunks_mut(1 << 16).zip(from.par_chunks(1 << 16)).for_each(|(to, from)| to.copy_from_slice(from));
    Ok(to)
}
