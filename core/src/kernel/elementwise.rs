//! Elementwise arithmetic of two arrays.

use super::buffer::unwritten;
use super::math::simd;
use super::view::{array, view};
use super::{Array, fused, parallel};
use crate::{Result, cancel};

simd! {
    fn add_rows(a: &[f32], b: &[f32], y: &mut [f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = *a + *b;
        }
    }
}

simd! {
    fn subtract_rows(a: &[f32], b: &[f32], y: &mut [f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = *a - *b;
        }
    }
}

simd! {
    fn multiply_rows(a: &[f32], b: &[f32], y: &mut [f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = *a * *b;
        }
    }
}

simd! {
    fn divide_rows(a: &[f32], b: &[f32], y: &mut [f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = *a / *b;
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

/// a - b, broadcast where their shapes differ.
pub fn subtract(a: &Array, b: &Array) -> Result<Array> {
    match paired(a, b, subtract_rows)? {
        Some(difference) => array(difference, a.dims()),
        None => Ok(a.broadcast_sub(b)?),
    }
}

/// a · b, broadcast where their shapes differ.
pub fn multiply(a: &Array, b: &Array) -> Result<Array> {
    match paired(a, b, multiply_rows)? {
        Some(product) => array(product, a.dims()),
        None => Ok(a.broadcast_mul(b)?),
    }
}

/// a / b, broadcast where their shapes differ.
pub fn divide(a: &Array, b: &Array) -> Result<Array> {
    match paired(a, b, divide_rows)? {
        Some(quotient) => array(quotient, a.dims()),
        None => Ok(a.broadcast_div(b)?),
    }
}

/// a + b in a new buffer, if both are f32 on the CPU and have the same shape.
pub fn added(a: &Array, b: &Array) -> Result<Option<Vec<f32>>> {
    paired(a, b, add_rows)
}

fn paired(a: &Array, b: &Array, rows: impl Fn(&[f32], &[f32], &mut [f32]) + Sync) -> Result<Option<Vec<f32>>> {
    if !fused(&[a, b]) || a.dims() != b.dims() {
        return Ok(None);
    }
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    let (a, b) = (view::<f32>(&a)?, view::<f32>(&b)?);
    let (a, b): (&[f32], &[f32]) = (&a, &b);
    let mut y = unwritten(a.len());
    let cancel = cancel::current();
    parallel::rows(&mut y, 1, |at, y| {
        if !cancel.is_requested() {
            rows(&a[at..at + y.len()], &b[at..at + y.len()], y);
        }
    });
    cancel::check()?;
    Ok(Some(y))
}
