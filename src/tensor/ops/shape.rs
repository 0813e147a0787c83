//! Reshaping and joining.

use super::{broadcast, dimension, sum_to, volume};
use crate::tensor::{Array, Tensor};
use crate::{Error, Result, bail};

/// Reshapes without reordering the numbers. One size may be -1, which is inferred.
pub fn reshape(x: &Tensor, shape: &[i64]) -> Result<Tensor> {
    let value = x.value();
    let dims = fill_hole(value.dims(), shape)?;
    let from = value.dims().to_vec();
    Ok(Tensor::derive(value.reshape(dims)?, [x], move |grad, flow| flow.add(0, || Ok(grad.reshape(from)?))))
}

fn fill_hole(from: &[usize], shape: &[i64]) -> Result<Vec<usize>> {
    let count: usize = from.iter().product();
    let misfit = || Error::new("reshape", format!("shape {from:?} holds {count} numbers, which do not fill {shape:?}"));
    let known = shape.iter().filter(|size| **size != -1).try_fold(1usize, |product, size| {
        usize::try_from(*size).ok().and_then(|size| product.checked_mul(size)).ok_or_else(misfit)
    })?;
    let holes = shape.iter().filter(|size| **size == -1).count();
    if holes > 1 {
        bail!("reshape", "more than one size of {shape:?} is -1");
    }
    let hole = if holes == 1 && known > 0 { count / known } else { 1 };
    if known * hole != count {
        return Err(misfit());
    }
    Ok(shape.iter().map(|size| if *size == -1 { hole } else { *size as usize }).collect())
}

/// Swaps two dimensions.
pub fn transpose(x: &Tensor, a: i64, b: i64) -> Result<Tensor> {
    let value = x.value();
    let (a, b) = (dimension("transpose", value.dims(), a)?, dimension("transpose", value.dims(), b)?);
    Ok(Tensor::derive(value.transpose(a, b)?, [x], move |grad, flow| flow.add(0, || Ok(grad.transpose(a, b)?))))
}

/// Swaps the last two dimensions; a tensor with fewer is unchanged.
pub fn t(x: &Tensor) -> Result<Tensor> {
    if x.value().rank() < 2 { Ok(x.clone()) } else { transpose(x, -2, -1) }
}

/// Reorders all dimensions.
pub fn permute(x: &Tensor, order: &[i64]) -> Result<Tensor> {
    let value = x.value();
    let axes = order.iter().map(|dim| dimension("permute", value.dims(), *dim)).collect::<Result<Vec<_>>>()?;
    let mut back = vec![usize::MAX; value.rank()];
    axes.iter().enumerate().for_each(|(to, from)| back[*from] = to);
    if axes.len() != value.rank() || back.contains(&usize::MAX) {
        bail!("permute", "{order:?} does not name each of the {} dimensions once", value.rank());
    }
    Ok(Tensor::derive(value.permute(axes)?, [x], move |grad, flow| flow.add(0, || Ok(grad.permute(back)?))))
}

/// Removes a dimension of size 1, or all of them.
pub fn squeeze(x: &Tensor, dim: Option<i64>) -> Result<Tensor> {
    let mut dims = x.shape();
    match dim {
        None => dims.retain(|size| *size != 1),
        Some(dim) => {
            let index = dimension("squeeze", &dims, dim)?;
            if dims[index] != 1 {
                bail!("squeeze", "dimension {dim} of shape {dims:?} is {}, not 1", dims[index]);
            }
            dims.remove(index);
        }
    }
    reshape(x, &signed(&dims))
}

/// Inserts a dimension of size 1 before dimension `dim` (-1: after the last).
pub fn unsqueeze(x: &Tensor, dim: i64) -> Result<Tensor> {
    let mut dims = x.shape();
    let rank = dims.len() as i64;
    let index = if dim < 0 { dim + rank + 1 } else { dim };
    if !(0..=rank).contains(&index) {
        bail!("unsqueeze", "dimension {dim} is out of range for shape {dims:?} ({} to {rank})", -rank - 1);
    }
    dims.insert(index as usize, 1);
    reshape(x, &signed(&dims))
}

fn signed(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|size| *size as i64).collect()
}

/// Broadcasts to a shape. -1 keeps a size.
pub fn expand(x: &Tensor, shape: &[i64]) -> Result<Tensor> {
    let from = x.shape();
    let lead = shape.len().saturating_sub(from.len());
    let mut dims = Vec::new();
    for (index, size) in shape.iter().enumerate() {
        match (usize::try_from(*size), index.checked_sub(lead)) {
            (Ok(size), _) => dims.push(size),
            (_, Some(own)) if *size == -1 => dims.push(from[own]),
            _ => bail!("expand", "size {size} in {shape:?}"),
        }
    }
    if broadcast("expand", &from, &dims)? != dims {
        bail!("expand", "shape {from:?} can't be stretched to {dims:?}");
    }
    let value = x.value().broadcast_as(dims)?;
    Ok(Tensor::derive(value, [x], move |grad, flow| flow.add(0, || sum_to(grad, &from))))
}

/// Concatenates along a dimension.
pub fn cat(parts: &[Tensor], dim: i64) -> Result<Tensor> {
    let Some(first) = parts.first() else { bail!("cat", "there is nothing to join") };
    let dims = first.shape();
    let axis = dimension("cat", &dims, dim)?;
    let dtype = parts.iter().fold(first.dtype(), |dtype, part| super::promote(dtype, part.dtype()));
    let parts = parts.iter().map(|part| super::cast(part, dtype)).collect::<Result<Vec<_>>>()?;
    for part in &parts {
        let other = part.shape();
        let meet = other.len() == dims.len()
            && other.iter().zip(&dims).enumerate().all(|(index, (a, b))| index == axis || a == b);
        if !meet {
            bail!("cat", "shapes {dims:?} and {other:?} differ in more than dimension {axis}");
        }
    }
    let arrays: Vec<Array> = parts.iter().map(Tensor::value).collect();
    let sizes: Vec<usize> = arrays.iter().map(|array| array.dims()[axis]).collect();
    let inputs: Vec<&Tensor> = parts.iter().collect();
    let mut joined = dims.clone();
    joined[axis] = sizes.iter().sum();
    volume("cat", &joined)?;
    Ok(Tensor::derive_from(Array::cat(&arrays, axis)?, &inputs, move |grad, flow| {
        let mut start = 0;
        for (index, size) in sizes.into_iter().enumerate() {
            flow.add(index, || Ok(grad.narrow(axis, start, size)?))?;
            start += size;
        }
        Ok(())
    }))
}

/// Stacks along a new dimension.
pub fn stack(parts: &[Tensor], dim: i64) -> Result<Tensor> {
    let Some(first) = parts.first() else { bail!("stack", "there is nothing to stack") };
    if let Some(other) = parts.iter().find(|part| part.shape() != first.shape()) {
        bail!("stack", "shapes {:?} and {:?} are not the same", first.shape(), other.shape());
    }
    let parts = parts.iter().map(|part| unsqueeze(part, dim)).collect::<Result<Vec<_>>>()?;
    cat(&parts, dim).map_err(|error| error.attributed_to("stack"))
}

/// Selects `count` consecutive indices along a dimension, from `start` on.
pub fn narrow(x: &Tensor, dim: i64, start: i64, count: i64) -> Result<Tensor> {
    let value = x.value();
    let axis = dimension("narrow", value.dims(), dim)?;
    let size = value.dims()[axis];
    let from = if start < 0 { start + size as i64 } else { start };
    if from < 0 || count < 0 || from + count > size as i64 {
        bail!("narrow", "{count} from {start} on are out of range for dimension {dim} of size {size}");
    }
    let (from, count) = (from as usize, count as usize);
    Ok(Tensor::derive(value.narrow(axis, from, count)?, [x], move |grad, flow| {
        flow.add(0, || Ok(grad.pad_with_zeros(axis, from, size - from - count)?))
    }))
}

/// Pads a dimension with zeros before and after.
pub fn pad(x: &Tensor, dim: i64, before: usize, after: usize) -> Result<Tensor> {
    let value = x.value();
    let axis = dimension("pad", value.dims(), dim)?;
    let size = value.dims()[axis];
    let mut padded = value.dims().to_vec();
    padded[axis] = before.saturating_add(size).saturating_add(after);
    volume("pad", &padded)?;
    Ok(Tensor::derive(value.pad_with_zeros(axis, before, after)?, [x], move |grad, flow| {
        flow.add(0, || Ok(grad.narrow(axis, before, size)?))
    }))
}
