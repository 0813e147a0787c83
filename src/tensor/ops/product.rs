//! Products, and cumulative sums and products.

use super::reduce::{chosen, reduced};
use super::{blocks, cast, dimension, lines};
use crate::tensor::values::{array, number, values, values_f64, wide, with_values};
use crate::tensor::{Array, DType, Tensor};
use crate::{Result, cancel};
use candle_core::WithDType;

/// Multiplies over the given dimensions, or all numbers. Integers are multiplied in i64, and wrap around.
///
/// A gradient is the product of the other numbers, so that it is correct with zeros.
pub fn prod(x: &Tensor, over: Option<&[i64]>, keep: bool) -> Result<Tensor> {
    let over = chosen("prod", &x.shape(), over)?;
    if !x.dtype().is_float() {
        return whole_prod(&cast(x, DType::I64)?.value(), &over, keep);
    }
    let input = x.value();
    let value = lines::reduce(&input, &over, keep, |line| line.iter().product())?;
    let result = value.clone();
    Ok(Tensor::derive(value, [x], move |grad, flow| {
        flow.add(0, || lines::gradient(&input, &over, &result, &grad, |line, _, grad| others(line, grad)))
    }))
}

/// For each number the product of the others, times `factor`.
fn others(line: &[f64], factor: f64) -> Vec<f64> {
    let mut products = Vec::with_capacity(line.len());
    let mut before = factor;
    for x in line {
        products.push(before);
        before *= x;
    }
    let mut after = 1.0;
    for (product, x) in products.iter_mut().zip(line).rev() {
        *product *= after;
        after *= x;
    }
    products
}

fn whole_prod(x: &Array, over: &[usize], keep: bool) -> Result<Tensor> {
    let order: Vec<usize> = (0..x.rank()).filter(|dim| !over.contains(dim)).chain(over.iter().copied()).collect();
    let (dims, width) = (reduced(x.dims(), over, keep), over.iter().map(|dim| x.dims()[*dim]).product::<usize>());
    let count = dims.iter().product::<usize>();
    let made = with_values(&x.permute(order)?, |x: &[i64]| {
        let line = |at: usize| x[at * width..][..width].iter().fold(1i64, |a, b| a.wrapping_mul(*b));
        (0..count).map(line).collect::<Vec<i64>>()
    })?;
    Ok(array(made, &dims, x)?.into())
}

/// The cumulative sum along a dimension. Integers are summed in i64.
pub fn cumsum(x: &Tensor, dim: i64) -> Result<Tensor> {
    let x = if x.dtype().is_float() { x.clone() } else { cast(x, DType::I64)? };
    let dim = dimension("cumsum", &x.shape(), dim)?;
    let value = sums(&x.value(), dim, false)?;
    Ok(Tensor::derive(value, [&x], move |grad, flow| flow.add(0, || sums(&grad, dim, true))))
}

/// The cumulative product along a dimension. Integers are multiplied in i64.
pub fn cumprod(x: &Tensor, dim: i64) -> Result<Tensor> {
    let x = if x.dtype().is_float() { x.clone() } else { cast(x, DType::I64)? };
    let dim = dimension("cumprod", &x.shape(), dim)?;
    let input = x.value();
    let value = running(&input, dim, false, 1.0, i64::wrapping_mul, |a, b| a * b)?;
    Ok(Tensor::derive(value, [&x], move |grad, flow| flow.add(0, || cumprod_gradient(&input, &grad, dim))))
}

fn sums(x: &Array, dim: usize, backwards: bool) -> Result<Array> {
    running(x, dim, backwards, 0.0, i64::wrapping_add, |a, b| a + b)
}

/// The gradient of a number: the product of those before it, times the sum over its own and all later results of their gradient
/// times the product of the numbers between. After a zero it is 0.
fn cumprod_gradient(x: &Array, grad: &Array, dim: usize) -> Result<Array> {
    let (before, count, after) = blocks(x.dims(), dim);
    let (numbers, grads) = (values_f64(x)?, values_f64(grad)?);
    let mut found = vec![0.0; numbers.len()];
    for line in 0..before * after {
        cancel::check()?;
        let at = |place: usize| (line / after * count + place) * after + line % after;
        let (mut from_here, mut next) = (0.0, 0.0);
        for place in (0..count).rev() {
            from_here = grads[at(place)] + next * from_here;
            next = numbers[at(place)];
            found[at(place)] = from_here;
        }
        let mut product = 1.0;
        for place in 0..count {
            found[at(place)] = if product == 0.0 { 0.0 } else { product * found[at(place)] };
            product *= numbers[at(place)];
        }
    }
    Ok(array(found, x.dims(), x)?.to_dtype(x.dtype())?)
}

/// Cumulative results, starting with `start`, in f64 as in PyTorch: a sum that overflowed f32 may come back.
fn running(
    x: &Array,
    dim: usize,
    backwards: bool,
    start: f64,
    whole: impl Fn(i64, i64) -> i64,
    float: impl Fn(f64, f64) -> f64,
) -> Result<Array> {
    let shape = blocks(x.dims(), dim);
    wide(x, |x| match x.dtype() {
        DType::I64 => array(along(values::<i64>(x)?, shape, backwards, start as i64, whole, |x| x)?, x.dims(), x),
        dtype => number!(dtype, T => {
            let float = |so_far: f64, x: T| float(so_far, x.to_f64());
            array(along(values::<T>(x)?, shape, backwards, start, float, T::from_f64)?, x.dims(), x)
        }),
    })
}

fn along<T: WithDType, A: Copy>(
    mut numbers: Vec<T>,
    (before, count, after): (usize, usize, usize),
    backwards: bool,
    start: A,
    add: impl Fn(A, T) -> A,
    give: impl Fn(A) -> T,
) -> Result<Vec<T>> {
    /// Numbers between two checks for a stop.
    const LOOK: usize = 1 << 22;
    let mut unseen = 0;
    let mut sums = vec![start; after];
    for block in 0..before {
        sums.fill(start);
        for step in 0..count {
            unseen += after;
            if unseen > LOOK {
                cancel::check()?;
                unseen = 0;
            }
            let place = if backwards { count - 1 - step } else { step };
            let row = &mut numbers[(block * count + place) * after..][..after];
            for (sum, number) in sums.iter_mut().zip(row) {
                *sum = add(*sum, *number);
                *number = give(*sum);
            }
        }
    }
    Ok(numbers)
}
