//! Arithmetic, with broadcasting and with numbers on either side. Integers wrap around, as in PyTorch: an overflow loses the
//! upper bits.

use super::operand::{Operand, sides, stretched};
use super::there::is_there;
use super::{broadcast, real, sum_to};
use crate::tensor::values::{each, zip};
use crate::tensor::{Array, DType, Tensor};
use crate::{Error, Result, kernel};

/// A float tensor and a number: the common case, in one pass without broadcasting.
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

/// `a / b`: true division, so integers return f32.
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
        flow.add(0, || sum_to(kernel::divide(&grad, &y)?, x.dims()))?;
        // -grad · (x / y / y): computing grad / y first would be infinite for a small y, and NaN with x = 0
        flow.add(1, || {
            let slope = kernel::divide(&quotient, &y)?;
            scale(&sum_to(kernel::multiply(&grad, &slope)?, y.dims())?, -1.0)
        })
    }))
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
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| {
        flow.add(0, || {
            let down = each!(&x, &y, &grad; |x, y, g| if y == 0.0 { 0.0 } else { g * (y * x.powf(y - 1.0)) })?;
            sum_to(down, &dims_a)
        })?;
        flow.add(1, || {
            let up = each!(&x, &y, &grad; |x, y, g| if x == 0.0 && y >= 0.0 { 0.0 } else { g * (x.powf(y) * x.ln()) })?;
            sum_to(up, &dims_b)
        })
    }))
}

fn by_exponent(x: &Tensor, exponent: f64) -> Result<Tensor> {
    let value = x.value();
    Ok(Tensor::derive(raised(&value, exponent)?, [x], move |grad, flow| {
        flow.add(0, || {
            if exponent == 0.0 {
                return Ok(grad.zeros_like()?);
            }
            Ok((scale(&raised(&value, exponent - 1.0)?, exponent)? * grad)?)
        })
    }))
}

/// x to a power. Small integral powers are products; negative ones are not, since a product could overflow while its inverse is
/// finite.
fn raised(x: &Array, power: f64) -> Result<Array> {
    if power.fract() == 0.0 && (0.0..=64.0).contains(&power) {
        let power = power as i32;
        return each!(x; |x| x.powi(power));
    }
    // as in PyTorch these use the special functions: for -0 and -infinity a power would differ
    match power {
        -1.0 => return each!(x; |x| 1.0 / x),
        0.5 => return each!(x; |x| x.sqrt()),
        -0.5 => return each!(x; |x| 1.0 / x.sqrt()),
        _ => {}
    }
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
    Ok(zip(&x, &y, wrapping_power)?.to_dtype(dtype)?.into())
}

/// x to the power of y, by squaring. Overflow beyond 64 bits is lost, as in a product.
fn wrapping_power(mut x: i64, mut y: i64) -> i64 {
    let mut power = 1i64;
    while y > 0 {
        if y & 1 == 1 {
            power = power.wrapping_mul(x);
        }
        x = x.wrapping_mul(x);
        y >>= 1;
    }
    power
}

/// The values of both sides, if they can be broadcast.
pub(super) fn meeting(who: &str, a: &Tensor, b: &Tensor) -> Result<(Array, Array)> {
    let (x, y) = (a.value(), b.value());
    broadcast(who, x.dims(), y.dims())?;
    Ok((x, y))
}

fn shift(x: &Array, number: f64) -> Result<Array> {
    if is_there(x) {
        return Ok(x.affine(1.0, number)?);
    }
    real_scalar(x, number, |x, n| x + n, |x, n| x + n)
}

pub(super) fn scale(x: &Array, number: f64) -> Result<Array> {
    if is_there(x) {
        return Ok(x.affine(number, 0.0)?);
    }
    real_scalar(x, number, |x, n| x * n, |x, n| x * n)
}

pub(super) fn over(x: &Array, number: f64) -> Result<Array> {
    if is_there(x) {
        return Ok(x.affine(1.0 / number, 0.0)?);
    }
    real_scalar(x, number, |x, n| x / n, |x, n| x / n)
}

/// A float array and a number, in the dtype of the array.
pub(super) fn real_scalar(
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
