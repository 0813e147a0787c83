//! Work split over threads, always at the same places.

use rayon::prelude::*;

/// Numbers in one piece of elementwise work: enough to be worth a task, few enough for the nearest caches.
const PIECE: usize = 1 << 14;

/// Rows in one piece, for rows of this width.
pub fn rows_per_piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}

/// `work(first_row, rows)` over pieces of whole rows of `out`.
pub fn rows(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let step = rows_per_piece(width);
    if out.len() <= step * width {
        return work(0, out);
    }
    out.par_chunks_mut(step * width).enumerate().for_each(|(i, piece)| work(i * step, piece));
}

/// `work(first_row, rows of a, rows of b)` over pieces of two arrays with as many rows.
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
    a.par_chunks_mut(step * a_width)
        .zip(b.par_chunks_mut(step * b_width))
        .enumerate()
        .for_each(|(i, (a, b))| work(i * step, a, b));
}

/// Sums `width` columns over `rows`: `add(range of rows, partial sums)` per fixed piece, pieces added in order.
pub fn columns(rows: usize, width: usize, add: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync) -> Vec<f32> {
    let step = rows_per_piece(width).max(rows.div_ceil(64));
    let pieces: Vec<_> = (0..rows).step_by(step.max(1)).map(|start| start..(start + step).min(rows)).collect();
    let partial: Vec<Vec<f32>> = pieces
        .into_par_iter()
        .map(|range| {
            let mut sums = vec![0.0; width];
            add(range, &mut sums);
            sums
        })
        .collect();
    let mut partial = partial.into_iter();
    let mut sums = partial.next().unwrap_or_else(|| vec![0.0; width]);
    for more in partial {
        super::math::add_scaled(&mut sums, 1.0, &more);
    }
    sums
}
