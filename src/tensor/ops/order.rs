//! Sorting along a dimension. Equal numbers keep their order; NaN is the largest, as in PyTorch.

use super::{blocks, dimension, gather, narrow};
use crate::tensor::values::{array, each_line, number, with_values};
use crate::tensor::{Array, Tensor};
use crate::{Result, bail};
use candle_core::WithDType;
use std::cmp::Ordering;

/// Sorts along a dimension.
pub fn sort(x: &Tensor, dim: i64, descending: bool) -> Result<Tensor> {
    let order = argsort(x, dim, descending).map_err(|error| error.attributed_to("sort"))?;
    gather(x, dim, &order)
}

/// The indices that sort along a dimension, in i64.
pub fn argsort(x: &Tensor, dim: i64, descending: bool) -> Result<Tensor> {
    let value = x.value();
    let axis = dimension("argsort", value.dims(), dim)?;
    let size = value.dims()[axis];
    Ok(first_places(&value, axis, size, descending)?.into())
}

/// The `k` largest (or smallest) numbers along a dimension in order, and their indices.
pub fn top_k(x: &Tensor, k: i64, dim: i64, largest: bool) -> Result<(Tensor, Tensor)> {
    let value = x.value();
    let axis = dimension("top_k", value.dims(), dim)?;
    let size = value.dims()[axis];
    if k < 1 || k > size as i64 {
        bail!("top_k", "{k} of dimension {dim} of size {size}");
    }
    let places = Tensor::from(first_places(&value, axis, k as usize, largest)?);
    Ok((gather(x, dim, &places)?, places))
}

/// Places of the first `k` in order, along a dimension.
fn first_places(x: &Array, axis: usize, k: usize, descending: bool) -> Result<Array> {
    let (before, count, after) = blocks(x.dims(), axis);
    let mut dims = x.dims().to_vec();
    dims[axis] = k;
    let mut found = vec![0i64; before * k * after];
    let lines = number!(x.dtype(), T => with_values(x, |x: &[T]| {
        // to put a number in its place takes some ten looks at it
        each_line(before * after, 16 * count, |line| {
            let (block, offset) = (line / after, line % after);
            let at = |place: &usize| x[(block * count + place) * after + offset];
            let order = |a: &usize, b: &usize| {
                let by_number = by_number(at(a), at(b));
                (if descending { by_number.reverse() } else { by_number }).then(a.cmp(b))
            };
            let mut places: Vec<usize> = (0..count).collect();
            if k < count {
                places.select_nth_unstable_by(k, order);
                places.truncate(k);
            }
            places.sort_unstable_by(order);
            places
        })
    })?)?;
    for (line, places) in lines.into_iter().enumerate() {
        for (rank, place) in places.into_iter().enumerate() {
            found[(line / after * k + rank) * after + line % after] = place as i64;
        }
    }
    array(found, &dims, x)
}

fn by_number<T: WithDType>(a: T, b: T) -> Ordering {
    let nan = |x: T| x.partial_cmp(&x).is_none();
    a.partial_cmp(&b).unwrap_or_else(|| nan(a).cmp(&nan(b)))
}

/// Splits into chunks of `size` along a dimension; the last may be smaller.
pub fn chunks(x: &Tensor, size: i64, dim: i64) -> Result<Vec<Tensor>> {
    let dims = x.shape();
    let axis = dimension("chunks", &dims, dim)?;
    if size < 1 {
        bail!("chunks", "size {size} is not above 0");
    }
    let total = dims[axis] as i64;
    (0..total).step_by(size as usize).map(|start| narrow(x, dim, start, size.min(total - start))).collect()
}
