//! Reductions over all numbers, over one dimension or several. Each sum is in an order of its own that does not
//! depend on threads.

use super::{arith::over as over_number, blocks, dimension, real};
use crate::kernel::parallel;
use crate::tensor::values::{array, each_line, number, values, with_values};
use crate::tensor::{Array, DType, Tensor};
use crate::{Result, bail, cancel};
use candle_core::WithDType;
use std::ops::Range;

/// Sums over the given dimensions, or over all. Integers are summed in i64.
pub fn sum(x: &Tensor, over: Option<&[i64]>, keep: bool) -> Result<Tensor> {
    let x = if x.dtype().is_float() { x.clone() } else { super::cast(x, DType::I64)? };
    let dims = x.shape();
    let over = chosen("sum", &dims, over)?;
    let value = sum_dims(&x.value(), &over, keep)?;
    Ok(Tensor::derive(value, [&x], move |grad, flow| flow.add(0, || spread(&grad, &dims, &over))))
}

/// Averages over the given dimensions, or over all. Integers give f32.
pub fn mean(x: &Tensor, over: Option<&[i64]>, keep: bool) -> Result<Tensor> {
    let x = real(x)?;
    let dims = x.shape();
    let over = chosen("mean", &dims, over)?;
    let count: usize = over.iter().map(|dim| dims[*dim]).product();
    let count = count as f64;
    let value = over_number(&sum_dims(&x.value(), &over, keep)?, count)?;
    Ok(Tensor::derive(value, [&x], move |grad, flow| flow.add(0, || spread(&over_number(&grad, count)?, &dims, &over))))
}

/// Computes the variance, divided by n - `correction` (1 for a sample, as in PyTorch).
pub fn variance(x: &Tensor, over: Option<&[i64]>, keep: bool, correction: i64) -> Result<Tensor> {
    let x = real(x)?;
    let dims = x.shape();
    let dims_over = chosen("variance", &dims, over)?;
    let count = dims_over.iter().map(|dim| dims[*dim]).product::<usize>() as i64 - correction;
    if count < 1 {
        bail!("variance", "{} numbers are too few for a variance with correction {correction}", count + correction);
    }
    let all: Vec<i64> = dims_over.iter().map(|dim| *dim as i64).collect();
    let center = super::subtract(&x, &mean(&x, Some(&all), true)?)?;
    super::divide(&sum(&super::square(&center)?, Some(&all), keep)?, count as f64)
}

/// The maxima along a dimension, or the largest of all. The gradient goes to the first of equals.
pub fn max(x: &Tensor, dim: Option<i64>, keep: bool) -> Result<Tensor> {
    extreme("max", x, dim, keep, true)
}

/// The minima along a dimension, or the smallest of all. The gradient goes to the first of equals.
pub fn min(x: &Tensor, dim: Option<i64>, keep: bool) -> Result<Tensor> {
    extreme("min", x, dim, keep, false)
}

/// The index of the first maximum, in i64: along a dimension, or in the numbers row by row.
pub fn argmax(x: &Tensor, dim: Option<i64>, keep: bool) -> Result<Tensor> {
    let (flat, dim) = flattened(x, dim)?;
    Ok(places("argmax", &flat, dim, keep, true)?.into())
}

/// The index of the first minimum, in i64: along a dimension, or in the numbers row by row.
pub fn argmin(x: &Tensor, dim: Option<i64>, keep: bool) -> Result<Tensor> {
    let (flat, dim) = flattened(x, dim)?;
    Ok(places("argmin", &flat, dim, keep, false)?.into())
}

fn extreme(who: &str, x: &Tensor, dim: Option<i64>, keep: bool, largest: bool) -> Result<Tensor> {
    let (flat, along) = flattened(x, dim)?;
    let along = dimension(who, &flat.shape(), along)? as i64;
    let places = Tensor::from(places(who, &flat, along, true, largest)?);
    let found = super::gather(&flat, along, &places)?;
    if keep && dim.is_some() { Ok(found) } else { super::squeeze(&found, Some(along)) }
}

/// Without a dimension: the numbers row by row, along their only one.
fn flattened(x: &Tensor, dim: Option<i64>) -> Result<(Tensor, i64)> {
    match dim {
        Some(dim) => Ok((x.clone(), dim)),
        None => Ok((super::reshape(x, &[-1])?, 0)),
    }
}

/// Index of the largest or smallest along a dimension. The first NaN wins, as in PyTorch.
fn places(who: &str, x: &Tensor, dim: i64, keep: bool, largest: bool) -> Result<Array> {
    let value = x.value();
    let dim = dimension(who, value.dims(), dim)?;
    let (before, count, after) = blocks(value.dims(), dim);
    if count == 0 {
        bail!(who, "there is nothing in dimension {dim} of shape {:?}", value.dims());
    }
    let found = number!(value.dtype(), T => with_values(&value, |x: &[T]| {
        let better = |a: T, b: T| (if largest { a > b } else { a < b }) || (nan(a) && !nan(b));
        each_line(before * after, count, |at| {
            let (start, offset) = (at / after * count * after, at % after);
            let at = |index: usize| x[start + index * after + offset];
            (1..count).fold(0, |best, index| if better(at(index), at(best)) { index } else { best }) as i64
        })
    })?)?;
    let dims = reduced(value.dims(), &[dim], keep);
    array(found, &dims, &value)
}

fn nan<T: WithDType>(x: T) -> bool {
    x.partial_cmp(&x).is_none()
}

/// The cumulative sum along a dimension. Integers are summed in i64.
pub fn cumsum(x: &Tensor, dim: i64) -> Result<Tensor> {
    let x = if x.dtype().is_float() { x.clone() } else { super::cast(x, DType::I64)? };
    let dim = dimension("cumsum", &x.shape(), dim)?;
    let value = running(&x.value(), dim, false)?;
    Ok(Tensor::derive(value, [&x], move |grad, flow| flow.add(0, || running(&grad, dim, true))))
}

fn running(x: &Array, dim: usize, backwards: bool) -> Result<Array> {
    /// Sums between two looks at whether to stop.
    const LOOK: usize = 1 << 22;
    let (before, count, after) = blocks(x.dims(), dim);
    crate::tensor::values::wide(x, |x| {
        number!(x.dtype(), T => {
            let mut sums = values::<T>(x)?;
            let mut unseen = 0;
            for start in (0..before).map(|block| block * count * after) {
                for step in 1..count {
                    unseen += after;
                    if unseen > LOOK {
                        cancel::check()?;
                        unseen = 0;
                    }
                    let (to, from) = if backwards { (count - 1 - step, count - step) } else { (step, step - 1) };
                    for offset in 0..after {
                        let more = sums[start + from * after + offset];
                        sums[start + to * after + offset] += more;
                    }
                }
            }
            array(sums, x.dims(), x)
        })
    })
}

/// The dimensions to reduce, each once, in order. `None`: all.
fn chosen(who: &str, dims: &[usize], over: Option<&[i64]>) -> Result<Vec<usize>> {
    let Some(over) = over else { return Ok((0..dims.len()).collect()) };
    let mut chosen = over.iter().map(|dim| dimension(who, dims, *dim)).collect::<Result<Vec<_>>>()?;
    chosen.sort_unstable();
    if let Some(twice) = chosen.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!(who, "dimension {} is named twice", twice[0]);
    }
    Ok(chosen)
}

fn reduced(dims: &[usize], over: &[usize], keep: bool) -> Vec<usize> {
    let size = |(dim, size): (usize, &usize)| match over.contains(&dim) {
        true => keep.then_some(1),
        false => Some(*size),
    };
    dims.iter().enumerate().filter_map(size).collect()
}

fn sum_dims(x: &Array, over: &[usize], keep: bool) -> Result<Array> {
    if over.len() == x.rank() {
        let total = total(x)?;
        return Ok(total.reshape(reduced(x.dims(), over, keep))?);
    }
    let mut sum = x.clone();
    for dim in over.iter().rev() {
        sum = sum_over(&sum, *dim, keep)?;
    }
    Ok(sum)
}

/// Broadcasts the gradient of a sum to the summed input.
fn spread(grad: &Array, dims: &[usize], over: &[usize]) -> Result<Array> {
    Ok(grad.reshape(reduced(dims, over, true))?.broadcast_as(dims)?)
}

/// The sum of all numbers.
fn total(x: &Array) -> Result<Array> {
    crate::tensor::values::wide(x, |x| match x.dtype() {
        DType::F32 => array(vec![with_values(x, fold::<f32>)?], &[], x),
        DType::F64 => array(vec![with_values(x, fold::<f64>)?], &[], x),
        _ => array(vec![with_values(x, |x: &[i64]| x.iter().fold(0i64, |a, b| a.wrapping_add(*b)))?], &[], x),
    })
}

/// A sum in blocks of fixed size: nearly as exact as pairwise summation, and independent of the threads.
fn fold<T: WithDType>(x: &[T]) -> T {
    let block = |x: &[T]| {
        let (chunks, rest) = x.as_chunks::<16>();
        let mut lanes = [T::zero(); 16];
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += *x;
            }
        }
        let mut sum = T::zero();
        lanes.into_iter().chain(rest.iter().copied()).for_each(|x| sum += x);
        sum
    };
    const BLOCK: usize = 256;
    if x.len() <= BLOCK {
        return block(x);
    }
    let mut parts = Vec::new();
    let sums = |blocks: Range<usize>| blocks.map(|at| block(&x[at * BLOCK..x.len().min((at + 1) * BLOCK)]));
    parallel::extend(&mut parts, 0..x.len().div_ceil(BLOCK), 64, sums);
    fold(&parts)
}

/// The sum over one dimension: rows are added to rows, so that it runs at the speed of memory.
pub(super) fn sum_over(x: &Array, dim: usize, keep: bool) -> Result<Array> {
    let (_, count, after) = blocks(x.dims(), dim);
    let dims = reduced(x.dims(), &[dim], keep);
    crate::tensor::values::wide(x, |x| {
        number!(x.dtype(), T => {
            let sums = with_values(x, |x: &[T]| {
                if after == 1 {
                    return (0..dims.iter().product()).map(|row| fold(&x[row * count..][..count])).collect();
                }
                let mut sums = vec![T::default(); dims.iter().product()];
                let add = |block: usize, from: usize, sums: &mut [T]| {
                    // in blocks of rows: many small numbers would be lost in one long sum
                    let mut part = vec![T::default(); sums.len()];
                    for steps in (0..count).step_by(64) {
                        part.fill(T::default());
                        for step in steps..count.min(steps + 64) {
                            let row = &x[(block * count + step) * after + from..][..sums.len()];
                            part.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
                        }
                        sums.iter_mut().zip(&part).for_each(|(sum, part)| *sum += *part);
                    }
                };
                const WIDTH: usize = 2048;
                parallel::pieces(&mut sums, after, &|first, sums| {
                    parallel::pieces(sums, WIDTH, &|from, sums| add(first / after, from, sums));
                });
                sums
            })?;
            array(sums, &dims, x)
        })
    })
}

/// The square root of [`variance`].
pub fn std(x: &Tensor, over: Option<&[i64]>, keep: bool, correction: i64) -> Result<Tensor> {
    super::sqrt(&variance(x, over, keep, correction).map_err(|error| error.attributed_to("std"))?)
}

/// The Euclidean norm.
pub fn norm(x: &Tensor, over: Option<&[i64]>, keep: bool) -> Result<Tensor> {
    super::sqrt(&sum(&super::square(x)?, over, keep)?)
}
