//! The numbers of an array as a slice.

use super::{Array, Device};
use crate::{Result, bail};
use candle_core::{CpuStorage, Storage, WithDType};
use std::marker::PhantomData;
use std::ops::{Deref, Range};

/// The numbers of an array on the CPU, row by row.
pub struct View<'a, T> {
    storage: candle_core::StorageRef<'a>,
    range: Range<usize>,
    kind: PhantomData<T>,
}

/// The address of an array's storage, and the bytes of it that belong to the array.
pub fn held(array: &Array) -> (usize, u64) {
    let (storage, _) = array.storage_and_layout();
    let bytes = array.elem_count() * array.dtype().size_in_bytes();
    (std::ptr::from_ref::<Storage>(&storage) as usize, bytes as u64)
}

/// Reads a contiguous array on the CPU. Call `array.contiguous()` first if it may be a view.
pub fn view<T: WithDType>(array: &Array) -> Result<View<'_, T>> {
    let (storage, layout) = array.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("tensor", "a view of shape {:?} is not contiguous", array.dims());
    };
    let view = View { storage, range: start..end, kind: PhantomData };
    view.cpu()?.as_slice::<T>()?;
    Ok(view)
}

impl<T: WithDType> View<'_, T> {
    fn cpu(&self) -> Result<&CpuStorage> {
        match &*self.storage {
            Storage::Cpu(storage) => Ok(storage),
            _ => bail!("tensor", "the numbers are not in this computer's memory"),
        }
    }
}

impl<T: WithDType> Deref for View<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let slice = self.cpu().ok().and_then(|cpu| cpu.as_slice::<T>().ok());
        &slice.expect("checked when it was made")[self.range.clone()]
    }
}

/// An array of these numbers.
pub fn array<T: WithDType>(values: Vec<T>, dims: &[usize]) -> Result<Array> {
    Ok(Array::from_vec(values, dims, &Device::Cpu)?)
}
