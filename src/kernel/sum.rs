//! Sums of arrays, and sums that grow in place.

use super::math::{add_scaled, simd};
use super::memory::unwritten;
use super::view::{array, view};
use super::{Array, fused, parallel};
use crate::{Result, bail};
use rayon::prelude::*;

simd! {
    fn add_rows(a: &[f32], b: &[f32], y: &mut [f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = *a + *b;
        }
    }
}

/// a + b, broadcast where their shapes differ.
pub fn add(a: &Array, b: &Array) -> Result<Array> {
    match added(a, b)? {
        Some(sum) => array(sum, a.dims()),
        None => Ok(a.broadcast_add(b)?),
    }
}

/// a + b in a buffer of its own, if both are f32 on the CPU and of one shape.
pub fn added(a: &Array, b: &Array) -> Result<Option<Vec<f32>>> {
    if !fused(&[a, b]) || a.dims() != b.dims() {
        return Ok(None);
    }
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    let (a, b) = (view::<f32>(&a)?, view::<f32>(&b)?);
    let (a, b): (&[f32], &[f32]) = (&a, &b);
    let mut y = unwritten(a.len());
    parallel::rows(&mut y, 1, |at, y| add_rows(&a[at..at + y.len()], &b[at..at + y.len()], y));
    Ok(Some(y))
}

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
