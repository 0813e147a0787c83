//! Writing or adding numbers at indices: the reverse of [`gather`](super::gather).

use super::index::put;
use super::operand::Operand;
use super::pick::{pick, places_along};
use super::{cast, dimension, expand, narrow, reshape};
use crate::tensor::values::{array, number, values, with_values};
use crate::tensor::{Array, Tensor};
use crate::{Result, bail};

/// A copy of `x` with the numbers of `source` at `ids` along a dimension. If an index repeats, the last number is used.
pub fn scatter(x: &Tensor, dim: i64, ids: &Tensor, source: impl Into<Operand>) -> Result<Tensor> {
    let places = places_along("scatter", &x.shape(), dim, &ids.value())?;
    put("scatter", x, places, &sources("scatter", x, ids, source.into())?)
}

/// A copy of `x` with the numbers of `source` added at `ids` along a dimension.
pub fn scatter_add(x: &Tensor, dim: i64, ids: &Tensor, source: impl Into<Operand>) -> Result<Tensor> {
    let places = places_along("scatter_add", &x.shape(), dim, &ids.value())?;
    let source = sources("scatter_add", x, ids, source.into())?;
    let (base, more) = (x.value(), source.value());
    let value = added(&base, &places, &more)?;
    let shape = more.dims().to_vec();
    Ok(Tensor::derive(value, [x, &source], move |grad, flow| {
        let kept = grad.clone();
        flow.add(0, || Ok(kept))?;
        flow.add(1, || pick(&grad, &places, &shape))
    }))
}

/// A copy of `x` with the rows of `source` added to rows `ids` along a dimension.
pub fn index_add(x: &Tensor, dim: i64, ids: &Tensor, source: &Tensor) -> Result<Tensor> {
    const WHO: &str = "index_add";
    let (dims, shape, count) = (x.shape(), source.shape(), ids.shape());
    let axis = dimension(WHO, &dims, dim)?;
    let same = shape.len() == dims.len() && (0..dims.len()).all(|at| at == axis || shape[at] == dims[at]);
    if !same || count != [shape[axis]] {
        bail!(WHO, "{count:?} indices and rows of shape {shape:?} for dimension {axis} of shape {dims:?}");
    }
    let mut column = vec![1; shape.len()];
    column[axis] = shape[axis] as i64;
    let whole: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
    let ids = expand(&reshape(ids, &column)?, &whole)?;
    scatter_add(x, dim, &ids, source).map_err(|error| error.attributed_to(WHO))
}

/// The number for each index, in the dtype of `x`.
fn sources(who: &str, x: &Tensor, ids: &Tensor, source: Operand) -> Result<Tensor> {
    let shape = ids.shape();
    let mut source = match source {
        Operand::Tensor(source) => cast(&source, x.dtype())?,
        Operand::Scalar(number) => {
            number.check(who, x.dtype())?;
            let whole: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
            return expand(&number.to_dtype(x.dtype())?, &whole);
        }
    };
    let given = source.shape();
    if given.len() != shape.len() || (0..shape.len()).any(|dim| given[dim] < shape[dim]) {
        bail!(who, "numbers of shape {given:?} for indices of shape {shape:?}");
    }
    for (dim, size) in shape.iter().enumerate().filter(|(dim, size)| given[*dim] > **size) {
        source = narrow(&source, dim as i64, 0, *size as i64)?;
    }
    Ok(source)
}

fn added(base: &Array, places: &[usize], more: &Array) -> Result<Array> {
    number!(base.dtype(), T => {
        let mut sums = values::<T>(base)?;
        with_values(more, |more: &[T]| places.iter().zip(more).for_each(|(place, more)| sums[*place] += *more))?;
        array(sums, base.dims(), base)
    })
}
