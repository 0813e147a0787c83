//! Rearranging numbers: reversed, repeated, restricted to triangles and diagonals, padded.

use super::pick::picked;
use super::{
    Scalar, cat, dimension, expand, full, index_select, multiply, narrow, pad, permute, reshape, unsqueeze, volume,
};
use crate::tensor::values::{array, number, values_i64, with_values};
use crate::tensor::{Array, Device, Tensor};
use crate::{Result, bail};

fn indices(places: Vec<i64>) -> Result<Tensor> {
    let count = places.len();
    Ok(Array::from_vec(places, count, &Device::Cpu)?.into())
}

fn signed(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|size| *size as i64).collect()
}

/// Reverses the order along the given dimensions.
pub fn flip(x: &Tensor, dims: &[i64]) -> Result<Tensor> {
    let shape = x.shape();
    let axes = dims.iter().map(|dim| dimension("flip", &shape, *dim)).collect::<Result<Vec<_>>>()?;
    if let Some(at) = (1..axes.len()).find(|at| axes[..*at].contains(&axes[*at])) {
        bail!("flip", "dimension {} is named twice", axes[at]);
    }
    axes.into_iter().try_fold(x.clone(), |x, axis| {
        index_select(&x, axis as i64, &indices((0..shape[axis] as i64).rev().collect())?)
    })
}

/// Moves the numbers by `shifts[n]` positions along `dims[n]`; numbers past the end wrap around to the start.
pub fn roll(x: &Tensor, shifts: &[i64], dims: &[i64]) -> Result<Tensor> {
    if shifts.len() != dims.len() {
        bail!("roll", "{} shifts for {} dimensions", shifts.len(), dims.len());
    }
    let shape = x.shape();
    shifts.iter().zip(dims).try_fold(x.clone(), |x, (shift, dim)| {
        let axis = dimension("roll", &shape, *dim)?;
        let size = shape[axis] as i64;
        let cut = if size == 0 { 0 } else { size - shift.rem_euclid(size) };
        if cut == size || cut == 0 {
            return Ok(x);
        }
        cat(&[narrow(&x, axis as i64, cut, size - cut)?, narrow(&x, axis as i64, 0, cut)?], axis as i64)
    })
}

/// Repeats the whole `counts[n]` times along dimension n; more counts than dimensions add dimensions in front.
pub fn repeat(x: &Tensor, counts: &[usize]) -> Result<Tensor> {
    let shape = x.shape();
    let Some(lead) = counts.len().checked_sub(shape.len()) else {
        bail!("repeat", "{} counts for the {} dimensions of shape {shape:?}", counts.len(), shape.len());
    };
    let whole: Vec<usize> = [vec![1; lead], shape].concat();
    // each dimension after one that counts its repetitions
    let apart: Vec<usize> = whole.iter().flat_map(|size| [1, *size]).collect();
    let wide: Vec<usize> = counts.iter().zip(&whole).flat_map(|(count, size)| [*count, *size]).collect();
    let joined: Vec<usize> = counts.iter().zip(&whole).map(|(count, size)| count.saturating_mul(*size)).collect();
    volume("repeat", &joined)?;
    reshape(&expand(&reshape(x, &signed(&apart))?, &signed(&wide))?, &signed(&joined))
}

/// Repeats each index along a dimension: all of them `counts[0]` times, or each by its own count.
pub fn repeat_interleave(x: &Tensor, counts: &[usize], dim: i64) -> Result<Tensor> {
    const WHO: &str = "repeat_interleave";
    let shape = x.shape();
    let axis = dimension(WHO, &shape, dim)?;
    if counts.len() != 1 && counts.len() != shape[axis] {
        bail!(WHO, "{} counts for dimension {axis} of size {}", counts.len(), shape[axis]);
    }
    let count = |at: usize| if counts.len() == 1 { counts[0] } else { counts[at] };
    let total = (0..shape[axis]).try_fold(0usize, |sum, at| sum.checked_add(count(at))).unwrap_or(usize::MAX);
    volume(WHO, &[total])?;
    let places = (0..shape[axis]).flat_map(|at| std::iter::repeat_n(at as i64, count(at))).collect();
    index_select(x, axis as i64, &indices(places)?)
}

/// The lower triangle of the last two dimensions, up to diagonal `diagonal`; 0 elsewhere.
pub fn tril(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    let value = triangle("tril", &x.value(), diagonal, true)?;
    Ok(Tensor::derive(value, [x], move |grad, flow| flow.add(0, || triangle("tril", &grad, diagonal, true))))
}

/// The upper triangle of the last two dimensions, from diagonal `diagonal` on; 0 elsewhere.
pub fn triu(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    let value = triangle("triu", &x.value(), diagonal, false)?;
    Ok(Tensor::derive(value, [x], move |grad, flow| flow.add(0, || triangle("triu", &grad, diagonal, false))))
}

fn triangle(who: &str, x: &Array, diagonal: i64, lower: bool) -> Result<Array> {
    let &[.., rows, columns] = x.dims() else { bail!(who, "shape {:?} is not a matrix", x.dims()) };
    let stays = |at: usize| {
        let (row, column) = (at / columns % rows, at % columns);
        let off = column as i64 - row as i64;
        if lower { off <= diagonal } else { off >= diagonal }
    };
    number!(x.dtype(), T => {
        let kept = with_values(x, |x: &[T]| {
            x.iter().enumerate().map(|(at, x)| if stays(at) { *x } else { T::default() }).collect::<Vec<T>>()
        })?;
        array(kept, x.dims(), x)
    })
}

/// The diagonal of two dimensions, `offset` above the main one: the two are replaced by one, the last.
pub fn diagonal(x: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
    const WHO: &str = "diagonal";
    let shape = x.shape();
    let (first, second) = (dimension(WHO, &shape, dim1)?, dimension(WHO, &shape, dim2)?);
    if first == second {
        bail!(WHO, "both dimensions are {first}");
    }
    let mut order: Vec<usize> = (0..shape.len()).filter(|dim| *dim != first && *dim != second).collect();
    let dims: Vec<usize> = order.iter().map(|dim| shape[*dim]).collect();
    order.extend([first, second]);
    let (rows, columns) = (shape[first], shape[second]);
    let (row, column) = (offset.min(0).unsigned_abs() as usize, offset.max(0) as usize);
    let length = rows.saturating_sub(row).min(columns.saturating_sub(column));
    let blocks: usize = dims.iter().product();
    let places = (0..blocks)
        .flat_map(|block| (0..length).map(move |at| (block * rows + row + at) * columns + column + at))
        .collect();
    picked(&permute(x, &signed(&order))?, places, &[dims, vec![length]].concat())
}

/// Matrices with the last dimension on their diagonal, `offset` above the main one; 0 elsewhere.
pub fn diag_embed(x: &Tensor, offset: i64) -> Result<Tensor> {
    let shape = x.shape();
    let Some((length, front)) = shape.split_last() else { bail!("diag_embed", "a single number has no dimensions") };
    let size = length.saturating_add(offset.unsigned_abs() as usize);
    let (row, column) = (offset.min(0).unsigned_abs() as usize, offset.max(0) as usize);
    let whole = [front, &[size, size]].concat();
    volume("diag_embed", &whole)?;
    let blocks: usize = front.iter().product();
    let places = (0..blocks)
        .flat_map(|block| (0..*length).map(move |at| (block * size + row + at) * size + column + at))
        .collect();
    let none = full("diag_embed", &whole, Scalar::Int(0), x.dtype())?;
    super::index::put("diag_embed", &none, places, x)
}

/// All products of a number of `a` and a number of `b`, two vectors.
pub fn outer(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.shape().len() != 1 || b.shape().len() != 1 {
        bail!("outer", "shapes {:?} and {:?} are not vectors", a.shape(), b.shape());
    }
    multiply(&unsqueeze(a, 1)?, &unsqueeze(b, 0)?).map_err(|error| error.attributed_to("outer"))
}

/// Pads with a number. As in PyTorch `sizes` are before and after the last dimension, then before and after the second to last,
/// and so on.
pub fn pad_with(x: &Tensor, sizes: &[usize], fill: Scalar) -> Result<Tensor> {
    let shape = x.shape();
    let (pairs, odd) = sizes.as_chunks::<2>();
    if !odd.is_empty() || pairs.len() > shape.len() {
        bail!("pad", "{} sizes for shape {shape:?}: a dimension takes two, the last one first", sizes.len());
    }
    fill.check("pad", x.dtype())?;
    pairs.iter().enumerate().try_fold(x.clone(), |x, (at, [before, after])| {
        let axis = shape.len() - 1 - at;
        if fill.to_f64() == 0.0 {
            return pad(&x, axis as i64, *before, *after);
        }
        let edge = |size: usize| {
            let mut dims = x.shape();
            dims[axis] = size;
            full("pad", &dims, fill, x.dtype())
        };
        cat(&[edge(*before)?, x.clone(), edge(*after)?], axis as i64)
    })
}

/// Counts for [`repeat_interleave`], from a tensor.
pub fn counts_of(who: &str, counts: &Tensor) -> Result<Vec<usize>> {
    let count = |count: i64| match usize::try_from(count) {
        Ok(count) => Ok(count),
        Err(_) => bail!(who, "a count of {count}"),
    };
    values_i64(who, &counts.value())?.into_iter().map(count).collect()
}
