//! Arrays as slices: what loops of our own run over. On another device than the CPU the numbers are copied here
//! and the result back, so that every operation works everywhere.

use super::{Array, DType, Device};
use crate::{Error, Result, bail, cancel};
use candle_core::{Storage, WithDType};
use rayon::prelude::*;
use std::ops::Range;

/// Fewer numbers than this are not worth a second thread.
const PARALLEL: usize = 1 << 15;

/// Numbers between two looks at whether to stop: some milliseconds of work.
const GROUP: usize = 1 << 22;

/// The numbers of an array, row by row, without a copy where they lie like that already.
pub fn with_values<T: WithDType, R>(array: &Array, read: impl FnOnce(&[T]) -> R) -> Result<R> {
    if !array.device().is_cpu() {
        return with_values(&array.to_device(&Device::Cpu)?, read);
    }
    let array = array.contiguous()?;
    let (storage, layout) = array.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(numbers), Some((start, end))) => Ok(read(&numbers.as_slice::<T>()?[start..end])),
        _ => bail!("tensor", "its numbers are not where they should be"),
    }
}

/// A copy of the numbers of an array, row by row.
pub fn values<T: WithDType>(array: &Array) -> Result<Vec<T>> {
    with_values(array, <[T]>::to_vec)
}

/// The numbers of an array of any dtype as f64.
pub fn values_f64(array: &Array) -> Result<Vec<f64>> {
    values(&array.to_dtype(DType::F64)?)
}

/// Whole numbers of any dtype as i64.
pub fn values_i64(who: &str, array: &Array) -> Result<Vec<i64>> {
    if array.dtype().is_float() {
        return Err(Error::new(who, format!("whole numbers are needed, not {}", array.dtype().as_str()))
            .help("convert with `.to(\"i64\")`"));
    }
    values(&array.to_dtype(DType::I64)?)
}

/// An array on the device of `like`.
pub fn array<T: WithDType>(numbers: Vec<T>, dims: &[usize], like: &Array) -> Result<Array> {
    let here = Array::from_vec(numbers, dims, &Device::Cpu)?;
    Ok(if like.device().is_cpu() { here } else { here.to_device(like.device())? })
}

/// `make` of every number. Halves are computed in f32.
pub fn map<T: WithDType, U: WithDType>(x: &Array, make: impl Fn(T) -> U + Sync) -> Result<Array> {
    let made = with_values(x, |x: &[T]| {
        if x.len() < PARALLEL {
            return Ok(x.iter().map(|x| make(*x)).collect::<Vec<U>>());
        }
        in_groups(x.len(), |group| x[group].par_iter().with_min_len(PARALLEL / 4).map(|x| make(*x)))
    })
    .flatten()?;
    array(made, x.dims(), x)
}

/// All numbers of the groups that `0..count` is cut into; between two of them it can be interrupted.
fn in_groups<U: Send, P>(count: usize, numbers: impl Fn(Range<usize>) -> P) -> Result<Vec<U>>
where
    P: IndexedParallelIterator<Item = U>,
{
    in_groups_of(GROUP, count, numbers)
}

fn in_groups_of<U: Send, P>(size: usize, count: usize, numbers: impl Fn(Range<usize>) -> P) -> Result<Vec<U>>
where
    P: IndexedParallelIterator<Item = U>,
{
    let mut made = Vec::with_capacity(count);
    for from in (0..count).step_by(size) {
        cancel::check()?;
        made.par_extend(numbers(from..count.min(from + size)));
    }
    Ok(made)
}

/// `make` of `0..count` in parallel, where each takes as long as `width` numbers.
pub fn each_line<U: Send>(count: usize, width: usize, make: impl Fn(usize) -> U + Sync) -> Result<Vec<U>> {
    let width = width.max(1);
    if count * width < PARALLEL {
        return Ok((0..count).map(make).collect());
    }
    let least = (PARALLEL / 4).div_ceil(width);
    in_groups_of(GROUP.div_ceil(width), count, |group| group.into_par_iter().with_min_len(least).map(&make))
}

/// The numbers of two arrays, for a reading that may fail.
fn with_both<T: WithDType, R>(x: &Array, y: &Array, read: impl FnOnce(&[T], &[T]) -> Result<R>) -> Result<R> {
    with_values(x, |x| with_values(y, |y| read(x, y)).flatten()).flatten()
}

/// `make` of every pair of numbers of two arrays of one shape.
pub fn zip<T: WithDType, U: WithDType>(x: &Array, y: &Array, make: impl Fn(T, T) -> U + Sync) -> Result<Array> {
    debug_assert_eq!(x.dims(), y.dims());
    let made = with_both(x, y, |x: &[T], y: &[T]| {
        if x.len() < PARALLEL {
            return Ok(x.iter().zip(y).map(|(x, y)| make(*x, *y)).collect::<Vec<U>>());
        }
        in_groups(x.len(), |group| {
            let pairs = x[group.clone()].par_iter().with_min_len(PARALLEL / 4).zip(&y[group]);
            pairs.map(|(x, y)| make(*x, *y))
        })
    })?;
    array(made, x.dims(), x)
}

/// `make` of every number and the one number that a side without dimensions is.
pub fn beside<T: WithDType, U: WithDType>(x: &Array, y: &Array, make: impl Fn(T, T) -> U + Sync) -> Result<Array> {
    match (x.rank(), y.rank()) {
        (_, 0) => {
            let y = y.to_scalar::<T>()?;
            map(x, |x: T| make(x, y))
        }
        (0, _) => {
            let x = x.to_scalar::<T>()?;
            map(y, |y: T| make(x, y))
        }
        _ => zip(x, y, make),
    }
}

/// `x` where the mask is not 0, else `y`; each of them in the shape of the mask, or one number.
pub fn choose<T: WithDType>(mask: &Array, x: &Array, y: &Array) -> Result<Array> {
    let side = |side: &Array, at: usize, all: &[T]| if side.rank() == 0 { all[0] } else { all[at] };
    let made = with_values(mask, |mask: &[u8]| {
        with_both(x, y, |xs: &[T], ys: &[T]| {
            let pick = |at: usize| if mask[at] == 0 { side(y, at, ys) } else { side(x, at, xs) };
            each_line(mask.len(), 1, pick)
        })
    })
    .flatten()?;
    array(made, mask.dims(), mask)
}

/// `make(row, out)` for every row along the last dimension.
pub fn map_rows<T: WithDType>(x: &Array, make: impl Fn(&[T], &mut [T]) + Sync) -> Result<Array> {
    zip_rows(x, x, |x, _, out| make(x, out))
}

/// `make(row, row, out)` for the rows of two arrays of one shape.
pub fn zip_rows<T: WithDType>(x: &Array, y: &Array, make: impl Fn(&[T], &[T], &mut [T]) + Sync) -> Result<Array> {
    debug_assert_eq!(x.dims(), y.dims());
    let width = x.dims().last().copied().unwrap_or(1);
    if x.elem_count() == 0 {
        return Ok(x.clone());
    }
    let made = with_both(x, y, |x: &[T], y: &[T]| {
        let mut made = vec![T::zero(); x.len()];
        let row = |(row, out): (usize, &mut [T])| {
            let places = row * width..(row + 1) * width;
            make(&x[places.clone()], &y[places], out);
        };
        if x.len() < PARALLEL {
            made.chunks_mut(width).enumerate().for_each(row);
            return Ok(made);
        }
        let (least, group) = ((PARALLEL / 4).div_ceil(width), GROUP.div_ceil(width));
        for (first, out) in (0..).step_by(group).zip(made.chunks_mut(group * width)) {
            cancel::check()?;
            let rows = out.par_chunks_mut(width).with_min_len(least).enumerate();
            rows.for_each(|(at, out)| row((first + at, out)));
        }
        Ok(made)
    })?;
    array(made, x.dims(), x)
}

/// Runs an operation that knows f32 and f64 on any float dtype: halves go through f32.
pub fn wide(x: &Array, run: impl FnOnce(&Array) -> Result<Array>) -> Result<Array> {
    match x.dtype() {
        half @ (DType::F16 | DType::BF16) => Ok(run(&x.to_dtype(DType::F32)?)?.to_dtype(half)?),
        _ => run(x),
    }
}

/// `each!(x; |a| a.exp())`, `each!(x, y; |a, b| a * b)`: the expression for every number of float arrays of one
/// shape, in the array's own dtype (halves in f32).
macro_rules! each {
    ($x:expr; |$a:ident| $made:expr) => {
        $crate::tensor::values::wide($x, |x| match x.dtype() {
            $crate::tensor::DType::F64 => $crate::tensor::values::map(x, |$a: f64| -> f64 { $made }),
            _ => $crate::tensor::values::map(x, |$a: f32| -> f32 { $made }),
        })
    };
    ($x:expr, $y:expr; |$a:ident, $b:ident| $made:expr) => {
        $crate::tensor::values::wide($x, |x| match x.dtype() {
            $crate::tensor::DType::F64 => $crate::tensor::values::zip(x, $y, |$a: f64, $b: f64| -> f64 { $made }),
            dtype => {
                let y = $y.to_dtype(dtype)?;
                $crate::tensor::values::zip(x, &y, |$a: f32, $b: f32| -> f32 { $made })
            }
        })
    };
}
pub(crate) use each;

/// `rows!(x; |row, out| …)`, `rows!(x, y; |a, b, out| …)`: a block for every row along the last dimension of float
/// arrays, in the array's own dtype (halves in f32).
macro_rules! rows {
    ($x:expr; |$a:ident, $out:ident| $made:expr) => {
        $crate::tensor::values::wide($x, |x| match x.dtype() {
            $crate::tensor::DType::F64 => $crate::tensor::values::map_rows(x, |$a: &[f64], $out: &mut [f64]| $made),
            _ => $crate::tensor::values::map_rows(x, |$a: &[f32], $out: &mut [f32]| $made),
        })
    };
    ($x:expr, $y:expr; |$a:ident, $b:ident, $out:ident| $made:expr) => {
        $crate::tensor::values::wide($x, |x| match x.dtype() {
            $crate::tensor::DType::F64 => {
                $crate::tensor::values::zip_rows(x, $y, |$a: &[f64], $b: &[f64], $out: &mut [f64]| $made)
            }
            dtype => {
                let y = $y.to_dtype(dtype)?;
                $crate::tensor::values::zip_rows(x, &y, |$a: &[f32], $b: &[f32], $out: &mut [f32]| $made)
            }
        })
    };
}
pub(crate) use rows;

/// Runs a block with `T` as the number type of a dtype: `number!(x.dtype(), T => …)`.
macro_rules! number {
    ($dtype:expr, $t:ident => $body:expr) => {{
        use $crate::tensor::DType;
        match $dtype {
            DType::F64 => {
                type $t = f64;
                $body
            }
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F16 => {
                type $t = half::f16;
                $body
            }
            DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            DType::I64 => {
                type $t = i64;
                $body
            }
            DType::U32 => {
                type $t = u32;
                $body
            }
            DType::U8 => {
                type $t = u8;
                $body
            }
            other => return Err($crate::Error::new("tensor", format!("dtype {} is not supported", other.as_str()))),
        }
    }};
}
pub(crate) use number;
