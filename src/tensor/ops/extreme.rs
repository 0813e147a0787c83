//! Elementwise maximum and minimum, and bounds. NaN on either side is NaN.

use super::arith::meeting;
use super::operand::{Operand, Scalar, sides, stretched};
use super::sum_to;
use crate::tensor::values::{beside, each, number};
use crate::tensor::{Array, Tensor};
use crate::{Result, bail};
use candle_core::WithDType;

/// Elementwise maximum. Where both are equal, each gets half of the gradient, as in PyTorch.
pub fn maximum(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = sides(a, b)?;
    let value = outer("maximum", &a, &b, true)?;
    let (x, y) = (a.value(), b.value());
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| shares(flow, [&x, &y], grad, true)))
}

/// Elementwise minimum. Where both are equal, each gets half of the gradient, as in PyTorch.
pub fn minimum(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
    let (a, b) = sides(a, b)?;
    let value = outer("minimum", &a, &b, false)?;
    let (x, y) = (a.value(), b.value());
    Ok(Tensor::derive(value, [&a, &b], move |grad, flow| shares(flow, [&x, &y], grad, false)))
}

/// The larger (or smaller) of each pair, or its NaN.
fn outer(who: &str, a: &Tensor, b: &Tensor, larger: bool) -> Result<Array> {
    let (x, y) = meeting(who, a, b)?;
    let (x, y) = if x.rank() == 0 || y.rank() == 0 { (x, y) } else { stretched(&x, &y)? };
    number!(x.dtype(), T => beside(&x, &y, |x: T, y: T| pick(x, y, larger)))
}

/// In a tie (0 and -0 are equal) the second, as in PyTorch.
fn pick<T: WithDType>(x: T, y: T, larger: bool) -> T {
    let nan = |x: T| x.partial_cmp(&x).is_none();
    let first = if larger { x > y } else { x < y };
    if nan(x) || first && !nan(y) { x } else { y }
}

/// The unselected side gets no gradient, and equal ones half. With NaN both get all of it.
fn shares(flow: &mut crate::tensor::Flow, [x, y]: [&Array; 2], grad: Array, larger: bool) -> Result<()> {
    let part = |own: &Array, other: &Array| {
        let (a, b) = (own.broadcast_as(grad.dims())?, other.broadcast_as(grad.dims())?);
        // negated, the smaller is the larger
        let (a, b) = if larger { (a, b) } else { (b, a) };
        sum_to(each!(&grad, &a, &b; |g, a, b| if a == b { 0.5 * g } else if a < b { 0.0 } else { g })?, own.dims())
    };
    flow.add(0, || part(x, y))?;
    flow.add(1, || part(y, x))
}

/// Clamps to the range from `least` to `most`. A number as bound passes no gradient where it is reached; a tensor takes its share
/// as in [`maximum`], as in PyTorch.
pub fn clamp(x: &Tensor, least: Option<Operand>, most: Option<Operand>) -> Result<Tensor> {
    if let (Some(Operand::Scalar(least)), Some(Operand::Scalar(most))) = (&least, &most)
        && above(*least, *most)
    {
        bail!("clamp", "the least is {least}, above the most, {most}");
    }
    let (least, most) = match (least, most) {
        (Some(Operand::Tensor(least)), Some(Operand::Tensor(most))) => return between(x, &least, &most),
        others => others,
    };
    let raised = match least {
        Some(Operand::Tensor(least)) => maximum(x, &least)?,
        Some(Operand::Scalar(least)) => bounded(x, least, true)?,
        None => x.clone(),
    };
    match most {
        Some(Operand::Tensor(most)) => minimum(&raised, &most),
        Some(Operand::Scalar(most)) => bounded(&raised, most, false),
        None => Ok(raised),
    }
    .map_err(|error| error.attributed_to("clamp"))
}

/// Clamps between two tensors. Where the number equals one of two different bounds, both get half of the gradient; where the
/// minimum exceeds the maximum, the maximum gets all of it.
fn between(x: &Tensor, least: &Tensor, most: &Tensor) -> Result<Tensor> {
    let (x, least) = sides(x, least)?;
    let (x, most) = sides(&x, most)?;
    let (x, least) = sides(&x, &least)?;
    let raised = outer("clamp", &x, &least, true)?;
    let value = outer("clamp", &raised.into(), &most, false)?;
    let (xs, lows, highs) = (x.value(), least.value(), most.value());
    Ok(Tensor::derive(value, [&x, &least, &most], move |grad, flow| {
        let whole = |x: &Array| -> Result<Array> { Ok(x.broadcast_as(grad.dims())?) };
        let (x, low, high) = (whole(&xs)?, whole(&lows)?, whole(&highs)?);
        let part = |share: Array, own: &Array| {
            sum_to(each!(&grad, &share; |g, share| if share == 0.0 { 0.0 } else { g * share })?, own.dims())
        };
        flow.add(0, || {
            let share = each!(&x, &low, &high; |x, low, high| {
                if x < low || x > high {
                    0.0
                } else if low < high && (x == low || x == high) {
                    0.5
                } else {
                    1.0
                }
            })?;
            part(share, &xs)
        })?;
        flow.add(1, || {
            let share = each!(&x, &low, &high; |x, low, high| {
                if x < low && low <= high {
                    1.0
                } else if x == low && low < high {
                    0.5
                } else {
                    0.0
                }
            })?;
            part(share, &lows)
        })?;
        flow.add(2, || {
            let share = each!(&x, &low, &high; |x, low, high| {
                if low > high || x > high && low <= high {
                    1.0
                } else if x == high && low < high {
                    0.5
                } else {
                    0.0
                }
            })?;
            part(share, &highs)
        })
    }))
}

fn above(a: Scalar, b: Scalar) -> bool {
    match (a, b) {
        (Scalar::Int(a), Scalar::Int(b)) => a > b,
        _ => a.to_f64() > b.to_f64(),
    }
}

/// Bounds `x` by a number from below or from above.
fn bounded(x: &Tensor, bound: Scalar, lower: bool) -> Result<Tensor> {
    let (x, bound) = sides(x, bound)?;
    let value = outer("clamp", &bound, &x, lower)?;
    let (xs, bound) = (x.value(), bound.value());
    Ok(Tensor::derive(value, [&x], move |grad, flow| {
        flow.add(0, || {
            let bound = bound.broadcast_as(xs.dims())?;
            let (a, b) = if lower { (&xs, &bound) } else { (&bound, &xs) };
            each!(&grad, a, b; |g, a, b| if a > b { g } else { 0.0 })
        })
    }))
}
