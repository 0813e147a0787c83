//! Integer division and remainders.

use super::arith::meeting;
use super::operand::{Operand, sides, stretched};
use super::sum_to;
use crate::tensor::values::{each, values, zip};
use crate::tensor::{Array, DType, Tensor};
use crate::{Result, bail};

/// x - y ⌊x / y⌋ exactly, as PyTorch and Python compute it.
macro_rules! modulo {
    ($x:expr, $y:expr) => {{
        let rest = $x % $y;
        if rest != 0.0 && ($y < 0.0) != (rest < 0.0) { rest + $y } else { rest }
    }};
}

/// ⌊x / y⌋ of the exact quotient: the rounded x / y may be an integer above it.
macro_rules! floored {
    ($x:expr, $y:expr) => {{
        let (x, y) = ($x, $y);
        let rest = x % y;
        let less = if rest != 0.0 && (y < 0.0) != (rest < 0.0) { 1.0 } else { 0.0 };
        let quotient = (x - rest) / y - less;
        if y == 0.0 {
            x / y
        } else if quotient == 0.0 {
            (0.0 * quotient).copysign(x / y)
        } else if quotient - quotient.floor() > 0.5 {
            quotient.floor() + 1.0
        } else {
            quotient.floor()
        }
    }};
}

/// `a % b`: the remainder of floor division, with the sign of `b` as in PyTorch.
pub fn remainder(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = sides(a, b)?;
    let (x, y) = meeting("remainder", &a, &b)?;
    if !x.dtype().is_float() {
        return whole("remainder", &x, &y, |x, y| {
            let rest = x.wrapping_rem(y);
            if rest != 0 && (y < 0) != (rest < 0) { rest + y } else { rest }
        });
    }
    let (dims_a, dims_b) = (a.shape(), b.shape());
    let (x, y) = stretched(&x, &y)?;
    let value = each!(&x, &y; |x, y| modulo!(x, y))?;
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| {
        let kept = grad.clone();
        flow.add(0, || sum_to(kept, &dims_a))?;
        flow.add(1, || sum_to(each!(&x, &y, &grad; |x, y, g| -g * floored!(x, y))?, &dims_b))
    }))
}

/// The remainder of division towards 0, with the sign of `a`, as in C.
pub fn fmod(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = sides(a, b)?;
    let (x, y) = meeting("fmod", &a, &b)?;
    if !x.dtype().is_float() {
        return whole("fmod", &x, &y, i64::wrapping_rem);
    }
    let (dims_a, dims_b) = (a.shape(), b.shape());
    let (x, y) = stretched(&x, &y)?;
    let value = each!(&x, &y; |x, y| x % y)?;
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| {
        let kept = grad.clone();
        flow.add(0, || sum_to(kept, &dims_a))?;
        flow.add(1, || sum_to(each!(&x, &y, &grad; |x, y, g| -g * (x / y).trunc())?, &dims_b))
    }))
}

/// ⌊a / b⌋. Its gradient is 0.
pub fn floor_divide(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = sides(a, b)?;
    let (x, y) = meeting("floor_divide", &a, &b)?;
    if !x.dtype().is_float() {
        return whole("floor_divide", &x, &y, |x, y| {
            let less = x.wrapping_rem(y) != 0 && (x < 0) != (y < 0);
            x.wrapping_div(y) - i64::from(less)
        });
    }
    let (dims_a, dims_b) = (a.shape(), b.shape());
    let (x, y) = stretched(&x, &y)?;
    let value = each!(&x, &y; |x, y| floored!(x, y))?;
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| {
        let none = grad.zeros_like()?;
        let also = none.clone();
        flow.add(0, || sum_to(none, &dims_a))?;
        flow.add(1, || sum_to(also, &dims_b))
    }))
}

/// Integers, in their own dtype.
fn whole(who: &str, x: &Array, y: &Array, make: impl Fn(i64, i64) -> i64 + Sync) -> Result<Tensor> {
    let dtype = x.dtype();
    let (x, y) = stretched(&x.to_dtype(DType::I64)?, &y.to_dtype(DType::I64)?)?;
    if values::<i64>(&y)?.contains(&0) {
        bail!(who, "division by 0");
    }
    Ok(zip(&x, &y, make)?.to_dtype(dtype)?.into())
}
