//! Work split over threads, always at the same boundaries.

use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Numbers per piece of elementwise work: enough to be worth a task, few enough for the nearest caches.
const PIECE: usize = 1 << 14;

/// Rows per piece, for rows of this width.
pub fn rows_per_piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}

/// Runs `work(first, piece)` over the pieces of `out` that begin at multiples of `length`, on all threads.
///
/// `work` is `dyn` here and below: rayon's machinery is then compiled once per type of number instead of once per closure, which
/// was a third of levain's code.
pub fn pieces<T: Send>(out: &mut [T], length: usize, work: &(dyn Fn(usize, &mut [T]) + Sync)) {
    let length = length.max(1);
    if out.len() <= length {
        if !out.is_empty() {
            work(0, out);
        }
        return;
    }
    out.par_chunks_mut(length).enumerate().for_each(|(i, piece)| work(i * length, piece));
}

/// Appends `values(range)` for each part of `range` to `out`, in pieces of `length` values, on all threads. A range produces as
/// many values as it is long.
pub fn extend<T: Send, I: Iterator<Item = T>>(
    out: &mut Vec<T>,
    range: Range<usize>,
    length: usize,
    values: impl Fn(Range<usize>) -> I + Sync,
) {
    extend_by(out, range, length, &|range, places| places.write(values(range)));
}

/// Uninitialized elements of a vector, and the number written so far.
pub struct Places<'a, T> {
    empty: &'a mut [MaybeUninit<T>],
    written: usize,
}

impl<T> Places<'_, T> {
    /// Writes the values to the first free elements.
    pub fn write(&mut self, values: impl Iterator<Item = T>) {
        let mut written = 0;
        for (place, value) in self.empty.iter_mut().zip(values) {
            place.write(value);
            written += 1;
        }
        self.written = written;
    }
}

/// Writes the values of a range to the same number of elements.
pub type Fill<'a, T> = &'a (dyn Fn(Range<usize>, &mut Places<T>) + Sync);

/// The body of [`extend`], compiled once per type of value.
pub fn extend_by<T: Send>(out: &mut Vec<T>, range: Range<usize>, length: usize, fill: Fill<T>) {
    let (start, count) = (out.len(), range.len());
    out.reserve(count);
    pieces(&mut out.spare_capacity_mut()[..count], length, &|first, piece: &mut [MaybeUninit<T>]| {
        let (first, length) = (range.start + first, piece.len());
        let mut places = Places { empty: piece, written: 0 };
        fill(first..first + length, &mut places);
        assert!(places.written == length, "a range has fewer values than it is long");
    });
    // SAFETY: every piece was written whole, or the assertion, which panics through `pieces`, has failed before this
    unsafe { out.set_len(start + count) };
}

/// Runs `work(first_row, rows)` over pieces of whole rows of `out`.
pub fn rows(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let step = rows_per_piece(width);
    if out.len() <= step * width {
        return work(0, out);
    }
    pieces(out, step * width, &|first, piece| work(first / width, piece));
}

/// Runs `work(first_row, rows of a, rows of b)` over pieces of two arrays with equal numbers of rows.
pub fn rows2(
    a: &mut [f32],
    a_width: usize,
    b: &mut [f32],
    b_width: usize,
    work: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) {
    let step = rows_per_piece(a_width.max(b_width));
    if a.len() <= step * a_width {
        return work(0, a, b);
    }
    pieces2(a, step * a_width, b, step * b_width, &|i, a, b| work(i * step, a, b));
}

/// `work(index, piece of a, piece of b)`.
type Both<'a> = &'a (dyn Fn(usize, &mut [f32], &mut [f32]) + Sync);

fn pieces2(a: &mut [f32], a_length: usize, b: &mut [f32], b_length: usize, work: Both) {
    a.par_chunks_mut(a_length).zip(b.par_chunks_mut(b_length)).enumerate().for_each(|(i, (a, b))| work(i, a, b));
}

/// Sums `width` columns over `rows`: `add(range of rows, partial sums)` per fixed piece, pieces added in order.
pub fn columns(rows: usize, width: usize, add: impl Fn(Range<usize>, &mut [f32]) + Sync) -> Vec<f32> {
    let step = rows_per_piece(width).max(rows.div_ceil(64)).max(1);
    let mut partial: Vec<Vec<f32>> = Vec::new();
    extend(&mut partial, 0..rows.div_ceil(step), 1, |pieces| {
        pieces.map(|piece| {
            let mut sums = vec![0.0; width];
            add(piece * step..((piece + 1) * step).min(rows), &mut sums);
            sums
        })
    });
    let mut partial = partial.into_iter();
    let mut sums = partial.next().unwrap_or_else(|| vec![0.0; width]);
    for more in partial {
        super::math::add_scaled(&mut sums, 1.0, &more);
    }
    sums
}
