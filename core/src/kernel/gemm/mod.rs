//! Matrix products by AVX2, AVX-512, AVX512-BF16 or AMX, with f32 sums.
//!
//! Both operands are packed into 32-bit steps along the inner dimension: a number, or a pair of bf16, rounded from f32 if needed.
//! A tile of 12 × 32 results (32 × 32 with AMX) stays in registers during one block of the inner dimension. Blocks and tasks
//! depend on the sizes alone, so the result does not depend on the number of threads.
//!
//! Products of f32 use vectors, in the same order on every processor with AVX2. AMX multiplies only bf16, but so much faster that
//! it has a precision of its own: a 24-bit number is the sum of three 8-bit bf16, and of the nine products of such parts the six
//! largest are computed (Henry, Tang, Heinecke 2019, arXiv 1904.06376: "bf16x3"). The omitted products are at most 2^-23 of a
//! product, of either sign, while f32 rounds each sum at 2^-24; since fewer sums are rounded, results are closer to the exact
//! ones than those of vectors. There are two differences: numbers below 2^-126 count as zero, also as parts and products, and an
//! infinite factor (or one within half a percent of the largest number) makes the result NaN. Without AMX, vectors compute the
//! same sums, slowly.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod emulate;
#[cfg(target_arch = "x86_64")]
mod layout;
#[cfg(target_arch = "x86_64")]
mod load;
#[cfg(target_arch = "x86_64")]
mod pack;
#[cfg(target_arch = "x86_64")]
mod prefetch;
#[cfg(target_arch = "x86_64")]
mod scratch;
#[cfg(target_arch = "x86_64")]
mod tile;
mod unit;

use super::cpu::Level;
use super::matrix::{Matrix, Precision};
#[cfg(target_arch = "x86_64")]
use crate::cancel;
#[cfg(target_arch = "x86_64")]
use prefetch::Prefetch;
#[cfg(target_arch = "x86_64")]
use unit::{GROUP, NC, PARALLEL, STEPS, STRIDE, Unit};

/// Whether the processor has the instructions.
pub fn is_available(precision: Precision) -> bool {
    let is_f32 = matches!(precision, Precision::F32 | Precision::Int8);
    super::cpu::level() >= if is_f32 { Level::Avx2 } else { Level::Bf16 }
}

/// Whether [`multiply`] supports this: the processor has the instructions, and each operand is dense in one dimension.
pub fn supports(a: &Matrix, b: &Matrix, precision: Precision) -> bool {
    is_available(precision) && [a, b].iter().all(|x| x.rows == 1 || x.columns == 1)
}

/// Sets `out [m, n]`, row by row, to `a [m, k] · b [k, n]`, or adds that to it. Only if [`supports`] returns true. If interrupted
/// it leaves the rest undone; callers detect this by [`cancel::check`].
#[cfg(target_arch = "x86_64")]
pub fn multiply(out: &mut [f32], [m, n, k]: [usize; 3], a: Matrix, b: Matrix, add: bool, precision: Precision) {
    use rayon::prelude::*;

    let unit = Unit::of(precision);
    let parallel = m * n * k >= PARALLEL;
    let blocks = k.div_ceil(STEPS * unit.each());
    let block = unit.room(k.div_ceil(blocks).div_ceil(unit.each())) * unit.each();
    let blocks = k.div_ceil(block);
    let (size, wide) = (unit.columns(block / unit.each()), unit.width());
    let rows = unit.task(m);
    let out = &mut out[..m * n];
    let mut packed = scratch::take();
    for column in (0..n).step_by(NC) {
        let columns = NC.min(n - column);
        let panels = columns.div_ceil(wide);
        // enough blocks that the threads need not wait for each other in between
        let group = (GROUP / (panels * size)).clamp(1, blocks);
        for first in (0..blocks).step_by(group) {
            if (column, first) != (0, 0) && cancel::is_requested() {
                return;
            }
            let group = first..blocks.min(first + group);
            let span = |index: usize| (index * block, block.min(k - index * block));
            let count = group.len() * panels;
            scratch::grow(&mut packed, count * size);
            let pack = |(index, to): (usize, &mut [u32])| {
                let ((from, inner), start) = (span(first + index / panels), column + index % panels * wide);
                pack::columns(b, from, inner, start, wide.min(column + columns - start), to, unit);
            };
            let to = &mut packed[..count * size];
            if parallel && count * size > 1 << 14 {
                to.par_chunks_exact_mut(size).with_min_len(2).enumerate().for_each(pack);
            } else {
                to.chunks_exact_mut(size).enumerate().for_each(pack);
            }
            let work = |(task, out): (usize, &mut [f32])| {
                let (top, out) = (task * rows, &mut out[column..]);
                for (index, b) in group.clone().zip(packed.chunks_exact(panels * size)) {
                    let add = add || index > 0;
                    block_rows(a, (top, rows.min(m - top)), span(index), (b, size), columns, out, n, add, unit);
                }
            };
            if parallel {
                out.par_chunks_mut(rows * n).with_max_len(1).enumerate().for_each(work);
            } else {
                out.chunks_mut(rows * n).enumerate().for_each(work);
            }
        }
    }
    scratch::give(packed);
}

/// One task: packs `count` rows of `a` and multiplies them with all packed panels of `b`.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::too_many_arguments)]
fn block_rows(
    a: Matrix,
    (top, count): (usize, usize),
    (from, inner): (usize, usize),
    (b, panel_size): (&[u32], usize),
    columns: usize,
    out: &mut [f32],
    width: usize,
    add: bool,
    unit: Unit,
) {
    let steps = inner.div_ceil(unit.each());
    let by_rows = a.columns == 1;
    let size = unit.panel(steps, by_rows);
    let mut packed = scratch::take();
    scratch::grow(&mut packed, count.div_ceil(unit.rows()) * size);
    for (panel, to) in packed.chunks_exact_mut(size).take(count.div_ceil(unit.rows())).enumerate() {
        let first = panel * unit.rows();
        pack::rows(a, top + first, unit.rows().min(count - first), from, inner, to, unit);
    }
    let tall = count.div_ceil(unit.rows());
    let ready = tile::Ready::new(unit, by_rows);
    for (panel, b) in b.chunks_exact(panel_size).take(columns.div_ceil(unit.width())).enumerate() {
        let column = panel * unit.width();
        let wide = unit.width().min(columns - column);
        for (block, a) in packed.chunks_exact(size).take(tall).enumerate() {
            let first = block * unit.rows();
            let high = unit.rows().min(count - first);
            let prefetch = Prefetch::next_panel(b, steps, block, tall);
            ready.tile(steps, a, b, &mut out[first * width + column..], width, [high, wide], add, prefetch);
        }
    }
    scratch::give(packed);
}

/// A right operand [k, n], packed for several products with it or its parts.
#[cfg(target_arch = "x86_64")]
pub struct Packed {
    values: scratch::Buffer,
    /// Capacity of a panel.
    steps: usize,
    columns: usize,
    unit: Unit,
}

#[cfg(target_arch = "x86_64")]
impl Packed {
    /// Returns its memory for reuse.
    pub fn done(self) {
        scratch::give(self.values);
    }
}

/// Packs `b [k, n]`, on this thread. Only if the processor has the instructions.
#[cfg(target_arch = "x86_64")]
pub fn pack(b: Matrix, k: usize, n: usize, precision: Precision) -> Packed {
    assert!(is_available(precision), "no such products on this processor");
    let unit = Unit::of(precision);
    let steps = unit.room(k.div_ceil(unit.each()));
    let mut values = scratch::take();
    let wide = unit.width();
    let panels = n.div_ceil(wide);
    let size = unit.columns(steps);
    scratch::grow(&mut values, panels * size);
    for (panel, to) in values.chunks_exact_mut(size.max(1)).take(panels).enumerate() {
        pack::columns(b, 0, k, panel * wide, wide.min(n - panel * wide), to, unit);
    }
    Packed { values, steps, columns: n, unit }
}

/// Sets `out` (rows `stride` apart) to `a [m, k] · b [row.., column..]`, of k rows and n columns, or adds that to it. The row
/// must start a step, the column a panel of 32. On this thread.
#[cfg(target_arch = "x86_64")]
pub fn multiply_packed(
    out: &mut [f32],
    stride: usize,
    [m, n, k]: [usize; 3],
    a: Matrix,
    b: &Packed,
    (row, column): (usize, usize),
    add: bool,
) {
    let unit = b.unit;
    assert!(
        row.is_multiple_of(unit.each() * unit.room(1)) && column.is_multiple_of(unit.width()),
        "a part of a packed operand starts at {row}, {column}"
    );
    super::profile::count_matmul([m, n, k]);
    let steps = k.div_ceil(unit.each());
    assert!(
        row / unit.each() + unit.room(steps) <= b.steps && column + n <= b.columns && steps + 16 <= STRIDE,
        "the packed operand is too small"
    );
    let by_rows = a.columns == 1;
    let size = unit.panel(steps, by_rows);
    let mut packed = scratch::take();
    scratch::grow(&mut packed, size);
    let ready = tile::Ready::new(unit, by_rows);
    for first in (0..m).step_by(unit.rows()) {
        let high = unit.rows().min(m - first);
        pack::rows(a, first, high, 0, k, &mut packed[..size], unit);
        for at in (0..n).step_by(unit.width()) {
            let panel = unit.columns(b.steps) * ((column + at) / unit.width()) + unit.columns(row / unit.each());
            let panel = &b.values[panel..][..unit.columns(steps)];
            let out = &mut out[first * stride + at..];
            ready.tile(
                steps,
                &packed[..size],
                panel,
                out,
                stride,
                [high, unit.width().min(n - at)],
                add,
                Prefetch::none(panel),
            );
        }
    }
    scratch::give(packed);
}

#[cfg(not(target_arch = "x86_64"))]
pub fn multiply(_: &mut [f32], _: [usize; 3], _: Matrix, _: Matrix, _: bool, _: Precision) {
    unreachable!("supports() is false on this processor")
}
