//! Arithmetic, with broadcasting and with numbers on either side.

use super::operand::{Operand, sides, stretched};
use super::{Compare, broadcast, real, sum_to};
use crate::tensor::values::{each, zip};
use crate::tensor::{Array, DType, Tensor};
use crate::{Error, Result, kernel};

/// A float tensor and a number: the common case, in one pass and with nothing to broadcast.
fn by_number(a: &Operand, b: &Operand) -> Option<(Tensor, f64)> {
    match (a, b) {
        (Operand::Tensor(a), Operand::Scalar(b)) if a.dtype().is_float() => Some((a.clone(), b.to_f64())),
        _ => None,
    }
}

/// `a + b`.
pub fn add(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = (a.into(), b.into());
    if let Some((x, number)) = by_number(&a, &b).or_else(|| by_number(&b, &a)) {
        return Ok(Tensor::derive(shift(&x.value(), number)?, [&x], |grad, flow| flow.add(0, || Ok(grad))));
    }
    let (a, b) = sides(a, b)?;
    let (x, y) = meeting("add", &a, &b)?;
    let (dims_a, dims_b) = (a.shape(), b.shape());
    Ok(Tensor::derive(kernel::add(&x, &y)?, [&a, &b], move |grad, flow| {
        let kept = grad.clone();
        flow.add(0, || sum_to(kept, &dims_a))?;
        flow.add(1, || sum_to(grad, &dims_b))
    }))
}

/// `a - b`.
pub fn subtract(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = (a.into(), b.into());
    if let Some((x, number)) = by_number(&a, &b) {
        return Ok(Tensor::derive(shift(&x.value(), -number)?, [&x], |grad, flow| flow.add(0, || Ok(grad))));
    }
    let (a, b) = sides(a, b)?;
    let (x, y) = meeting("subtract", &a, &b)?;
    let (dims_a, dims_b) = (a.shape(), b.shape());
    Ok(Tensor::derive(kernel::subtract(&x, &y)?, [&a, &b], move |grad, flow| {
        let kept = grad.clone();
        flow.add(0, || sum_to(kept, &dims_a))?;
        flow.add(1, || scale(&sum_to(grad, &dims_b)?, -1.0))
    }))
}

/// `a * b`, elementwise.
pub fn multiply(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = (a.into(), b.into());
    if let Some((x, number)) = by_number(&a, &b).or_else(|| by_number(&b, &a)) {
        let value = scale(&x.value(), number)?;
        return Ok(Tensor::derive(value, [&x], move |grad, flow| flow.add(0, || scale(&grad, number))));
    }
    let (a, b) = sides(a, b)?;
    let (x, y) = meeting("multiply", &a, &b)?;
    let value = kernel::multiply(&x, &y)?;
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| {
        flow.add(0, || sum_to(kernel::multiply(&grad, &y)?, x.dims()))?;
        flow.add(1, || sum_to(kernel::multiply(&grad, &x)?, y.dims()))
    }))
}

/// `a / b`: true division, so integers give f32.
pub fn divide(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = (a.into(), b.into());
    if let Some((x, number)) = by_number(&a, &b) {
        let value = over(&x.value(), number)?;
        return Ok(Tensor::derive(value, [&x], move |grad, flow| flow.add(0, || over(&grad, number))));
    }
    let (a, b) = sides(a, b)?;
    let (a, b) = (real(&a)?, real(&b)?);
    let (x, y) = meeting("divide", &a, &b)?;
    let value = kernel::divide(&x, &y)?;
    let quotient = value.clone();
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| {
        let part = kernel::divide(&grad, &y)?;
        flow.add(0, || sum_to(part.clone(), x.dims()))?;
        flow.add(1, || scale(&sum_to(kernel::multiply(&part, &quotient)?, y.dims())?, -1.0))
    }))
}

/// `a % b`: the remainder of floor division, with the sign of `b` as in PyTorch. Has no gradient.
pub fn remainder(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = sides(a, b)?;
    let (x, y) = meeting("remainder", &a, &b)?;
    let (x, y) = stretched(&x, &y)?;
    let value = match x.dtype() {
        DType::I64 => {
            if crate::tensor::values::values::<i64>(&y)?.contains(&0) {
                return Err(Error::new("remainder", "division by 0"));
            }
            zip(&x, &y, |x: i64, y: i64| x.wrapping_rem(y).wrapping_add(y).wrapping_rem(y))?
        }
        dtype if dtype.is_float() => each!(&x, &y; |x, y| x - y * (x / y).floor())?,
        dtype => {
            let wide = |x: &Array| -> Result<Tensor> { Ok(x.to_dtype(DType::I64)?.into()) };
            remainder(wide(&x)?, wide(&y)?)?.value().to_dtype(dtype)?
        }
    };
    Ok(value.into())
}

/// `a ** b`. Integers to a non-negative power stay integers.
pub fn power(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = (a.into(), b.into());
    if let Some((x, number)) = by_number(&a, &b) {
        return by_exponent(&x, number);
    }
    let (a, b) = sides(a, b)?;
    let (x, y) = meeting("power", &a, &b)?;
    if !x.dtype().is_float() {
        return whole_power(&x, &y);
    }
    let (dims_a, dims_b) = (a.shape(), b.shape());
    let (x, y) = stretched(&x, &y)?;
    let value = each!(&x, &y; |x, y| x.powf(y))?;
    let result = value.clone();
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| {
        flow.add(0, || {
            let slope = each!(&x, &y; |x, y| if y == 0.0 { 0.0 } else { y * x.powf(y - 1.0) })?;
            sum_to((slope * &grad)?, &dims_a)
        })?;
        flow.add(1, || {
            let slope = each!(&x, &result; |x, power| if x == 0.0 && power == 0.0 { 0.0 } else { power * x.ln() })?;
            sum_to((slope * &grad)?, &dims_b)
        })
    }))
}

fn by_exponent(x: &Tensor, exponent: f64) -> Result<Tensor> {
    let value = x.value();
    let whole = (exponent.fract() == 0.0 && exponent.abs() <= 64.0).then_some(exponent as i32);
    let raise = move |x: &Array, down: i32| match whole {
        Some(power) => each!(x; |x| x.powi(power - down)),
        None => {
            let power = exponent - f64::from(down);
            wide_power(x, power)
        }
    };
    let power = raise(&value, 0)?;
    Ok(Tensor::derive(power, [x], move |grad, flow| {
        flow.add(0, || {
            if exponent == 0.0 {
                return Ok(grad.zeros_like()?);
            }
            let slope = raise(&value, 1)?;
            let factor = exponent;
            scale(&(slope * grad)?, factor)
        })
    }))
}

fn wide_power(x: &Array, power: f64) -> Result<Array> {
    crate::tensor::values::wide(x, |x| match x.dtype() {
        DType::F64 => crate::tensor::values::map(x, |x: f64| x.powf(power)),
        _ => crate::tensor::values::map(x, |x: f32| x.powf(power as f32)),
    })
}

fn whole_power(x: &Array, y: &Array) -> Result<Tensor> {
    let dtype = x.dtype();
    let (x, y) = stretched(&x.to_dtype(DType::I64)?, &y.to_dtype(DType::I64)?)?;
    if let Some(power) = crate::tensor::values::values::<i64>(&y)?.iter().find(|power| **power < 0) {
        return Err(Error::new("power", format!("a whole number to the power of {power}"))
            .help("convert with `.to(\"f32\")`, or write the exponent with a point"));
    }
    let value = zip(&x, &y, |x: i64, y: i64| x.wrapping_pow(y.min(u32::MAX.into()) as u32))?;
    Ok(value.to_dtype(dtype)?.into())
}

/// Elementwise maximum. Where both are equal, the gradient goes to the first.
pub fn maximum(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    extreme("maximum", a.into(), b.into(), true)
}

/// Elementwise minimum. Where both are equal, the gradient goes to the first.
pub fn minimum(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    extreme("minimum", a.into(), b.into(), false)
}

fn extreme(who: &str, a: Operand, b: Operand, larger: bool) -> Result<Tensor> {
    let (a, b) = sides(a, b)?;
    meeting(who, &a, &b)?;
    let how = if larger { Compare::GreaterOrEqual } else { Compare::LessOrEqual };
    super::where_(&super::compare(how, &a, &b)?, a, b)
}

/// The values of both sides, if they can be broadcast.
fn meeting(who: &str, a: &Tensor, b: &Tensor) -> Result<(Array, Array)> {
    let (x, y) = (a.value(), b.value());
    broadcast(who, x.dims(), y.dims())?;
    Ok((x, y))
}

fn shift(x: &Array, number: f64) -> Result<Array> {
    real_scalar(x, number, |x, n| x + n, |x, n| x + n)
}

pub(super) fn scale(x: &Array, number: f64) -> Result<Array> {
    real_scalar(x, number, |x, n| x * n, |x, n| x * n)
}

pub(super) fn over(x: &Array, number: f64) -> Result<Array> {
    real_scalar(x, number, |x, n| x / n, |x, n| x / n)
}

/// A float array and a number, in the dtype of the array.
fn real_scalar(
    x: &Array,
    number: f64,
    narrow: impl Fn(f32, f32) -> f32 + Sync,
    wide: impl Fn(f64, f64) -> f64 + Sync,
) -> Result<Array> {
    use crate::tensor::values::{map, wide as widened};
    widened(x, |x| match x.dtype() {
        DType::F64 => map(x, |x: f64| wide(x, number)),
        _ => map(x, |x: f32| narrow(x, number as f32)),
    })
}
