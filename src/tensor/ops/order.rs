//! Sorting along a dimension. Equal numbers keep their order; NaN is the largest, as in PyTorch.

use super::{blocks, dimension, gather, index_select, narrow, reshape};
use crate::cancel::{self, Pace};
use crate::tensor::values::{array, each_line, number, values, with_values};
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
    if !(0..=size as i64).contains(&k) {
        bail!("top_k", "{k} of dimension {dim} of size {size}");
    }
    let places = Tensor::from(first_places(&value, axis, k as usize, largest)?);
    Ok((gather(x, dim, &places)?, places))
}

/// Size of a line that takes some milliseconds to sort.
const LONG: usize = 1 << 15;

/// Indices of the first `k` in order, along a dimension.
fn first_places(x: &Array, axis: usize, k: usize, descending: bool) -> Result<Array> {
    let (before, count, after) = blocks(x.dims(), axis);
    let mut dims = x.dims().to_vec();
    dims[axis] = k;
    let mut found = vec![0i64; before * k * after];
    let current = cancel::current();
    let lines = number!(x.dtype(), T => with_values(x, |x: &[T]| {
        let places_of = |line: usize| {
            let (block, offset) = (line / after, line % after);
            let at = |place: &usize| x[(block * count + place) * after + offset];
            let pace = Pace::default();
            let order = |a: &usize, b: &usize| {
                pace.step();
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
        };
        // a long line checks for a stop itself, on any thread
        let one = |line: usize| if count < LONG { places_of(line) } else { cancel::under(&current, || places_of(line)) };
        // placing a number takes some ten comparisons
        cancel::stoppable(|| each_line(before * after, 16 * count, one)).flatten()
    })?)?;
    for (line, places) in lines.into_iter().enumerate() {
        for (rank, place) in places.into_iter().enumerate() {
            found[(line / after * k + rank) * after + line % after] = place as i64;
        }
    }
    array(found, &dims, x)
}

/// The distinct numbers of a tensor.
pub struct Unique {
    /// Sorted, one-dimensional.
    pub values: Tensor,
    /// Number of occurrences of each.
    pub counts: Tensor,
    /// For each number of the tensor, the index of its value.
    pub inverse: Tensor,
}

/// The distinct numbers of a tensor, sorted. All NaN are equal, and so are 0 and -0; the gradient goes to the first in a tie.
pub fn unique(x: &Tensor) -> Result<Unique> {
    let flat = reshape(x, &[-1])?;
    let value = flat.value();
    let order: Vec<usize> = first_order(&value)?;
    let mut starts = Vec::new();
    let mut inverse = vec![0i64; order.len()];
    number!(value.dtype(), T => with_values(&value, |x: &[T]| {
        for (rank, place) in order.iter().enumerate() {
            let is_new = rank == 0 || by_number(x[order[rank - 1]], x[*place]) != Ordering::Equal;
            if is_new {
                starts.push(rank);
            }
            inverse[*place] = starts.len() as i64 - 1;
        }
    })?);
    let ends = starts.iter().skip(1).copied().chain([order.len()]);
    let counts: Vec<i64> = starts.iter().zip(ends).map(|(start, end)| (end - start) as i64).collect();
    let firsts: Vec<i64> = starts.iter().map(|start| order[*start] as i64).collect();
    let count = starts.len();
    Ok(Unique {
        values: index_select(&flat, 0, &array(firsts, &[count], &value)?.into())?,
        counts: array(counts, &[count], &value)?.into(),
        inverse: array(inverse, &x.shape(), &value)?.into(),
    })
}

/// The indices that sort the numbers in one dimension.
fn first_order(x: &Array) -> Result<Vec<usize>> {
    let places = first_places(x, 0, x.dims()[0], false)?;
    Ok(values::<i64>(&places)?.into_iter().map(|place| place as usize).collect())
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
