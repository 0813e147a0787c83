//! What connects the layers of a decoder on the tape: sums, views and slices.

use crate::tensor::Tensor;
use crate::{Result, kernel};

/// x + y, of one shape.
pub fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let sum = kernel::add(&x.value(), &y.value())?;
    Ok(Tensor::derive(sum, [x, y], |grad, flow| {
        flow.add(0, || Ok(grad.clone()))?;
        flow.add(1, || Ok(grad))
    }))
}

/// x · factor
pub fn scale(x: &Tensor, factor: f64) -> Result<Tensor> {
    let product = (x.value() * factor)?;
    Ok(Tensor::derive(product, [x], move |grad, flow| flow.add(0, || Ok((grad * factor)?))))
}

/// The same numbers in another shape.
pub fn reshape(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    let value = x.value();
    let before = value.dims().to_vec();
    Ok(Tensor::derive(value.reshape(dims)?, [x], move |grad, flow| flow.add(0, || Ok(grad.reshape(before)?))))
}

/// Columns `start..start + length` of the last dimension.
pub fn columns(x: &Tensor, start: usize, length: usize) -> Result<Tensor> {
    let value = x.value();
    let dims = value.dims().to_vec();
    let last = dims.len() - 1;
    let width = dims[last];
    let part = value.narrow(last, start, length)?.contiguous()?;
    Ok(Tensor::derive(part, [x], move |grad, flow| {
        flow.accumulate(0, &dims, |sum, first| {
            if first {
                sum.fill(0.0);
            }
            let grad: Vec<f32> = grad.flatten_all()?.to_vec1()?;
            for (row, grad) in sum.chunks_exact_mut(width).zip(grad.chunks_exact(length)) {
                row[start..start + length].iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
            }
            Ok(())
        })
    }))
}
