//! What connects the layers of a decoder on the tape: sums, views and slices.

use crate::tensor::{Array, Device, Tensor};
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

/// Rows of numbers that do not learn, with `rows` in these places of them.
pub fn put_rows(base: &Array, rows: &Tensor, places: Vec<usize>) -> Result<Tensor> {
    let width = base.dims().last().copied().unwrap_or(1);
    let mut numbers: Vec<f32> = base.flatten_all()?.to_vec1()?;
    let new: Vec<f32> = rows.value().flatten_all()?.to_vec1()?;
    for (place, row) in places.iter().zip(new.chunks_exact(width)) {
        numbers[place * width..][..width].copy_from_slice(row);
    }
    let value = Array::from_vec(numbers, base.dims(), base.device())?;
    Ok(Tensor::derive(value, [rows], move |grad, flow| {
        flow.add(0, || {
            let grad: Vec<f32> = grad.flatten_all()?.to_vec1()?;
            let taken = places.iter().flat_map(|place| &grad[place * width..][..width]).copied().collect();
            Ok(Array::from_vec(taken, (places.len(), width), &Device::Cpu)?)
        })
    }))
}

/// Numbers that could have come from `rows` and do not, here: its gradient is 0, and not missing.
pub fn untouched(numbers: &Array, rows: &Tensor) -> Result<Tensor> {
    let zero = rows.value();
    Ok(Tensor::derive(numbers.clone(), [rows], move |_, flow| flow.add(0, || Ok(zero.zeros_like()?))))
}
