//! Constant and random tensors.

use super::volume;
use crate::kernel::default_device;
use crate::tensor::values::values_i64;
use crate::tensor::{Array, DType, Rng, Tensor};
use crate::{Result, bail, cancel};

/// Makes a tensor on the default device.
fn made<T: candle_core::WithDType>(numbers: Vec<T>, dims: impl Into<candle_core::Shape>) -> Result<Array> {
    Ok(Array::from_vec(numbers, dims.into(), &default_device()?)?)
}

/// A tensor filled with one number.
pub fn full(who: &str, dims: &[usize], number: super::Scalar, dtype: DType) -> Result<Tensor> {
    volume(who, dims)?;
    number.check(who, dtype)?;
    Ok(number.on(dtype, &default_device()?)?.value().broadcast_as(dims)?.contiguous()?.into())
}

/// An identity matrix.
pub fn eye(n: usize, dtype: DType) -> Result<Tensor> {
    let count = volume("eye", &[n, n])?;
    let mut numbers = vec![0f32; count];
    numbers.iter_mut().step_by(n + 1).for_each(|number| *number = 1.0);
    Ok(made(numbers, (n, n))?.to_dtype(dtype)?.into())
}

/// The integers from `start` to `end`, excluded.
pub fn arange(start: i64, end: i64, step: i64) -> Result<Tensor> {
    if step == 0 || (end as i128 - start as i128).signum() == -(step as i128).signum() && start != end {
        bail!("arange", "steps of {step} do not lead from {start} to {end}");
    }
    let count = (end as i128 - start as i128).unsigned_abs().div_ceil(step.unsigned_abs().into());
    let count = volume("arange", &[usize::try_from(count).unwrap_or(usize::MAX)])?;
    let numbers: Vec<i64> = (0..count as i64).map(|index| start + index * step).collect();
    Ok(made(numbers, count)?.into())
}

/// The numbers from `start` to `end`, excluded, in f32.
pub fn arange_float(start: f64, end: f64, step: f64) -> Result<Tensor> {
    let count = ((end - start) / step).ceil();
    if !count.is_finite() || count < 0.0 {
        bail!("arange", "steps of {step} do not lead from {start} to {end}");
    }
    let count = volume("arange", &[count as usize])?;
    let numbers: Vec<f32> = (0..count).map(|index| (start + index as f64 * step) as f32).collect();
    Ok(made(numbers, count)?.into())
}

/// `count` equally spaced numbers from `start` to `end`, both included, in f32.
pub fn linspace(start: f64, end: f64, count: usize) -> Result<Tensor> {
    volume("linspace", &[count])?;
    let step = (end - start) / (count.max(2) - 1) as f64;
    // from both ends, so that both are exact
    let number = |index: usize| match index < count.div_ceil(2) {
        true => start + index as f64 * step,
        false => end - (count - 1 - index) as f64 * step,
    };
    Ok(made((0..count).map(|index| number(index) as f32).collect(), count)?.into())
}

/// Uniform in [0, 1), in f32.
pub fn rand(dims: &[usize], rng: &mut Rng) -> Result<Tensor> {
    let mut numbers = vec![0f32; volume("rand", dims)?];
    rng.fill_uniform(&mut numbers);
    cancel::check()?;
    Ok(made(numbers, dims)?.into())
}

/// From the standard normal distribution, in f32.
pub fn randn(dims: &[usize], rng: &mut Rng) -> Result<Tensor> {
    let mut numbers = vec![0f32; volume("randn", dims)?];
    rng.fill_normal(&mut numbers);
    cancel::check()?;
    Ok(made(numbers, dims)?.into())
}

/// Uniform integers in [low, high), in i64.
pub fn randint(low: i64, high: i64, dims: &[usize], rng: &mut Rng) -> Result<Tensor> {
    if low >= high {
        bail!("randint", "there is no whole number from {low} to before {high}");
    }
    let span = high.abs_diff(low);
    let count = volume("randint", dims)?;
    let mut numbers = Vec::with_capacity(count);
    while numbers.len() < count {
        cancel::check()?;
        let more = (count - numbers.len()).min(1 << 16);
        numbers.extend((0..more).map(|_| low.wrapping_add(rng.below(span) as i64)));
    }
    Ok(made(numbers, dims)?.into())
}

/// One f32 row of `classes` numbers for each id: 1 at the id, 0 elsewhere.
pub fn one_hot(ids: &Tensor, classes: usize) -> Result<Tensor> {
    let value = ids.value();
    let ids = values_i64("one_hot", &value)?;
    let mut dims = value.dims().to_vec();
    dims.push(classes);
    let mut numbers = vec![0f32; volume("one_hot", &dims)?];
    for (row, id) in ids.iter().enumerate() {
        match usize::try_from(*id) {
            Ok(id) if id < classes => numbers[row * classes + id] = 1.0,
            _ => bail!("one_hot", "{id} is not one of {classes} classes"),
        }
    }
    Ok(made(numbers, dims)?.into())
}
