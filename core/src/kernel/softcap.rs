//! Soft caps, cap · tanh(x / cap): numbers near 0 are nearly unchanged, and none exceeds the cap (Gemma 2).

use super::buffer::unwritten;
use super::score_scale::{softcap_rows, softcap_slope};
use super::view::{array, view};
use super::{Array, fused, parallel, reference};
use crate::Result;

/// cap · tanh(x / cap).
pub fn softcap(x: &Array, cap: f64) -> Result<Array> {
    if !fused(&[x]) {
        return reference::softcap(x, cap);
    }
    let x = x.contiguous()?;
    let mut y = view::<f32>(&x)?.to_vec();
    parallel::rows(&mut y, 1, |_, y| softcap_rows(y, 1.0, cap as f32));
    array(y, x.dims())
}

/// The gradient of x, from the capped `y`.
pub fn softcap_backward(y: &Array, grad: &Array, cap: f64) -> Result<Array> {
    if !fused(&[y, grad]) {
        return reference::softcap_backward(y, grad, cap);
    }
    let (y, grad) = (y.contiguous()?, grad.contiguous()?);
    let (values, grads) = (view::<f32>(&y)?, view::<f32>(&grad)?);
    let (values, grads): (&[f32], &[f32]) = (&values, &grads);
    let mut dx = unwritten(values.len());
    parallel::rows(&mut dx, 1, |at, dx| {
        dx.copy_from_slice(&grads[at..at + dx.len()]);
        softcap_slope(&values[at..at + dx.len()], dx, 1.0, cap as f32);
    });
    array(dx, y.dims())
}
