//! Vector norms.

use super::reduce::{chosen, spread, sum_dims};
use super::there::is_there;
use super::{lines, real};
use crate::tensor::values::each;
use crate::tensor::{Array, DType, Tensor};
use crate::{Result, bail};

/// The p-norm over the given dimensions, or of all numbers: (Σ |x|^p)^(1/p), the maximum or minimum of |x| for an infinite p, the
/// number of nonzeros for p = 0. Gradients as in PyTorch: 0 where the norm is 0.
pub fn norm(x: &Tensor, p: f64, over: Option<&[i64]>, keep: bool) -> Result<Tensor> {
    if p.is_nan() {
        bail!("norm", "p is NaN");
    }
    let x = real(x)?;
    let over = chosen("norm", &x.shape(), over)?;
    if p == 2.0 {
        return euclidean(&x, over, keep);
    }
    let input = x.value();
    if p.is_infinite() && over.iter().any(|dim| input.dims()[*dim] == 0) {
        bail!("norm", "there is nothing in shape {:?} that could be the largest", input.dims());
    }
    let value = lines::reduce(&input, &over, keep, |line| measured(line, p))?;
    let result = value.clone();
    Ok(Tensor::derive(value, [&x], move |grad, flow| {
        flow.add(0, || lines::gradient(&input, &over, &result, &grad, |line, norm, grad| slopes(line, p, norm, grad)))
    }))
}

/// The most common norm, in the dtype of the numbers; halves in f32.
fn euclidean(x: &Tensor, over: Vec<usize>, keep: bool) -> Result<Tensor> {
    let dtype = x.dtype();
    let wide = if dtype == DType::F64 { dtype } else { DType::F32 };
    let input: Array = x.value().to_dtype(wide)?;
    let squares = if is_there(&input) { input.sqr()? } else { each!(&input; |x| x * x)? };
    let value = sum_dims(&squares, &over, keep)?.sqrt()?;
    Ok(Tensor::derive(value.to_dtype(dtype)?, [x], move |grad, flow| {
        flow.add(0, || {
            let grad = grad.to_dtype(wide)?;
            let slope = each!(&value, &grad; |norm, g| if norm == 0.0 { 0.0 } else { g / norm })?;
            Ok((&input * spread(&slope, input.dims(), &over)?)?.to_dtype(dtype)?)
        })
    }))
}

fn measured(line: &[f64], p: f64) -> f64 {
    let sizes = line.iter().map(|x| x.abs());
    match p {
        0.0 => sizes.filter(|x| *x != 0.0).count() as f64,
        1.0 => sizes.fold(0.0, |a, b| a + b),
        _ if p.is_infinite() => {
            let further = |a: f64, b: f64| a.is_nan() || if p > 0.0 { a > b } else { a < b };
            sizes.reduce(|a, b| if further(a, b) { a } else { b }).unwrap_or(0.0)
        }
        _ => sizes.fold(0.0, |a, b| a + b.powf(p)).powf(1.0 / p),
    }
}

fn slopes(line: &[f64], p: f64, norm: f64, grad: f64) -> Vec<f64> {
    // it is 0 for NaN too, as in PyTorch
    let sign = |x: f64| f64::from(i8::from(x > 0.0) - i8::from(x < 0.0));
    if p.is_infinite() {
        let is_it = |x: &f64| x.abs() == norm || x.is_nan() && norm.is_nan();
        let part = grad / line.iter().filter(|x| is_it(x)).count() as f64;
        return line.iter().map(|x| if is_it(x) { sign(*x) * part } else { 0.0 }).collect();
    }
    let slope = |x: &f64| match p {
        0.0 => 0.0,
        1.0 => grad * sign(*x),
        _ if norm == 0.0 || *x == 0.0 && p < 1.0 => 0.0,
        _ => grad * sign(*x) * (x.abs() / norm).powf(p - 1.0),
    };
    line.iter().map(slope).collect()
}
