//! Arrays as slices, for our own loops. From a device other than the CPU the numbers are copied here and the result back, so that
//! every operation works everywhere.

use super::{Array, DType, Device};
use crate::kernel::parallel;
use crate::{Error, Result, bail, cancel};
use candle_core::{Storage, WithDType};
use std::ops::Range;

/// Fewer numbers than this are not worth a second thread.
const PARALLEL: usize = 1 << 15;

/// Numbers between two checks for a stop: some milliseconds of work.
const GROUP: usize = 1 << 22;

/// The numbers of an array, row by row, without a copy if they are contiguous.
pub fn with_values<T: WithDType, R>(array: &Array, read: impl FnOnce(&[T]) -> R) -> Result<R> {
    let (mut read, mut result) = (Some(read), None);
    lend(array, &mut |numbers| result = read.take().map(|read| read(numbers)))?;
    result.ok_or_else(|| Error::new("tensor", "its numbers were not read"))
}

/// The body of [`with_values`], compiled once per number type.
fn lend<T: WithDType>(array: &Array, read: &mut dyn FnMut(&[T])) -> Result<()> {
    if !array.device().is_cpu() {
        return lend(&array.to_device(&Device::Cpu)?, read);
    }
    let array = array.contiguous()?;
    let (storage, layout) = array.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(numbers), Some((start, end))) => {
            read(&numbers.as_slice::<T>()?[start..end]);
            Ok(())
        }
        _ => bail!("tensor", "its numbers are not where they should be"),
    }
}

/// A copy of the numbers of an array, row by row.
pub fn values<T: WithDType>(array: &Array) -> Result<Vec<T>> {
    with_values(array, <[T]>::to_vec)
}

/// The numbers of an array of any dtype as f64.
pub fn values_f64(array: &Array) -> Result<Vec<f64>> {
    values(&in_double(array)?)
}

/// The numbers as f64, on the CPU: not every device supports it.
pub fn in_double(array: &Array) -> Result<Array> {
    Ok(array.to_device(&Device::Cpu)?.to_dtype(DType::F64)?)
}

/// Integers of any dtype as i64.
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

/// Applies `make` to every number. Halves are computed in f32.
pub fn map<T: WithDType, U: WithDType>(x: &Array, make: impl Fn(T) -> U + Sync) -> Result<Array> {
    let made = with_values(x, |x: &[T]| collect(x.len(), 1, |range| x[range].iter().map(|x| make(*x)))).flatten()?;
    array(made, x.dims(), x)
}

/// The values of `0..count`, range by range and in parallel, where each costs as much as `width` numbers.
fn collect<U: Send, I>(count: usize, width: usize, values: impl Fn(Range<usize>) -> I + Sync) -> Result<Vec<U>>
where
    I: Iterator<Item = U>,
{
    collect_by(count, width.max(1), &|range, places| places.write(values(range)))
}

/// The body of [`collect`], compiled once per value type. It can be interrupted between two groups of ranges.
fn collect_by<U: Send>(count: usize, width: usize, fill: parallel::Fill<U>) -> Result<Vec<U>> {
    let mut made = Vec::with_capacity(count);
    if count * width < PARALLEL {
        parallel::extend_by(&mut made, 0..count, count, fill);
        return Ok(made);
    }
    let (least, group) = ((PARALLEL / 4).div_ceil(width), GROUP.div_ceil(width));
    for from in (0..count).step_by(group) {
        cancel::check()?;
        parallel::extend_by(&mut made, from..count.min(from + group), least, fill);
    }
    Ok(made)
}

/// Applies `make` to `0..count` in parallel, where each costs as much as `width` numbers.
pub fn each_line<U: Send>(count: usize, width: usize, make: impl Fn(usize) -> U + Sync) -> Result<Vec<U>> {
    collect(count, width, |range| range.map(&make))
}

/// Passes the numbers of two arrays to a fallible closure.
fn with_both<T: WithDType, R>(x: &Array, y: &Array, read: impl FnOnce(&[T], &[T]) -> Result<R>) -> Result<R> {
    with_values(x, |x| with_values(y, |y| read(x, y)).flatten()).flatten()
}

/// Applies `make` to every pair of numbers of two arrays of equal shape.
pub fn zip<T: WithDType, U: WithDType>(x: &Array, y: &Array, make: impl Fn(T, T) -> U + Sync) -> Result<Array> {
    debug_assert_eq!(x.dims(), y.dims());
    let made = with_both(x, y, |x: &[T], y: &[T]| {
        collect(x.len(), 1, |range| x[range.clone()].iter().zip(&y[range]).map(|(x, y)| make(*x, *y)))
    })?;
    array(made, x.dims(), x)
}

/// Applies `make` to every triple of numbers of three arrays of equal shape.
pub fn zip3<T: WithDType, U: WithDType>(
    x: &Array,
    y: &Array,
    z: &Array,
    make: impl Fn(T, T, T) -> U + Sync,
) -> Result<Array> {
    debug_assert!(x.dims() == y.dims() && y.dims() == z.dims());
    let made = with_both(x, y, |x: &[T], y: &[T]| {
        with_values(z, |z: &[T]| each_line(x.len(), 1, |at| make(x[at], y[at], z[at]))).flatten()
    })?;
    array(made, x.dims(), x)
}

/// Applies `make` to every number in f64, with a result in the dtype of `x`: for functions that need not be fast.
pub fn in_f64(x: &Array, make: impl Fn(f64) -> f64 + Sync) -> Result<Array> {
    Ok(map(&in_double(x)?, make)?.to_dtype(x.dtype())?.to_device(x.device())?)
}

/// [`in_f64`] for every pair of numbers of two arrays of equal shape.
pub fn pairs_in_f64(x: &Array, y: &Array, make: impl Fn(f64, f64) -> f64 + Sync) -> Result<Array> {
    Ok(zip(&in_double(x)?, &in_double(y)?, make)?.to_dtype(x.dtype())?.to_device(x.device())?)
}

fn first<T: WithDType>(x: &Array) -> Result<T> {
    with_values(x, |x: &[T]| x[0])
}

/// Applies `make` to every number and the single number of a side without dimensions.
pub fn beside<T: WithDType, U: WithDType>(x: &Array, y: &Array, make: impl Fn(T, T) -> U + Sync) -> Result<Array> {
    match (x.rank(), y.rank()) {
        (_, 0) => {
            let y = first(y)?;
            map(x, |x: T| make(x, y))
        }
        (0, _) => {
            let x = first(x)?;
            map(y, |y: T| make(x, y))
        }
        _ => zip(x, y, make),
    }
}

/// `x` where the mask is not 0, otherwise `y`; each has the shape of the mask, or is a single number.
pub fn choose<T: WithDType>(mask: &Array, x: &Array, y: &Array) -> Result<Array> {
    let side = |side: &Array, at: usize, all: &[T]| if side.rank() == 0 { all[0] } else { all[at] };
    let made = with_values(mask, |mask: &[u8]| {
        with_both(x, y, |xs: &[T], ys: &[T]| {
            let pick = |at: usize| if mask[at] == 0 { side(y, at, ys) } else { side(x, at, xs) };
            each_line(mask.len(), 1, pick)
        })
    })
    .flatten()?;
    // a mask or number on the CPU is moved to the device of the others
    let there = [x, y, mask].into_iter().find(|side| !side.device().is_cpu());
    array(made, mask.dims(), there.unwrap_or(mask))
}

/// Applies `make(row, out)` to every row along the last dimension.
pub fn map_rows<T: WithDType>(x: &Array, make: &(dyn Fn(&[T], &mut [T]) + Sync)) -> Result<Array> {
    zip_rows(x, x, &|x, _, out| make(x, out))
}

/// `make(row, row, out)`, compiled separately: the loop over rows exists once per number type.
type MakeRow<'a, T> = &'a (dyn Fn(&[T], &[T], &mut [T]) + Sync);

/// Applies `make(row, row, out)` to the rows of two arrays of equal shape.
pub fn zip_rows<T: WithDType>(x: &Array, y: &Array, make: MakeRow<T>) -> Result<Array> {
    debug_assert_eq!(x.dims(), y.dims());
    let width = x.dims().last().copied().unwrap_or(1);
    if x.elem_count() == 0 {
        return Ok(x.clone());
    }
    let made = with_both(x, y, |x: &[T], y: &[T]| {
        let mut made = vec![T::zero(); x.len()];
        let rows = |first: usize, out: &mut [T]| {
            let places = (first..).step_by(width).map(|from| from..from + width);
            for (places, out) in places.zip(out.chunks_mut(width)) {
                make(&x[places.clone()], &y[places], out);
            }
        };
        if x.len() < PARALLEL {
            rows(0, &mut made);
            return Ok(made);
        }
        let (least, group) = ((PARALLEL / 4).div_ceil(width) * width, GROUP.div_ceil(width) * width);
        for (first, out) in (0..).step_by(group).zip(made.chunks_mut(group)) {
            cancel::check()?;
            parallel::pieces(out, least, &|at, out| rows(first + at, out));
        }
        Ok(made)
    })?;
    array(made, x.dims(), x)
}

/// Runs an operation for f32 and f64 on any float dtype: halves are computed in f32.
pub fn wide(x: &Array, run: impl FnOnce(&Array) -> Result<Array>) -> Result<Array> {
    match x.dtype() {
        half @ (DType::F16 | DType::BF16) => Ok(run(&x.to_dtype(DType::F32)?)?.to_dtype(half)?),
        _ => run(x),
    }
}

/// `each!(x; |a| a.exp())`, `each!(x, y; |a, b| a * b)`, and with three: evaluates the expression for every number of float
/// arrays of equal shape, in the first array's dtype (halves in f32).
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
    ($x:expr, $y:expr, $z:expr; |$a:ident, $b:ident, $c:ident| $made:expr) => {
        $crate::tensor::values::wide($x, |x| match x.dtype() {
            $crate::tensor::DType::F64 => {
                $crate::tensor::values::zip3(x, $y, $z, |$a: f64, $b: f64, $c: f64| -> f64 { $made })
            }
            dtype => {
                let (y, z) = ($y.to_dtype(dtype)?, $z.to_dtype(dtype)?);
                $crate::tensor::values::zip3(x, &y, &z, |$a: f32, $b: f32, $c: f32| -> f32 { $made })
            }
        })
    };
}
pub(crate) use each;

/// `rows!(x; |row, out| …)`, `rows!(x, y; |a, b, out| …)`: runs a block for every row along the last dimension of float arrays,
/// in the array's own dtype (halves in f32).
macro_rules! rows {
    ($x:expr; |$a:ident, $out:ident| $made:expr) => {
        $crate::tensor::values::wide($x, |x| match x.dtype() {
            $crate::tensor::DType::F64 => $crate::tensor::values::map_rows(x, &|$a: &[f64], $out: &mut [f64]| $made),
            _ => $crate::tensor::values::map_rows(x, &|$a: &[f32], $out: &mut [f32]| $made),
        })
    };
    ($x:expr, $y:expr; |$a:ident, $b:ident, $out:ident| $made:expr) => {
        $crate::tensor::values::wide($x, |x| match x.dtype() {
            $crate::tensor::DType::F64 => {
                $crate::tensor::values::zip_rows(x, $y, &|$a: &[f64], $b: &[f64], $out: &mut [f64]| $made)
            }
            dtype => {
                let y = $y.to_dtype(dtype)?;
                $crate::tensor::values::zip_rows(x, &y, &|$a: &[f32], $b: &[f32], $out: &mut [f32]| $made)
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
