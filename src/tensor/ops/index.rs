//! Indexing: `x[0]`, `x[1..3]`, `x[[0..2, 1]]`, `x[ids]`, and assignment to a part.

use super::pick::pick;
use super::{Operand, broadcast, cast, index_select, narrow, reshape, squeeze};
use crate::tensor::values::{array, number, values, values_i64, with_values};
use crate::tensor::{Array, DType, Tensor};
use crate::{Error, Result, bail};

/// An index of one dimension.
#[derive(Clone)]
pub enum At {
    /// One index, which removes the dimension. A negative index counts from the end.
    Int(i64),
    /// A half-open range; negative ends count from the end, and a range past the end is truncated.
    Range(i64, i64),
    /// Integer indices, in this order, or the positions where a u8 mask is not 0.
    Places(Tensor),
    All,
}

/// Equal positions of equal dimensions.
impl PartialEq for At {
    fn eq(&self, other: &At) -> bool {
        match (self, other) {
            (At::Int(a), At::Int(b)) => a == b,
            (At::Range(a, b), At::Range(c, d)) => (a, b) == (c, d),
            (At::Places(a), At::Places(b)) => {
                let (x, y) = (a.value(), b.value());
                x.id() == y.id() || x.dtype() == y.dtype() && super::close(a, b, 0.0).unwrap_or(false)
            }
            (At::All, At::All) => true,
            _ => false,
        }
    }
}

/// The part at `index`, one entry per dimension; further dimensions are taken whole.
pub fn at(x: &Tensor, index: &[At]) -> Result<Tensor> {
    let dims = x.shape();
    if let [At::Places(mask)] = index
        && mask.dtype() == DType::U8
        && mask.shape() == dims
        && dims.len() > 1
    {
        return index_select(&reshape(x, &[-1])?, 0, &where_true(mask)?);
    }
    if index.len() > dims.len() {
        bail!("index", "{} indices for shape {dims:?}", index.len());
    }
    let mut part = x.clone();
    let mut axis = 0;
    for (dim, (at, size)) in index.iter().zip(&dims).enumerate() {
        match at {
            At::Int(place) => {
                let place = inside(*place, dim, *size)?;
                part = squeeze(&narrow(&part, axis, place as i64, 1)?, Some(axis))?;
            }
            At::Range(from, to) => {
                let (from, to) = bounds(*from, *to, *size);
                part = narrow(&part, axis, from, to - from)?;
                axis += 1;
            }
            At::Places(places) => {
                let ids = places_in(places, dim, *size)?;
                part = index_select(&part, axis, &ids)?;
                axis += ids.value().rank() as i64;
            }
            At::All => axis += 1,
        }
    }
    Ok(part)
}

/// A copy of `x` with `value` at `index`.
pub fn assign(x: &Tensor, index: &[At], value: impl Into<Operand>) -> Result<Tensor> {
    if let Some(param) = x.as_held() {
        return Err(Error::new("index", format!("a part of {} can't be set: it is a parameter", param.label()))
            .help("change the numbers before `param(…)`, or let an optimizer change them"));
    }
    let base = x.value();
    let dims = base.dims().to_vec();
    let count = base.elem_count();
    let numbered = Array::arange(0, count as i64, &candle_core::Device::Cpu)?.reshape(dims.as_slice())?;
    let target = at(&numbered.into(), index)?;
    let places: Vec<usize> = values_i64("index", &target.value())?.into_iter().map(|place| place as usize).collect();

    let value = match value.into() {
        Operand::Tensor(value) => value,
        Operand::Scalar(number) => {
            number.check("index", base.dtype())?;
            number.to_dtype(base.dtype())?
        }
    };
    let value = cast(&value, base.dtype())?;
    let shape = target.shape();
    if broadcast("index", &shape, &value.shape())? != shape {
        bail!("index", "shape {:?} can't be put where shape {shape:?} is", value.shape());
    }
    put("index", x, places, &super::expand(&value, &shape.iter().map(|size| *size as i64).collect::<Vec<_>>())?)
}

/// A copy of `x` with the numbers of `value` at flat indices `places`. If an index repeats, the last number is used, and it alone
/// has a gradient.
pub(super) fn put(who: &str, x: &Tensor, places: Vec<usize>, value: &Tensor) -> Result<Tensor> {
    let (base, fill) = (x.value(), value.value());
    if places.len() != fill.elem_count() {
        bail!(who, "{} numbers for {} places", fill.elem_count(), places.len());
    }
    let changed = replace(&base, &places, &fill)?;
    let shape = fill.dims().to_vec();
    Ok(Tensor::derive(changed, [x, value], move |grad, flow| {
        flow.add(0, || {
            let none = pick(&grad, &places, &[places.len()])?.zeros_like()?;
            replace(&grad, &places, &none)
        })?;
        flow.add(1, || {
            let mut last = vec![0; grad.elem_count()];
            places.iter().enumerate().for_each(|(at, place)| last[*place] = at);
            let stays = places.iter().enumerate().map(|(at, place)| u8::from(last[*place] == at)).collect();
            let stays = array::<u8>(stays, &shape, &grad)?;
            let found = pick(&grad, &places, &shape)?;
            Ok(stays.where_cond(&found, &found.zeros_like()?)?)
        })
    }))
}

fn replace(base: &Array, places: &[usize], fill: &Array) -> Result<Array> {
    number!(base.dtype(), T => {
        let mut numbers = values::<T>(base)?;
        for (place, number) in places.iter().zip(values::<T>(fill)?) {
            numbers[*place] = number;
        }
        array(numbers, base.dims(), base)
    })
}

fn inside(place: i64, dim: usize, size: usize) -> Result<usize> {
    let index = if place < 0 { place + size as i64 } else { place };
    match usize::try_from(index) {
        Ok(index) if index < size => Ok(index),
        _ => bail!("index", "index {place} is out of range for dimension {dim} of size {size}"),
    }
}

/// A range within a dimension; as in Python, a range past the end is truncated.
fn bounds(from: i64, to: i64, size: usize) -> (i64, i64) {
    let size = size as i64;
    let place = |place: i64| if place < 0 { (place + size).max(0) } else { place.min(size) };
    (place(from), place(to).max(place(from)))
}

/// Nonnegative indices of a dimension.
fn places_in(places: &Tensor, dim: usize, size: usize) -> Result<Tensor> {
    if places.dtype() == DType::U8 {
        if places.shape() != [size] {
            bail!("index", "a mask of shape {:?} for dimension {dim} of size {size}", places.shape());
        }
        return where_true(places);
    }
    let value = places.value();
    let ids = values_i64("index", &value)?
        .into_iter()
        .map(|place| inside(place, dim, size).map(|place| place as i64))
        .collect::<Result<Vec<i64>>>()?;
    Ok(array(ids, value.dims(), &value)?.into())
}

/// The indices of all nonzero numbers, row by row: `[count, dimensions]` in i64.
pub fn nonzero(x: &Tensor) -> Result<Tensor> {
    let value = x.value();
    let dims = value.dims();
    let found: Vec<usize> = number!(value.dtype(), T => with_values(&value, |x: &[T]| {
        (0..x.len()).filter(|at| x[*at] != T::default()).collect()
    })?);
    let mut indices = Vec::with_capacity(found.len() * dims.len());
    for place in &found {
        let mut rest = *place;
        let from = indices.len();
        for size in dims.iter().rev() {
            indices.push((rest % size) as i64);
            rest /= size;
        }
        indices[from..].reverse();
    }
    array(indices, &[found.len(), dims.len()], &value).map(Into::into)
}

fn where_true(mask: &Tensor) -> Result<Tensor> {
    let mask = mask.value();
    let on = values::<u8>(&mask)?;
    let places: Vec<i64> = (0..on.len()).filter(|at| on[*at] != 0).map(|at| at as i64).collect();
    let count = places.len();
    array(places, &[count], &mask).map(Into::into)
}
