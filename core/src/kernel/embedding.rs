//! Embedding lookup.

use super::math::add_scaled;
use super::view::{array, view};
use super::{Array, fused, parallel, reference};
use crate::{Result, bail};

/// Rows `ids` of `table [V, D]`, in an array of shape `dims + [D]`.
pub fn embedding(table: &Array, ids: &[u32], dims: &[usize]) -> Result<Array> {
    let (count, width) = table.dims2()?;
    if let Some((at, id)) = ids.iter().enumerate().find(|(_, id)| **id as usize >= count) {
        bail!("embedding", "id {id} (at {at}) is outside a table of {count} rows");
    }
    if dims.iter().product::<usize>() != ids.len() {
        bail!("embedding", "{} ids do not fill shape {dims:?}", ids.len());
    }
    let mut shape = dims.to_vec();
    shape.push(width);
    if !fused(&[table]) {
        return reference::embedding(table, ids, &shape);
    }
    let table = table.contiguous()?;
    let values = view::<f32>(&table)?;
    let values: &[f32] = &values;
    let mut rows = super::buffer::unwritten(ids.len() * width);
    parallel::rows(&mut rows, width, |row, out| {
        for (out, id) in out.chunks_exact_mut(width.max(1)).zip(&ids[row..]) {
            out.copy_from_slice(&values[*id as usize * width..][..width]);
        }
    });
    array(rows, &shape)
}

/// Adds each row of `grad` to its row of `sum`, in the order of `ids`.
pub fn embedding_accumulate(grad: &Array, ids: &[u32], sum: &mut [f32], first: bool) -> Result<()> {
    if first {
        sum.fill(0.0);
    }
    let width = *grad.dims().last().unwrap_or(&1);
    let grad = grad.contiguous()?;
    let grads = view::<f32>(&grad)?;
    for (row, id) in grads.chunks_exact(width.max(1)).zip(ids) {
        add_scaled(&mut sum[*id as usize * width..][..width], 1.0, row);
    }
    Ok(())
}
