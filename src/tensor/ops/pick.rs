//! Selection by index: rows, or one number of each row.

use super::there::is_there;
use super::{blocks, dimension, volume};
use crate::tensor::values::{array, number, values_i64, with_values};
use crate::tensor::{Array, Tensor};
use crate::{Result, bail};

/// Selects the indices `ids` along a dimension, which is replaced by the shape of `ids`.
pub fn index_select(x: &Tensor, dim: i64, ids: &Tensor) -> Result<Tensor> {
    let value = x.value();
    let axis = dimension("index_select", value.dims(), dim)?;
    let ids_value = ids.value();
    let ids = checked("index_select", &ids_value, axis, value.dims()[axis])?;
    let mut dims = value.dims().to_vec();
    dims.splice(axis..=axis, ids_value.dims().iter().copied());
    volume("index_select", &dims)?;
    if is_there(&value) {
        return select_there(x, &value, axis, &ids, &dims);
    }
    let (before, count, after) = blocks(value.dims(), axis);
    let picked = number!(value.dtype(), T => {
        let numbers = with_values(&value, |x: &[T]| {
            let mut picked = Vec::with_capacity(before * ids.len() * after);
            for block in 0..before {
                for id in &ids {
                    picked.extend_from_slice(&x[(block * count + id) * after..][..after]);
                }
            }
            picked
        })?;
        array(numbers, &dims, &value)?
    });
    let dims = value.dims().to_vec();
    Ok(Tensor::derive(picked, [x], move |grad, flow| flow.add(0, || put_back(&grad, &ids, &dims, axis))))
}

/// [`index_select`] on a device other than the CPU: only the indices are transferred.
fn select_there(x: &Tensor, value: &Array, axis: usize, ids: &[usize], dims: &[usize]) -> Result<Tensor> {
    let index = places_there(ids, value)?;
    let rows = value.contiguous()?.index_select(&index, axis)?;
    let (from, shape) = (value.dims().to_vec(), rows.dims().to_vec());
    Ok(Tensor::derive(rows.reshape(dims)?, [x], move |grad, flow| {
        flow.add(0, || {
            let zeros = Array::zeros(from.as_slice(), grad.dtype(), grad.device())?;
            Ok(zeros.index_add(&index, &grad.reshape(shape)?.contiguous()?, axis)?)
        })
    }))
}

/// Indices as an array on the device of `like`.
fn places_there(places: &[usize], like: &Array) -> Result<Array> {
    let places: Vec<i64> = places.iter().map(|place| *place as i64).collect();
    Ok(Array::from_slice(&places, places.len(), like.device())?)
}

/// Adds rows to the positions that they were selected from.
fn put_back(grad: &Array, ids: &[usize], dims: &[usize], axis: usize) -> Result<Array> {
    let (before, count, after) = blocks(dims, axis);
    number!(grad.dtype(), T => {
        let sums = with_values(grad, |grad: &[T]| {
            let mut sums = vec![T::default(); before * count * after];
            for block in 0..before {
                for (row, id) in ids.iter().enumerate() {
                    let from = &grad[(block * ids.len() + row) * after..][..after];
                    let to = &mut sums[(block * count + id) * after..][..after];
                    to.iter_mut().zip(from).for_each(|(sum, grad)| *sum += *grad);
                }
            }
            sums
        })?;
        array(sums, dims, grad)
    })
}

/// Gathers the numbers at `ids` along a dimension; the other dimensions of `ids` are those of `x`, or smaller.
pub fn gather(x: &Tensor, dim: i64, ids: &Tensor) -> Result<Tensor> {
    let places = places_along("gather", &x.shape(), dim, &ids.value())?;
    picked(x, places, &ids.shape())
}

/// The flat index in a tensor of shape `dims` for each index of `ids` along a dimension.
pub(super) fn places_along(who: &str, dims: &[usize], dim: i64, ids: &Array) -> Result<Vec<usize>> {
    let axis = dimension(who, dims, dim)?;
    let shape = ids.dims();
    let fits = shape.len() == dims.len() && (0..dims.len()).all(|at| at == axis || shape[at] <= dims[at]);
    if !fits {
        bail!(who, "indices of shape {shape:?} for shape {dims:?}: they may be larger only in dimension {axis}");
    }
    let mut steps = vec![1; dims.len()];
    for at in (1..dims.len()).rev() {
        steps[at - 1] = steps[at] * dims[at];
    }
    let mut at = vec![0; dims.len()];
    let mut places = checked(who, ids, axis, dims[axis])?;
    for id in &mut places {
        let rest: usize = (0..dims.len()).filter(|dim| *dim != axis).map(|dim| at[dim] * steps[dim]).sum();
        *id = rest + *id * steps[axis];
        // the next position of `ids`
        for dim in (0..shape.len()).rev() {
            at[dim] += 1;
            if at[dim] < shape[dim] {
                break;
            }
            at[dim] = 0;
        }
    }
    Ok(places)
}

/// A tensor of the numbers at `places`. A number selected several times receives the sum of its gradients.
pub(super) fn picked(x: &Tensor, places: Vec<usize>, dims: &[usize]) -> Result<Tensor> {
    let value = x.value();
    let from = value.dims().to_vec();
    let found = pick(&value, &places, dims)?;
    Ok(Tensor::derive(found, [x], move |grad, flow| flow.add(0, || scatter(&grad, &places, &from))))
}

/// The numbers at flat indices `places`.
pub(super) fn pick(x: &Array, places: &[usize], dims: &[usize]) -> Result<Array> {
    if is_there(x) {
        return Ok(x.flatten_all()?.contiguous()?.index_select(&places_there(places, x)?, 0)?.reshape(dims)?);
    }
    number!(x.dtype(), T => {
        let picked = with_values(x, |x: &[T]| places.iter().map(|place| x[*place]).collect::<Vec<T>>())?;
        array(picked, dims, x)
    })
}

/// Numbers added at `places` to an array of zeros.
pub(super) fn scatter(x: &Array, places: &[usize], dims: &[usize]) -> Result<Array> {
    if is_there(x) {
        let zeros = Array::zeros(dims.iter().product::<usize>(), x.dtype(), x.device())?;
        return Ok(zeros.index_add(&places_there(places, x)?, &x.flatten_all()?.contiguous()?, 0)?.reshape(dims)?);
    }
    number!(x.dtype(), T => {
        let mut sums = vec![T::default(); dims.iter().product()];
        with_values(x, |x: &[T]| places.iter().zip(x).for_each(|(place, x)| sums[*place] += *x))?;
        array(sums, dims, x)
    })
}

/// Indices checked to be within a dimension.
fn checked(who: &str, ids: &Array, axis: usize, size: usize) -> Result<Vec<usize>> {
    let ids = values_i64(who, ids)?;
    match ids.iter().find(|id| !(0..size as i64).contains(*id)) {
        Some(id) => bail!(who, "index {id} is out of range for dimension {axis} of size {size}"),
        None => Ok(ids.into_iter().map(|id| id as usize).collect()),
    }
}
