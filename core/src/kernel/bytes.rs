//! Numbers of arrays as bytes, for messages between processes.

use super::view::{array, view};
use super::{Array, DType};
use crate::number::Number;
use crate::{Result, bail};
use candle_core::WithDType;
use std::ops::Range;

/// Appends the bytes of a range of numbers of a contiguous float array.
pub fn append_bytes(x: &Array, range: Range<usize>, to: &mut Vec<u8>) -> Result<()> {
    match x.dtype() {
        DType::F32 => appended::<f32>(x, range, to),
        DType::F64 => appended::<f64>(x, range, to),
        DType::BF16 => appended::<half::bf16>(x, range, to),
        other => bail!("ranks", "an array of {} can't be sent", other.as_str()),
    }
}

fn appended<T: WithDType + Number>(x: &Array, range: Range<usize>, to: &mut Vec<u8>) -> Result<()> {
    let numbers = view::<T>(x)?;
    let numbers = &numbers[range];
    let from = to.len();
    to.resize(from + numbers.len() * T::SIZE, 0);
    for (bytes, number) in to[from..].chunks_exact_mut(T::SIZE).zip(numbers) {
        number.put(bytes);
    }
    Ok(())
}

/// The array with these bytes.
pub fn from_bytes(bytes: &[u8], dtype: DType, dims: &[usize]) -> Result<Array> {
    match dtype {
        DType::F32 => array(numbers::<f32>(bytes), dims),
        DType::F64 => array(numbers::<f64>(bytes), dims),
        DType::BF16 => array(numbers::<half::bf16>(bytes), dims),
        other => bail!("ranks", "an array of {} can't be received", other.as_str()),
    }
}

fn numbers<T: Number>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(T::SIZE).map(T::read).collect()
}
