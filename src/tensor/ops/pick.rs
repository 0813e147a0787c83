//! Selection by index: rows, or a number from each row.

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

/// Adds rows to the rows that they were selected from.
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

/// Gathers the numbers at `ids` along a dimension; `ids` differs in shape from `x` only there.
pub fn gather(x: &Tensor, dim: i64, ids: &Tensor) -> Result<Tensor> {
    let value = x.value();
    let axis = dimension("gather", value.dims(), dim)?;
    let ids_value = ids.value();
    let mut expect = value.dims().to_vec();
    if ids_value.rank() == expect.len() {
        expect[axis] = ids_value.dims()[axis];
    }
    if ids_value.dims() != expect {
        bail!(
            "gather",
            "indices of shape {:?} for shape {:?}: they may differ only in dimension {axis}",
            ids_value.dims(),
            value.dims()
        );
    }
    let ids = checked("gather", &ids_value, axis, value.dims()[axis])?;
    let (_, count, after) = blocks(value.dims(), axis);
    let each = expect[axis];
    // where in `x` the number of each place of the result is
    let places: Vec<usize> =
        ids.into_iter().enumerate().map(|(at, id)| (at / (each * after) * count + id) * after + at % after).collect();
    let gathered = pick(&value, &places, &expect)?;
    let dims = value.dims().to_vec();
    Ok(Tensor::derive(gathered, [x], move |grad, flow| flow.add(0, || scatter(&grad, &places, &dims))))
}

/// The numbers at `places`, counted row by row.
pub(super) fn pick(x: &Array, places: &[usize], dims: &[usize]) -> Result<Array> {
    number!(x.dtype(), T => {
        let picked = with_values(x, |x: &[T]| places.iter().map(|place| x[*place]).collect::<Vec<T>>())?;
        array(picked, dims, x)
    })
}

/// Numbers added at `places` of zeros.
pub(super) fn scatter(x: &Array, places: &[usize], dims: &[usize]) -> Result<Array> {
    number!(x.dtype(), T => {
        let mut sums = vec![T::default(); dims.iter().product()];
        with_values(x, |x: &[T]| places.iter().zip(x).for_each(|(place, x)| sums[*place] += *x))?;
        array(sums, dims, x)
    })
}

/// Indices that lie within a dimension.
fn checked(who: &str, ids: &Array, axis: usize, size: usize) -> Result<Vec<usize>> {
    let ids = values_i64(who, ids)?;
    match ids.iter().find(|id| !(0..size as i64).contains(*id)) {
        Some(id) => bail!(who, "index {id} is out of range for dimension {axis} of size {size}"),
        None => Ok(ids.into_iter().map(|id| id as usize).collect()),
    }
}
