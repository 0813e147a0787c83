//! Reductions over all numbers, or over one or several dimensions. Each sum has a fixed order that does not depend on threads.
//! Halves are reduced in f32 and rounded once, integers exactly.

use super::there::is_there;
use super::{arith::over as over_number, arith::scale, blocks, dimension};
use crate::kernel::parallel;
use crate::tensor::values::{array, each, each_line, number, values_f64, wide, with_values};
use crate::tensor::{Array, DType, Tensor};
use crate::{Result, bail};
use candle_core::WithDType;
use std::ops::Range;

/// Sums over the given dimensions, or over all. Integers are summed in i64.
pub fn sum(x: &Tensor, over: Option<&[i64]>, keep: bool) -> Result<Tensor> {
    let x = if x.dtype().is_float() { x.clone() } else { super::cast(x, DType::I64)? };
    let dims = x.shape();
    let over = chosen("sum", &dims, over)?;
    let value = wide(&x.value(), |x| sum_dims(x, &over, keep))?;
    Ok(Tensor::derive(value, [&x], move |grad, flow| flow.add(0, || spread(&grad, &dims, &over))))
}

/// Averages over the given dimensions, or over all. Integers return f32.
pub fn mean(x: &Tensor, over: Option<&[i64]>, keep: bool) -> Result<Tensor> {
    let (numbers, dtype) = widened(x)?;
    let dims = x.shape();
    let over = chosen("mean", &dims, over)?;
    let count = over.iter().map(|dim| dims[*dim]).product::<usize>() as f64;
    let value = over_number(&sum_dims(&numbers, &over, keep)?, count)?.to_dtype(dtype)?;
    Ok(Tensor::derive(value, [x], move |grad, flow| flow.add(0, || spread(&over_number(&grad, count)?, &dims, &over))))
}

/// The numbers to reduce, and the dtype of the result: a sum of halves may overflow where their mean does not, and integers may
/// exceed f32.
fn widened(x: &Tensor) -> Result<(Array, DType)> {
    let (wide, result) = match x.dtype() {
        half @ (DType::F16 | DType::BF16) => (DType::F32, half),
        float if float.is_float() => (float, float),
        _ => (DType::F64, DType::F32),
    };
    Ok((x.value().to_dtype(wide)?, result))
}

/// Computes the variance, divided by n - `correction` (1 for a sample, as in PyTorch).
pub fn variance(x: &Tensor, over: Option<&[i64]>, keep: bool, correction: i64) -> Result<Tensor> {
    let spread = Spread::of("variance", x, over, correction)?;
    let (value, dtype) = (spread.variance(keep)?, spread.dtype);
    Ok(Tensor::derive(value.to_dtype(dtype)?, [x], move |grad, flow| {
        flow.add(0, || spread.gradient(&grad.to_dtype(value.dtype())?))
    }))
}

/// The square root of [`variance`]. Where it is 0 its gradient is 0 too, as in PyTorch.
pub fn std(x: &Tensor, over: Option<&[i64]>, keep: bool, correction: i64) -> Result<Tensor> {
    let spread = Spread::of("std", x, over, correction)?;
    let (value, dtype) = (spread.variance(keep)?.sqrt()?, spread.dtype);
    Ok(Tensor::derive(value.to_dtype(dtype)?, [x], move |grad, flow| {
        flow.add(0, || {
            let grad = grad.to_dtype(value.dtype())?;
            spread.gradient(&each!(&value, &grad; |y, g| if y == 0.0 { 0.0 } else { g / (2.0 * y) })?)
        })
    }))
}

/// Deviations of numbers from their mean.
struct Spread {
    center: Array,
    over: Vec<usize>,
    /// n - correction
    count: f64,
    dtype: DType,
}

impl Spread {
    fn of(who: &str, x: &Tensor, over: Option<&[i64]>, correction: i64) -> Result<Spread> {
        let (numbers, dtype) = widened(x)?;
        let over = chosen(who, numbers.dims(), over)?;
        let all = over.iter().map(|dim| numbers.dims()[*dim]).product::<usize>();
        let count = all as i64 - correction;
        if count < 1 {
            bail!(who, "{all} numbers are too few for a variance with correction {correction}");
        }
        let mean = over_number(&sum_dims(&numbers, &over, true)?, all as f64)?;
        Ok(Spread { center: numbers.broadcast_sub(&mean)?, over, count: count as f64, dtype })
    }

    fn variance(&self, keep: bool) -> Result<Array> {
        over_number(&sum_dims(&each!(&self.center; |x| x * x)?, &self.over, keep)?, self.count)
    }

    /// The gradient of the numbers, from the gradient of their variance: 2 / count · (x - mean) · grad.
    fn gradient(&self, grad: &Array) -> Result<Array> {
        let grad = spread(&scale(grad, 2.0 / self.count)?, self.center.dims(), &self.over)?;
        Ok((&self.center * grad)?.to_dtype(self.dtype)?)
    }
}

/// The maxima along a dimension, or the maximum of all. Along a dimension the gradient goes to the first in a tie; without one,
/// in equal parts to all of them, as in PyTorch.
pub fn max(x: &Tensor, dim: Option<i64>, keep: bool) -> Result<Tensor> {
    extreme("max", x, dim, keep, true)
}

/// The minima along a dimension, or the minimum of all. The gradient is as in [`max`].
pub fn min(x: &Tensor, dim: Option<i64>, keep: bool) -> Result<Tensor> {
    extreme("min", x, dim, keep, false)
}

/// The index of the first maximum, in i64: along a dimension, or in all numbers row by row.
pub fn argmax(x: &Tensor, dim: Option<i64>, keep: bool) -> Result<Tensor> {
    let (flat, dim) = flattened(x, dim)?;
    Ok(places("argmax", &flat, dim, keep, true)?.into())
}

/// The index of the first minimum, in i64: along a dimension, or in all numbers row by row.
pub fn argmin(x: &Tensor, dim: Option<i64>, keep: bool) -> Result<Tensor> {
    let (flat, dim) = flattened(x, dim)?;
    Ok(places("argmin", &flat, dim, keep, false)?.into())
}

fn extreme(who: &str, x: &Tensor, dim: Option<i64>, keep: bool, largest: bool) -> Result<Tensor> {
    let Some(along) = dim else { return one_of_all(x, &places(who, &flattened(x, None)?.0, 0, false, largest)?) };
    let along = dimension(who, &x.shape(), along)? as i64;
    let places = Tensor::from(places(who, x, along, true, largest)?);
    let found = super::gather(x, along, &places)?;
    if keep { Ok(found) } else { super::squeeze(&found, Some(along)) }
}

/// The number at a flat index. Its gradient goes in equal parts to all numbers equal to it.
pub(super) fn one_of_all(x: &Tensor, place: &Array) -> Result<Tensor> {
    let flat = x.value().flatten_all()?;
    let value = flat.index_select(&place.reshape(1)?, 0)?.reshape(())?;
    let found = value.clone();
    let dims = x.shape();
    Ok(Tensor::derive(value, [x], move |grad, flow| {
        flow.add(0, || {
            let equal = each!(&flat, &found.broadcast_as(flat.dims())?; |x, top| {
                if x == top || x.is_nan() && top.is_nan() { 1.0 } else { 0.0 }
            })?;
            let count: f64 = values_f64(&equal)?.into_iter().sum();
            let part = over_number(&grad, count)?.broadcast_as(flat.dims())?;
            Ok(each!(&equal, &part; |on, part| if on == 0.0 { 0.0 } else { part })?.reshape(dims)?)
        })
    }))
}

/// Without a dimension: the numbers row by row, in one dimension.
pub(super) fn flattened(x: &Tensor, dim: Option<i64>) -> Result<(Tensor, i64)> {
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

/// The dimensions to reduce, each once, in order. `None`: all.
pub(super) fn chosen(who: &str, dims: &[usize], over: Option<&[i64]>) -> Result<Vec<usize>> {
    let Some(over) = over else { return Ok((0..dims.len()).collect()) };
    let mut chosen = over.iter().map(|dim| dimension(who, dims, *dim)).collect::<Result<Vec<_>>>()?;
    chosen.sort_unstable();
    if let Some(twice) = chosen.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!(who, "dimension {} is named twice", twice[0]);
    }
    Ok(chosen)
}

pub(super) fn reduced(dims: &[usize], over: &[usize], keep: bool) -> Vec<usize> {
    let size = |(dim, size): (usize, &usize)| match over.contains(&dim) {
        true => keep.then_some(1),
        false => Some(*size),
    };
    dims.iter().enumerate().filter_map(size).collect()
}

pub(super) fn sum_dims(x: &Array, over: &[usize], keep: bool) -> Result<Array> {
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
pub(super) fn spread(grad: &Array, dims: &[usize], over: &[usize]) -> Result<Array> {
    Ok(grad.reshape(reduced(dims, over, true))?.broadcast_as(dims)?)
}

/// Whether candle computes the sum, on a device other than the CPU; integers are summed here, exactly.
fn stays(x: &Array) -> bool {
    is_there(x) && x.dtype().is_float()
}

/// The sum of all numbers.
fn total(x: &Array) -> Result<Array> {
    if stays(x) {
        return wide(x, |x| Ok(x.sum_all()?));
    }
    wide(x, |x| match x.dtype() {
        DType::F32 => array(vec![with_values(x, fold::<f32>)?], &[], x),
        DType::F64 => array(vec![with_values(x, fold::<f64>)?], &[], x),
        _ => array(vec![with_values(x, |x: &[i64]| x.iter().fold(0i64, |a, b| a.wrapping_add(*b)))?], &[], x),
    })
}

/// A sum in blocks of fixed size: nearly as exact as pairwise summation, and independent of threads.
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

/// The sum over one dimension: rows are added to rows, at memory speed.
pub(super) fn sum_over(x: &Array, dim: usize, keep: bool) -> Result<Array> {
    let (_, count, after) = blocks(x.dims(), dim);
    let dims = reduced(x.dims(), &[dim], keep);
    if stays(x) {
        return wide(x, |x| Ok(if keep { x.sum_keepdim(dim)? } else { x.sum(dim)? }));
    }
    wide(x, |x| {
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
