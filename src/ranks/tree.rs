//! The aligned binary tree in which micro-batches are summed, and its division among ranks.
//!
//! Among eight, 0 and 1 are added, 2 and 3, then both sums, and so on. A rank owns a whole subtree, so that the part above it is
//! the same tree over ranks.

use crate::{Error, Result};
use std::ops::Range;

/// The micro-batches of a step that `rank` of `count` owns, of `grad_accum` in all.
pub fn share(rank: usize, count: usize, grad_accum: usize) -> Result<Range<usize>> {
    if count <= 1 {
        return Ok(0..grad_accum);
    }
    let own = grad_accum / count;
    if own * count == grad_accum && own.is_power_of_two() {
        return Ok(rank * own..(rank + 1) * own);
    }
    let fitting: Vec<String> =
        (2..=grad_accum).filter(|&count| fits(count, grad_accum)).map(|count| count.to_string()).collect();
    let next = (1..).map(|power| count << (power - 1)).find(|next| *next >= grad_accum).unwrap_or(count);
    let others = match fitting.as_slice() {
        [] => String::new(),
        counts => format!(", or start {} ranks", counts.join(" or ")),
    };
    Err(Error::new(
        "train::run",
        format!("`grad_accum` is {grad_accum}, which {count} ranks can't share: each takes 1, 2, 4, 8 … micro-batches"),
    )
    .help(format!(
        "set `grad_accum: {next}` and `batch_size` so that their product, the rows of a step, stays the same{others}"
    )))
}

fn fits(count: usize, grad_accum: usize) -> bool {
    grad_accum.is_multiple_of(count) && (grad_accum / count).is_power_of_two()
}

/// Joins values in tree order, skipping absent ones.
pub fn joined<T>(mut values: Vec<Option<T>>, mut join: impl FnMut(T, T) -> T) -> Option<T> {
    for (left, right) in pairs(values.len()) {
        let (mine, theirs) = (values[left].take(), values[right].take());
        values[left] = match (mine, theirs) {
            (Some(mine), Some(theirs)) => Some(join(mine, theirs)),
            (mine, theirs) => mine.or(theirs),
        };
    }
    values.into_iter().next().flatten()
}

/// Which of `count` is added to which, in order: at the end the first holds the sum of all.
pub fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let widths = std::iter::successors(Some(1), |width| Some(width * 2)).take_while(move |width| *width < count);
    widths.flat_map(move |width| {
        (0..count).step_by(2 * width).filter_map(move |left| {
            let right = left + width;
            (right < count).then_some((left, right))
        })
    })
}
