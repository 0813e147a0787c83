//! Operations: each is one function with its forward and backward.

mod activation;
mod arith;
mod cast;
mod compare;
mod division;
mod einsum;
mod extreme;
mod index;
mod linalg;
mod lines;
mod loss;
mod make;
mod maths;
mod norm;
mod operand;
mod order;
mod pick;
mod product;
mod quantile;
mod rearrange;
mod reduce;
mod scatter;
mod segment;
mod shape;
mod softmax;
mod there;

pub use activation::{elu, leaky_relu, nan_to_num, round_to, softplus};
pub use arith::{add, divide, multiply, power, subtract};
pub use cast::{cast, to_device};
pub use compare::{
    Compare, all, all_along, any, any_along, both, close, compare, either, has_nan, is_finite, is_inf, is_nan,
    masked_fill, not, where_,
};
pub use division::{floor_divide, fmod, remainder};
pub use einsum::einsum;
pub use extreme::{clamp, maximum, minimum};
pub use index::{At, assign, at, nonzero};
pub use linalg::matmul;
pub use loss::{CrossEntropy, Reduction, binary_cross_entropy, cross_entropy, mse, weighted_binary_cross_entropy};
pub use make::{arange, arange_float, eye, full, linspace, one_hot, rand, randint, randn};
pub use maths::*;
pub use norm::norm;
pub use operand::{Operand, Scalar};
pub use order::{Unique, argsort, chunks, sort, top_k, unique};
pub use pick::{gather, index_select};
pub use product::{cumprod, cumsum, prod};
pub use quantile::{Interpolation, median, quantile};
pub use rearrange::*;
pub use reduce::{argmax, argmin, max, mean, min, std, sum, variance};
pub use scatter::{index_add, scatter, scatter_add};
pub use segment::{Weights as SegmentWeights, segment_mean};
pub use shape::*;
pub use softmax::{log_softmax, logsumexp, softmax};

use super::values::wide;
use super::{Array, DType, Tensor};
use crate::{Error, Result, bail};

/// A dimension as the user counts it (`-1` is the last), as an index into `dims`.
pub fn dimension(who: &str, dims: &[usize], dim: i64) -> Result<usize> {
    let rank = dims.len() as i64;
    let index = if dim < 0 { dim + rank } else { dim };
    if rank == 0 {
        bail!(who, "dimension {dim} of a single number, which has none");
    }
    if !(0..rank).contains(&index) {
        bail!(who, "dimension {dim} is out of range for shape {dims:?} ({} to {})", -rank, rank - 1);
    }
    Ok(index as usize)
}

/// The number of elements of a shape, if there is memory for them.
pub fn volume(who: &str, dims: &[usize]) -> Result<usize> {
    let too_large = || Error::new(who, format!("shape {dims:?} is too large for the memory"));
    let count = dims.iter().try_fold(1usize, |count, size| count.checked_mul(*size)).ok_or_else(too_large)?;
    crate::limits::room(who, (count as u64).saturating_mul(4), format_args!("shape {dims:?}"))?;
    // only checked, never touched
    if count > 1 << 26 {
        Vec::<u64>::new().try_reserve_exact(count).map_err(|_| too_large())?;
    }
    Ok(count)
}

/// The broadcast shape of two, as in numpy: aligned at the last dimension, where 1 broadcasts.
pub fn broadcast(who: &str, a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |dims: &[usize], from_end: usize| dims.len().checked_sub(from_end).map_or(1, |index| dims[index]);
    let dims = (1..=rank)
        .rev()
        .map(|from_end| match (size(a, from_end), size(b, from_end)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            (x, y) => Err(Error::new(who, format!("cannot broadcast {a:?} with {b:?}: {x} is not {y}"))),
        })
        .collect::<Result<Vec<usize>>>()?;
    volume(who, &dims)?;
    Ok(dims)
}

/// The common dtype of two, as in PyTorch: a float wins over an integer, the wider over the narrower, and f16 with bf16 is f32.
pub fn promote(a: DType, b: DType) -> DType {
    use DType::*;
    let order = [U8, U32, I64, F16, BF16, F32, F64];
    let rank = |dtype| order.iter().position(|known| *known == dtype).unwrap_or(0);
    match (a, b) {
        (F16, BF16) | (BF16, F16) => F32,
        _ if rank(a) < rank(b) => b,
        _ => a,
    }
}

/// Converts both to their promoted dtype. A scalar does not widen a tensor of its own kind (as in PyTorch).
fn promoted(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let (x, y) = (a.dtype(), b.dtype());
    if x == y {
        return Ok((a.clone(), b.clone()));
    }
    let dtype = match (a.value().rank(), b.value().rank()) {
        (0, 1..) if x.is_float() <= y.is_float() => y,
        (1.., 0) if y.is_float() <= x.is_float() => x,
        _ => promote(x, y),
    };
    Ok((cast(a, dtype)?, cast(b, dtype)?))
}

/// Converts integers to f32 for an operation on real numbers; floats are unchanged.
pub fn real(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_float() { Ok(x.clone()) } else { cast(x, DType::F32) }
}

/// Sums a gradient over the broadcast dimensions, to the shape of the input.
fn sum_to(grad: Array, dims: &[usize]) -> Result<Array> {
    if grad.dims() == dims {
        return Ok(grad);
    }
    wide(&grad, |grad| {
        let mut sum = grad.clone();
        for _ in 0..grad.rank() - dims.len() {
            sum = reduce::sum_over(&sum, 0, false)?;
        }
        for (dim, size) in dims.iter().enumerate() {
            if *size == 1 && sum.dims()[dim] != 1 {
                sum = reduce::sum_over(&sum, dim, true)?;
            }
        }
        Ok(sum)
    })
}

/// The numbers before, along and after a dimension, as used by a loop over it.
fn blocks(dims: &[usize], dim: usize) -> (usize, usize, usize) {
    (dims[..dim].iter().product(), dims[dim], dims[dim + 1..].iter().product())
}
