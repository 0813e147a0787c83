//! silu, gelu and swiglu.

use super::buffer::unwritten;
use super::math::{erf, exp, sigmoid, simd};
use super::view::{array, view};
use super::{Array, fused, parallel, reference};
use crate::Result;

simd! {
    fn silu_rows(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = *x * sigmoid::<FMA>(*x);
        }
    }
}

simd! {
    fn silu_back(x: &[f32], g: &[f32], dx: &mut [f32]) {
        for ((dx, x), g) in dx.iter_mut().zip(x).zip(g) {
            let s = sigmoid::<FMA>(*x);
            *dx = *g * s * (1.0 + *x * (1.0 - s));
        }
    }
}

simd! {
    fn gelu_erf_rows(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = 0.5 * *x * (1.0 + erf::<FMA>(*x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

simd! {
    fn gelu_erf_back(x: &[f32], g: &[f32], dx: &mut [f32]) {
        const DENSITY: f32 = 0.398_942_3; // 1 / √(2π)
        for ((dx, x), g) in dx.iter_mut().zip(x).zip(g) {
            let whole = 0.5 * (1.0 + erf::<FMA>(*x * std::f32::consts::FRAC_1_SQRT_2));
            *dx = *g * (whole + *x * DENSITY * exp::<FMA>(-0.5 * *x * *x));
        }
    }
}

const ROOT: f32 = 1.595_769_2; // 2 √(2/π)
const CUBE: f32 = 0.044715;

// (1 + tanh u) / 2 is the sigmoid of 2u, which is exact for small values
simd! {
    fn gelu_tanh_rows(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = *x * sigmoid::<FMA>(ROOT * *x * (1.0 + CUBE * *x * *x));
        }
    }
}

simd! {
    fn gelu_tanh_back(x: &[f32], g: &[f32], dx: &mut [f32]) {
        for ((dx, x), g) in dx.iter_mut().zip(x).zip(g) {
            let inner = ROOT * *x * (1.0 + CUBE * *x * *x);
            let q = exp::<FMA>(-inner.abs());
            let r = 1.0 / (1.0 + q);
            let s = if inner < 0.0 { q * r } else { r };
            let slope = ROOT * (1.0 + 3.0 * CUBE * *x * *x);
            *dx = *g * (s + *x * (q * r * r) * slope);
        }
    }
}

simd! {
    pub(super) fn swiglu_rows(gate: &[f32], up: &[f32], y: &mut [f32]) {
        for ((y, gate), up) in y.iter_mut().zip(gate).zip(up) {
            *y = *gate * sigmoid::<FMA>(*gate) * *up;
        }
    }
}

simd! {
    fn swiglu_back(gate: &[f32], up: &[f32], g: &[f32], dgate: &mut [f32], dup: &mut [f32]) {
        for i in 0..dgate.len().min(dup.len()).min(gate.len()).min(up.len()).min(g.len()) {
            let s = sigmoid::<FMA>(gate[i]);
            dup[i] = g[i] * gate[i] * s;
            dgate[i] = g[i] * up[i] * s * (1.0 + gate[i] * (1.0 - s));
        }
    }
}

/// x / (1 + e^-x)
pub fn silu(x: &Array) -> Result<Array> {
    if !fused(&[x]) {
        return reference::silu(x);
    }
    map(x, silu_rows)
}

pub fn silu_backward(x: &Array, grad: &Array) -> Result<Array> {
    if !fused(&[x, grad]) {
        return reference::silu_backward(x, grad);
    }
    map_back(x, grad, silu_back)
}

/// x Φ(x), by the error function or by GPT-2's tanh.
pub fn gelu(x: &Array, tanh: bool) -> Result<Array> {
    if !fused(&[x]) {
        return reference::gelu(x, tanh);
    }
    map(x, if tanh { gelu_tanh_rows } else { gelu_erf_rows })
}

pub fn gelu_backward(x: &Array, grad: &Array, tanh: bool) -> Result<Array> {
    if !fused(&[x, grad]) {
        return reference::gelu_backward(x, grad, tanh);
    }
    map_back(x, grad, if tanh { gelu_tanh_back } else { gelu_erf_back })
}

/// silu(gate) · up
pub fn swiglu(gate: &Array, up: &Array) -> Result<Array> {
    if !fused(&[gate, up]) {
        return reference::swiglu(gate, up);
    }
    let (gate, up) = (gate.contiguous()?, up.contiguous()?);
    let dims = gate.dims().to_vec();
    let (gate, up) = (view::<f32>(&gate)?, view::<f32>(&up)?);
    let (gate, up): (&[f32], &[f32]) = (&gate, &up);
    let mut y = unwritten(gate.len());
    parallel::rows(&mut y, 1, |at, y| swiglu_rows(&gate[at..at + y.len()], &up[at..at + y.len()], y));
    array(y, &dims)
}

/// The gradients of gate and up.
pub fn swiglu_backward(gate: &Array, up: &Array, grad: &Array) -> Result<(Array, Array)> {
    if !fused(&[gate, up, grad]) {
        return reference::swiglu_backward(gate, up, grad);
    }
    let (gate, up, grad) = (gate.contiguous()?, up.contiguous()?, grad.contiguous()?);
    let dims = gate.dims().to_vec();
    let (gate, up, grad) = (view::<f32>(&gate)?, view::<f32>(&up)?, view::<f32>(&grad)?);
    let (gate, up, grad): (&[f32], &[f32], &[f32]) = (&gate, &up, &grad);
    let (mut dgate, mut dup) = (unwritten(gate.len()), unwritten(gate.len()));
    parallel::rows2(&mut dgate, 1, &mut dup, 1, |at, dgate, dup| {
        let end = at + dgate.len();
        swiglu_back(&gate[at..end], &up[at..end], &grad[at..end], dgate, dup)
    });
    Ok((array(dgate, &dims)?, array(dup, &dims)?))
}

fn map(x: &Array, work: fn(&[f32], &mut [f32])) -> Result<Array> {
    let x = x.contiguous()?;
    let values = view::<f32>(&x)?;
    let values: &[f32] = &values;
    let mut y = unwritten(values.len());
    parallel::rows(&mut y, 1, |at, y| work(&values[at..at + y.len()], y));
    array(y, x.dims())
}

fn map_back(x: &Array, grad: &Array, work: fn(&[f32], &[f32], &mut [f32])) -> Result<Array> {
    let (x, grad) = (x.contiguous()?, grad.contiguous()?);
    let (values, grads) = (view::<f32>(&x)?, view::<f32>(&grad)?);
    let (values, grads): (&[f32], &[f32]) = (&values, &grads);
    let mut dx = unwritten(values.len());
    parallel::rows(&mut dx, 1, |at, dx| work(&values[at..at + dx.len()], &grads[at..at + dx.len()], dx));
    array(dx, x.dims())
}
