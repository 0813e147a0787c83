//! Products of bf16 factors with f32 sums, by the AVX512-BF16 instructions.
//!
//! Both operands are packed into pairs of bf16 along the inner dimension, rounded from f32 on the way if need be;
//! a tile of 12 × 32 results stays in registers while it walks over one block of the inner dimension. Blocks and
//! tasks depend on the sizes alone, so the result does not depend on the number of threads.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

use super::product::Matrix;

#[cfg(target_arch = "x86_64")]
mod pack;
#[cfg(target_arch = "x86_64")]
mod tile;

/// Whether [`multiply`] takes this: the processor has the instructions, and each operand is dense one way.
pub fn takes(a: &Matrix, b: &Matrix) -> bool {
    super::cpu::level() == super::cpu::Level::Bf16 && [a, b].iter().all(|x| x.rows == 1 || x.columns == 1)
}

/// Rows and columns of one tile.
pub const MR: usize = 12;
pub const NR: usize = 32;
/// Of the inner dimension, in one block; even.
const KC: usize = 768;
/// Pairs from one row of a packed block of `a` to the next: past the block's end, so that rows fall on different
/// cache sets.
pub const STRIDE: usize = KC / 2 + 8;
/// Columns whose packed operand is held at once.
const NC: usize = 96 * NR;
/// Multiplications that are worth a second thread.
const PARALLEL: usize = 1 << 19;

/// `out [m, n]` row by row becomes `a [m, k] · b [k, n]`, or that is added to it. Only where [`takes`] says so.
#[cfg(target_arch = "x86_64")]
pub fn multiply(out: &mut [f32], [m, n, k]: [usize; 3], a: Matrix, b: Matrix, add: bool) {
    use rayon::prelude::*;

    let parallel = m * n * k >= PARALLEL;
    let blocks = k.div_ceil(KC);
    let step = k.div_ceil(blocks).next_multiple_of(2);
    // about 16 tasks, each with enough rows to be worth packing them
    let rows = (m.div_ceil(MR).div_ceil(16)).clamp(2, 12) * MR;
    let mut packed = scratch::take();
    for column in (0..n).step_by(NC) {
        let columns = NC.min(n - column);
        for from in (0..k).step_by(step) {
            let inner = step.min(k - from);
            let pairs = inner.div_ceil(2);
            let size = pairs * NR;
            scratch::grow(&mut packed, columns.div_ceil(NR) * size);
            let pack = |(panel, to): (usize, &mut [u32])| {
                let start = column + panel * NR;
                pack::columns(b, from, inner, start, NR.min(column + columns - start), to);
            };
            let panels = packed[..columns.div_ceil(NR) * size].chunks_exact_mut(size).enumerate();
            if parallel && columns * inner > 1 << 15 {
                packed[..columns.div_ceil(NR) * size]
                    .par_chunks_exact_mut(size)
                    .with_min_len(2)
                    .enumerate()
                    .for_each(pack);
            } else {
                panels.for_each(pack);
            }
            let work = |(block, out): (usize, &mut [f32])| {
                let top = block * rows;
                let count = rows.min(m - top);
                block_rows(a, top, count, from, inner, &packed, columns, &mut out[column..], n, add || from > 0);
            };
            let out = &mut out[..m * n];
            if parallel {
                out.par_chunks_mut(rows * n).enumerate().for_each(work);
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
    top: usize,
    count: usize,
    from: usize,
    inner: usize,
    b: &[u32],
    columns: usize,
    out: &mut [f32],
    width: usize,
    add: bool,
) {
    let pairs = inner.div_ceil(2);
    let by_rows = a.columns == 1;
    let size = if by_rows { MR * STRIDE } else { MR * pairs };
    let mut packed = scratch::take();
    scratch::grow(&mut packed, count.div_ceil(MR) * size);
    for (panel, to) in packed.chunks_exact_mut(size).take(count.div_ceil(MR)).enumerate() {
        let first = panel * MR;
        pack::rows(a, top + first, MR.min(count - first), from, inner, to);
    }
    for (panel, b) in b.chunks_exact(pairs * NR).take(columns.div_ceil(NR)).enumerate() {
        let column = panel * NR;
        let wide = NR.min(columns - column);
        for (block, a) in packed.chunks_exact(size).take(count.div_ceil(MR)).enumerate() {
            let first = block * MR;
            let high = MR.min(count - first);
            tile::tile(by_rows, pairs, a, b, &mut out[first * width + column..], width, high, wide, add);
        }
    }
    scratch::give(packed);
}

/// A right operand [k, n], packed for many products with it or with parts of it.
#[cfg(target_arch = "x86_64")]
pub struct Packed {
    values: Vec<u32>,
    pairs: usize,
    columns: usize,
}

#[cfg(target_arch = "x86_64")]
impl Packed {
    /// Gives its memory to the next one.
    pub fn done(self) {
        scratch::give(self.values);
    }
}

/// Packs `b [k, n]`, on this thread. Only where the processor has the instructions.
#[cfg(target_arch = "x86_64")]
pub fn pack(b: Matrix, k: usize, n: usize) -> Packed {
    assert!(super::cpu::level() == super::cpu::Level::Bf16, "no bf16 products on this processor");
    let pairs = k.div_ceil(2);
    let mut values = scratch::take();
    let panels = n.div_ceil(NR);
    scratch::grow(&mut values, panels * pairs * NR);
    for (panel, to) in values.chunks_exact_mut((pairs * NR).max(1)).take(panels).enumerate() {
        pack::columns(b, 0, k, panel * NR, NR.min(n - panel * NR), to);
    }
    Packed { values, pairs, columns: n }
}

/// `out` (rows `stride` apart) becomes, or is increased by, `a [m, k] · b [row.., column..]` of k rows and n columns
/// from an even row and from a column that starts a panel of 32. On this thread.
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
    assert!(row.is_multiple_of(2) && column.is_multiple_of(NR), "a part of a packed operand starts at {row}, {column}");
    super::profile::product([m, n, k]);
    let pairs = k.div_ceil(2);
    assert!(
        row / 2 + pairs <= b.pairs && column + n <= b.columns && pairs + 16 <= STRIDE,
        "the packed operand is too small"
    );
    let by_rows = a.columns == 1;
    let size = if by_rows { MR * STRIDE } else { MR * pairs };
    let mut packed = scratch::take();
    scratch::grow(&mut packed, size);
    for first in (0..m).step_by(MR) {
        let high = MR.min(m - first);
        pack::rows(a, first, high, 0, k, &mut packed[..size]);
        for at in (0..n).step_by(NR) {
            let panel = &b.values[((column + at) / NR * b.pairs + row / 2) * NR..][..pairs * NR];
            tile::tile(
                by_rows,
                pairs,
                &packed[..size],
                panel,
                &mut out[first * stride + at..],
                stride,
                high,
                NR.min(n - at),
                add,
            );
        }
    }
    scratch::give(packed);
}

#[cfg(not(target_arch = "x86_64"))]
pub fn multiply(_: &mut [f32], _: [usize; 3], _: Matrix, _: Matrix, _: bool) {
    unreachable!("takes() is false on this processor")
}

/// Buffers that are used again: packing is done many times a step. What they hold is old numbers, never junk.
#[cfg(target_arch = "x86_64")]
mod scratch {
    use std::cell::RefCell;

    thread_local! {
        static POOL: RefCell<Vec<Vec<u32>>> = const { RefCell::new(Vec::new()) };
    }

    pub fn take() -> Vec<u32> {
        POOL.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    pub fn give(buffer: Vec<u32>) {
        POOL.with_borrow_mut(|pool| pool.push(buffer));
    }

    pub fn grow(buffer: &mut Vec<u32>, size: usize) {
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
    }
}
