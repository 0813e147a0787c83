//! Packing of operands in 32-bit steps along the inner dimension: an f32, or two neighboring bf16, the first in the low half.

use super::avx2;
use super::layout::{convert_row, copy, copy_row, interleave, tile_columns, tile_rows, transpose, transpose_pairs};
use super::load::Load;
use super::unit::{AVX2_NR, MR, NR, STRIDE, TILE_ROWS, TILE_STEPS, Unit};
use crate::kernel::matrix::{Matrix, Values};
use half::bf16;

/// Packs `count` ≤ 32 columns of `b` from `start` into `[steps][32]` (AVX2: 16 instead of 32), or `[steps / 16][parts][16][32]`,
/// zeros beyond.
pub fn columns(b: Matrix, from: usize, inner: usize, start: usize, count: usize, to: &mut [u32], unit: Unit) {
    let steps = inner.div_ceil(unit.each());
    assert!(count <= unit.width() && to.len() >= unit.columns(steps), "the panel of b is too short");
    b.check(from + inner, start + count);
    if !steps.is_multiple_of(TILE_STEPS) {
        // past the last step of a tile
        let whole = unit.columns(steps / TILE_STEPS * TILE_STEPS);
        to[whole..unit.columns(steps)].fill(0);
    }
    let (dense, to) = (b.columns == 1, to.as_mut_ptr());
    let stride = if dense { b.rows } else { b.columns };
    let at = if dense { from * stride + start } else { start * stride + from };
    // SAFETY: `supports` checked that the processor has the instructions; reads were checked, writes are asserted
    unsafe {
        match b.values {
            Values::F32(v) => columns_of(v.as_ptr().add(at), dense, stride, inner, count, to, unit),
            Values::Bf16(v) => columns_of(v.as_ptr().add(at), dense, stride, inner, count, to, unit),
        }
    }
}

/// [`columns`] for one type of number.
///
/// # Safety
/// The processor has the instructions; the memory read and written is valid.
unsafe fn columns_of<T: Load>(
    from: *const T,
    dense: bool,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
    unit: Unit,
) {
    // SAFETY: as promised
    unsafe {
        match (unit, dense) {
            (Unit::F32, true) => copy::<T, NR>(from, stride, inner, count, to),
            (Unit::F32, false) => transpose(from, stride, inner, count, to),
            (Unit::Avx2F32, true) => avx2::copy::<T, AVX2_NR>(from, stride, inner, count, to),
            (Unit::Avx2F32, false) => avx2::transpose(from, stride, inner, count, to),
            (unit, true) if unit.parts() == 3 => interleave::<T, 3, NR>(from, stride, inner, count, to),
            (unit, false) if unit.parts() == 3 => transpose_pairs::<T, 3>(from, stride, inner, count, to),
            (_, true) => interleave::<T, 1, NR>(from, stride, inner, count, to),
            (_, false) => transpose_pairs::<T, 1>(from, stride, inner, count, to),
        }
    }
}

/// Packs `count` rows of `a` from `top`. For vectors at most 12: rows of steps `STRIDE` apart if the rows are dense, otherwise
/// `[steps][12]`. For tiles at most 32: `[steps / 16][parts][32][16]`.
pub fn rows(a: Matrix, top: usize, count: usize, from: usize, inner: usize, to: &mut [u32], unit: Unit) {
    let steps = inner.div_ceil(unit.each());
    a.check(top + count, from + inner);
    if unit.is_tiled() {
        return tiles(a, top, count, from, inner, to, unit);
    }
    if a.columns != 1 {
        assert!(count <= MR && to.len() >= MR * steps, "the panel of a is too short");
        let (at, stride, to) = (from * a.columns + top, a.columns, to.as_mut_ptr());
        // SAFETY: as above
        return unsafe {
            match (a.values, unit) {
                (Values::F32(v), Unit::F32) => copy::<f32, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::Bf16(v), Unit::F32) => copy::<bf16, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::F32(v), Unit::Avx2F32) => avx2::copy::<f32, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::Bf16(v), Unit::Avx2F32) => {
                    avx2::copy::<bf16, MR>(v.as_ptr().add(at), stride, inner, count, to)
                }
                (Values::F32(v), _) => interleave::<_, 1, MR>(v.as_ptr().add(at), stride, inner, count, to),
                (Values::Bf16(v), _) => interleave::<_, 1, MR>(v.as_ptr().add(at), stride, inner, count, to),
            }
        };
    }
    assert!(steps.next_multiple_of(16) <= STRIDE + 8 && to.len() >= MR * STRIDE, "the panel of a is too short");
    for i in 0..MR {
        let row = &mut to[i * STRIDE..][..steps];
        if i >= count {
            row.fill(0);
            continue;
        }
        let (at, row) = ((top + i) * a.rows + from, row.as_mut_ptr());
        // SAFETY: as above
        unsafe {
            match (a.values, unit) {
                (Values::F32(v), Unit::F32) => copy_row(v.as_ptr().add(at), inner, row),
                (Values::Bf16(v), Unit::F32) => copy_row(v.as_ptr().add(at), inner, row),
                (Values::F32(v), Unit::Avx2F32) => avx2::copy_row(v.as_ptr().add(at), inner, row),
                (Values::Bf16(v), Unit::Avx2F32) => avx2::copy_row(v.as_ptr().add(at), inner, row),
                (Values::F32(v), _) => convert_row(v.as_ptr().add(at), inner, row),
                (Values::Bf16(v), _) => convert_row(v.as_ptr().add(at), inner, row),
            }
        }
    }
}

/// Packs rows for tiles. Rows past `count` hold old numbers, whose results are not read.
fn tiles(a: Matrix, top: usize, count: usize, from: usize, inner: usize, to: &mut [u32], unit: Unit) {
    assert!(count <= TILE_ROWS && to.len() >= unit.panel(inner.div_ceil(2), true), "the panel of a is too short");
    let dense = a.columns == 1;
    let (at, stride) = if dense { (top * a.rows + from, a.rows) } else { (from * a.columns + top, a.columns) };
    let to = to.as_mut_ptr();
    // SAFETY: as above
    unsafe {
        match a.values {
            Values::F32(v) => tiles_of(v.as_ptr().add(at), dense, stride, inner, count, to, unit),
            Values::Bf16(v) => tiles_of(v.as_ptr().add(at), dense, stride, inner, count, to, unit),
        }
    }
}

/// [`tiles`] for one type of number.
///
/// # Safety
/// As for [`columns_of`].
unsafe fn tiles_of<T: Load>(
    from: *const T,
    dense: bool,
    stride: usize,
    inner: usize,
    count: usize,
    to: *mut u32,
    unit: Unit,
) {
    // SAFETY: as promised
    unsafe {
        match (unit.parts(), dense) {
            (3, true) => tile_rows::<T, 3>(from, stride, inner, count, to),
            (3, false) => tile_columns::<T, 3>(from, stride, inner, count, to),
            (_, true) => tile_rows::<T, 1>(from, stride, inner, count, to),
            (_, false) => tile_columns::<T, 1>(from, stride, inner, count, to),
        }
    }
}
