//! Moments sharded among ranks, as in ZeRO's first stage (Rajbhandari et al. 2020): each rank updates the parameters that it
//! owns, and sends the new values to the others. The bits equal those of a single process.

use crate::kernel::{self, Array, DType, Device};
use crate::ranks::{self, To};
use crate::tensor::Param;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The owning rank of each parameter, of `sizes` numbers: ranks own contiguous ranges of about equal size.
pub fn owners(sizes: &[usize], count: usize) -> Vec<usize> {
    let all = sizes.iter().sum::<usize>().max(1) as u128;
    let mut before = 0u128;
    let owner = |size: &usize| {
        // by its midpoint
        let middle = 2 * before + *size as u128;
        before += *size as u128;
        ((middle * count as u128 / (2 * all)) as usize).min(count - 1)
    };
    sizes.iter().map(owner).collect()
}

/// Sends parameter values from their owners to all ranks.
pub fn give_values(params: &[Arc<Param>], owners: &[usize]) -> Result<()> {
    let items = params.iter().zip(owners).map(|(param, owner)| {
        let value = param.value();
        let (dtype, dims, count) = (value.dtype(), value.dims().to_vec(), value.elem_count());
        // each old value of another rank is freed when the new one arrives
        let own = if *owner == ranks::rank() { Some(value.to_device(&Device::Cpu)?.contiguous()?) } else { None };
        Ok(Item { owner: *owner, dtype, dims, bytes: count * dtype.size_in_bytes(), own })
    });
    let items = items.collect::<Result<Vec<_>>>()?;
    given("the parameters of a step", &items, To::All, |at, array| params[at].set(array))
}

/// Gathers the moments that other ranks own into rank 0, for a checkpoint. `wanted` lists all, by name, owner and shape.
pub fn collect(memory: &mut BTreeMap<String, Array>, wanted: &[(String, usize, Vec<usize>)], half: bool) -> Result<()> {
    let dtype = if half { DType::BF16 } else { DType::F32 };
    let items = wanted.iter().map(|(name, owner, dims)| {
        let own = memory.get(name).map(|own| own.to_device(&Device::Cpu)).transpose()?;
        let bytes = dims.iter().product::<usize>() * dtype.size_in_bytes();
        Ok(Item { owner: *owner, dtype, dims: dims.clone(), bytes, own })
    });
    let items = items.collect::<Result<Vec<_>>>()?;
    given("the moments of a checkpoint", &items, To::First, |at, array| {
        memory.insert(wanted[at].0.clone(), array);
        Ok(())
    })
}

/// An array that one rank sends to others.
struct Item {
    owner: usize,
    dtype: DType,
    dims: Vec<usize>,
    bytes: usize,
    own: Option<Array>,
}

/// Sends each array from its owner to the others, which `take` it by index.
fn given(what: &str, items: &[Item], to: To, mut take: impl FnMut(usize, Array) -> Result<()>) -> Result<()> {
    let rows: Vec<Vec<usize>> =
        (0..ranks::count()).map(|rank| (0..items.len()).filter(|at| items[*at].owner == rank).collect()).collect();
    let lengths: Vec<usize> = rows.iter().map(|row| row.iter().map(|at| items[*at].bytes).sum()).collect();
    // for each rank's row: the next item, and its bytes so far
    let mut next: Vec<(usize, Vec<u8>)> = vec![(0, Vec::new()); rows.len()];
    let own = &rows[ranks::rank()];
    let read = |range: Range<usize>, out: &mut Vec<u8>| {
        let mut start = 0;
        for &at in own {
            let item = &items[at];
            let (from, to) = (range.start.max(start), range.end.min(start + item.bytes));
            if from < to {
                let missing = || Error::new("ranks", format!("{what}: rank {} has not what it owns", ranks::rank()));
                let (array, size) = (item.own.as_ref().ok_or_else(missing)?, item.dtype.size_in_bytes());
                kernel::append_bytes(array, (from - start) / size..(to - start) / size, out)?;
            }
            start += item.bytes;
        }
        Ok(())
    };
    ranks::spread(what, &lengths, to, read, |rank, mut bytes| {
        let (place, begun) = &mut next[rank];
        while !bytes.is_empty() {
            let at = rows[rank][*place];
            let item = &items[at];
            let (now, later) = bytes.split_at((item.bytes - begun.len()).min(bytes.len()));
            begun.extend_from_slice(now);
            bytes = later;
            if begun.len() == item.bytes {
                take(at, kernel::from_bytes(begun, item.dtype, &item.dims)?)?;
                begun.clear();
                *place += 1;
            }
        }
        Ok(())
    })
}
