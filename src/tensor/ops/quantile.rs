//! Medians and quantiles along a dimension, or of all numbers. NaN among them is NaN.

use super::reduce::{flattened, one_of_all};
use super::{
    add, argsort, clamp, dimension, gather, is_nan, multiply, narrow, real, reshape, sort, squeeze, stack, subtract,
    sum, where_,
};
use crate::tensor::values::values_f64;
use crate::tensor::{DType, Tensor};
use crate::{Error, Result, bail};

/// The median along a dimension, or of all: the lower of the two in the middle, as in PyTorch. The gradient goes to that number,
/// or without a dimension in equal parts to all numbers equal to it.
pub fn median(x: &Tensor, dim: Option<i64>, keep: bool) -> Result<Tensor> {
    const WHO: &str = "median";
    let (flat, along) = flattened(x, dim)?;
    let axis = dimension(WHO, &flat.shape(), along)? as i64;
    let size = flat.shape()[axis as usize] as i64;
    if size == 0 {
        bail!(WHO, "there is nothing in dimension {axis} of shape {:?}", flat.shape());
    }
    let order = argsort(&flat, axis, false)?;
    let (middle, last) = (narrow(&order, axis, (size - 1) / 2, 1)?, narrow(&order, axis, size - 1, 1)?);
    let (numbers, most) = (flat.detach(), gather(&flat.detach(), axis, &last)?);
    // NaN are last in order: the first of them, as in PyTorch
    let nans = sum(&is_nan(&numbers)?, Some(&[axis]), true)?;
    let first = clamp(&subtract(size, &nans)?, None, Some((size - 1).into()))?;
    let first = gather(&order, axis, &first)?;
    let place = where_(&is_nan(&most)?, &first, &middle)?;
    if dim.is_none() {
        return one_of_all(x, &place.value());
    }
    let found = gather(&flat, axis, &place)?;
    if keep { Ok(found) } else { squeeze(&found, Some(axis)) }
}

/// Interpolation of a quantile between two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    Linear,
    Lower,
    Higher,
    Midpoint,
    Nearest,
}

/// The `q`-th quantiles along a dimension, or of all. Several quantiles add a leading dimension.
pub fn quantile(x: &Tensor, q: &Tensor, dim: Option<i64>, keep: bool, between: Interpolation) -> Result<Tensor> {
    const WHO: &str = "quantile";
    let several = match q.shape()[..] {
        [] => false,
        [_] => true,
        ref dims => bail!(WHO, "the shares have shape {dims:?}, not one dimension"),
    };
    let x = real(x)?;
    let (flat, along) = flattened(&x, dim)?;
    let axis = dimension(WHO, &flat.shape(), along)? as i64;
    let size = flat.shape()[axis as usize];
    if size == 0 {
        bail!(WHO, "there is nothing in dimension {axis} of shape {:?}", flat.shape());
    }
    let sorted = sort(&flat, axis, false)?;
    let last = narrow(&sorted, axis, size as i64 - 1, 1)?;
    let unknown = is_nan(&last)?;
    let one = |share: f64| -> Result<Tensor> {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::new(WHO, format!("share {share} is not in 0 to 1")));
        }
        let found = where_(&unknown, &last, &at_rank(&sorted, axis, rank(share, size, x.dtype()), between)?)?;
        match (keep, dim) {
            (true, Some(_)) => Ok(found),
            (true, None) => reshape(&found, &vec![1; x.shape().len()]),
            (false, _) => squeeze(&found, Some(axis)),
        }
    };
    let shares = values_f64(&q.value())?;
    match several {
        false => one(shares[0]),
        true if shares.is_empty() => bail!(WHO, "there are no shares"),
        true => stack(&shares.into_iter().map(one).collect::<Result<Vec<_>>>()?, 0),
    }
}

/// The position of a quantile in the order, computed in the dtype of the numbers as in PyTorch.
fn rank(share: f64, size: usize, dtype: DType) -> f64 {
    match dtype {
        DType::F64 => share * (size - 1) as f64,
        _ => f64::from(share as f32 * (size - 1) as f32),
    }
}

fn at_rank(sorted: &Tensor, axis: i64, rank: f64, between: Interpolation) -> Result<Tensor> {
    let at = |rank: f64| narrow(sorted, axis, rank as i64, 1);
    let share = match between {
        Interpolation::Linear => rank.fract(),
        Interpolation::Midpoint if rank.fract() > 0.0 => 0.5,
        Interpolation::Midpoint => 0.0,
        Interpolation::Lower => return at(rank.floor()),
        Interpolation::Higher => return at(rank.ceil()),
        Interpolation::Nearest => return at(rank.round_ties_even()),
    };
    // a single number: next to an infinite one even zero times the difference is NaN
    if share == 0.0 {
        return at(rank);
    }
    let (low, high) = (at(rank.floor())?, at(rank.ceil())?);
    let gap = subtract(&high, &low)?;
    match share < 0.5 {
        true => add(&low, multiply(&gap, share)?),
        false => subtract(&high, multiply(&gap, 1.0 - share)?),
    }
}
