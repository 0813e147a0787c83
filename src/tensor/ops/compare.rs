//! Comparisons, and operations on masks of 1 and 0 in u8.

use super::operand::{Operand, sides, stretched};
use super::{broadcast, sum, sum_to};
use crate::tensor::values::{beside, choose, in_double, map, number, values, with_values};
use crate::tensor::{Array, Tensor};
use crate::{Error, Result, bail};
use candle_core::WithDType;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Compares elementwise: a u8 mask, 1 where the comparison holds.
pub fn compare(how: Compare, a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = sides(a, b)?;
    let (x, y) = (a.value(), b.value());
    broadcast("compare", x.dims(), y.dims())?;
    let (x, y) = if x.rank() == 0 || y.rank() == 0 { (x, y) } else { stretched(&x, &y)? };
    Ok(number!(x.dtype(), T => match how {
        Compare::Equal => beside(&x, &y, |x: T, y: T| u8::from(x == y)),
        Compare::NotEqual => beside(&x, &y, |x: T, y: T| u8::from(x != y)),
        Compare::Less => beside(&x, &y, |x: T, y: T| u8::from(x < y)),
        Compare::LessOrEqual => beside(&x, &y, |x: T, y: T| u8::from(x <= y)),
        Compare::Greater => beside(&x, &y, |x: T, y: T| u8::from(x > y)),
        Compare::GreaterOrEqual => beside(&x, &y, |x: T, y: T| u8::from(x >= y)),
    })?
    .into())
}

/// `a & b` of two masks.
pub fn both(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (x, y) = (truth("&", a)?, truth("&", b)?);
    broadcast("&", x.dims(), y.dims())?;
    Ok(x.broadcast_minimum(&y)?.into())
}

/// `a | b` of two masks.
pub fn either(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (x, y) = (truth("|", a)?, truth("|", b)?);
    broadcast("|", x.dims(), y.dims())?;
    Ok(x.broadcast_maximum(&y)?.into())
}

/// `!a` of a mask.
pub fn not(a: &Tensor) -> Result<Tensor> {
    Ok(map(&truth("!", a)?, |x: u8| 1 - x)?.into())
}

/// Whether no number is 0.
pub fn all(x: &Tensor) -> Result<bool> {
    Ok(!values::<u8>(&truth("all", x)?)?.contains(&0))
}

/// Whether some number is not 0.
pub fn any(x: &Tensor) -> Result<bool> {
    Ok(values::<u8>(&truth("any", x)?)?.contains(&1))
}

/// 1 where an integer is not 0, in u8.
fn truth(who: &str, x: &Tensor) -> Result<Array> {
    if x.dtype().is_float() {
        return Err(Error::new(who, format!("a mask of whole numbers is needed, not {}", x.dtype().as_str()))
            .help("compare first: `x > 0.5`"));
    }
    let value = x.value();
    number!(value.dtype(), T => map(&value, |x: T| u8::from(x != <T as WithDType>::from_f64(0.0))))
}

/// A mask: whether all numbers along a dimension are nonzero.
pub fn all_along(x: &Tensor, dim: &[i64], keep: bool) -> Result<Tensor> {
    let zeros = sum(&not(&Tensor::from(truth("all", x)?))?, Some(dim), keep)?;
    compare(Compare::Equal, zeros, 0)
}

/// A mask: whether any number along a dimension is nonzero.
pub fn any_along(x: &Tensor, dim: &[i64], keep: bool) -> Result<Tensor> {
    compare(Compare::Greater, sum(&Tensor::from(truth("any", x)?), Some(dim), keep)?, 0)
}

/// A mask of the numbers that pass a test. Integers are all finite.
fn tested(x: &Tensor, test: impl Fn(f64) -> bool + Sync) -> Result<Tensor> {
    let value = x.value();
    Ok(number!(value.dtype(), T => map(&value, |x: T| u8::from(test(x.to_f64()))))?.into())
}

/// A mask of NaN.
pub fn is_nan(x: &Tensor) -> Result<Tensor> {
    tested(x, f64::is_nan)
}

/// A mask of infinities of either sign.
pub fn is_inf(x: &Tensor) -> Result<Tensor> {
    tested(x, f64::is_infinite)
}

/// A mask of numbers that are neither infinite nor NaN.
pub fn is_finite(x: &Tensor) -> Result<Tensor> {
    tested(x, f64::is_finite)
}

/// Whether any number is NaN.
pub fn has_nan(x: &Tensor) -> Result<bool> {
    let value = x.value();
    if !value.dtype().is_float() {
        return Ok(false);
    }
    number!(value.dtype(), T => with_values(&value, |x: &[T]| x.iter().any(|x| x.to_f64().is_nan())))
}

/// Selects `a` where the mask is not 0, otherwise `b`; all three are broadcast.
pub fn where_(mask: &Tensor, a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let mask = truth("where", mask)?;
    let (a, b) = sides(a, b)?;
    let (x, y) = (a.value(), b.value());
    let dims = broadcast("where", &broadcast("where", x.dims(), y.dims())?, mask.dims())?;
    let whole = |side: Array| if side.rank() == 0 { Ok(side) } else { side.broadcast_as(dims.as_slice()) };
    let mask = mask.broadcast_as(dims.as_slice())?.contiguous()?;
    let (dims_a, dims_b) = (a.shape(), b.shape());
    let value = chosen(&mask, &whole(x)?, &whole(y)?)?;
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| {
        let none = Array::zeros((), grad.dtype(), grad.device())?;
        flow.add(0, || sum_to(chosen(&mask, &grad, &none)?, &dims_a))?;
        flow.add(1, || sum_to(chosen(&mask, &none, &grad)?, &dims_b))
    }))
}

fn chosen(mask: &Array, x: &Array, y: &Array) -> Result<Array> {
    number!(x.dtype(), T => choose::<T>(mask, x, y))
}

/// Replaces the numbers by `fill` where the mask is not 0.
pub fn masked_fill(x: &Tensor, mask: &Tensor, fill: super::Scalar) -> Result<Tensor> {
    let dims = x.shape();
    if broadcast("masked_fill", &dims, &mask.shape())? != dims {
        bail!("masked_fill", "a mask of shape {:?} for a tensor of shape {dims:?}", mask.shape());
    }
    fill.check("masked_fill", x.dtype())?;
    where_(mask, fill.to_dtype(x.dtype())?, x)
}

/// Whether both have the same shape and their numbers are at most `tolerance` apart (0: equal numbers).
pub fn close(a: &Tensor, b: &Tensor, tolerance: f64) -> Result<bool> {
    let (x, y) = (a.value(), b.value());
    if x.dims() != y.dims() {
        return Ok(false);
    }
    let (x, y) = stretched(&in_double(&x)?, &in_double(&y)?)?;
    let near = |x: f64, y: f64| x == y || (x - y).abs() <= tolerance;
    with_values(&x, |x: &[f64]| with_values(&y, |y: &[f64]| x.iter().zip(y).all(|(x, y)| near(*x, *y))))?
}
