//! Rotary position embedding: pairs (i, i + d/2) of each head rotate by an angle that grows with the position.

use super::math::{fma, simd};
use super::rope_cache::RopeCache;
use super::view::{array, view};
use super::{Array, fused, parallel, reference};
use crate::Result;

simd! {
    /// Rotates all heads of one token; `direction` -1 rotates back.
    pub(super) fn apply_rope(x: &[f32], y: &mut [f32], head: usize, cos: &[f32], sin: &[f32], direction: f32) {
        let half = cos.len();
        for (x, y) in x.chunks_exact(head).zip(y.chunks_exact_mut(head)) {
            let (x1, rest) = x.split_at(half);
            let (x2, tail) = rest.split_at(half);
            let (y1, rest) = y.split_at_mut(half);
            let (y2, kept) = rest.split_at_mut(half);
            for i in 0..half {
                let (c, s) = (cos[i], direction * sin[i]);
                y1[i] = fma::<FMA>(x1[i], c, -(x2[i] * s));
                y2[i] = fma::<FMA>(x2[i], c, x1[i] * s);
            }
            kept.copy_from_slice(tail);
        }
    }
}

/// Rotates `x [B, T, H, D]` by its positions (`B*T` of them), or back: the gradient is the inverse rotation.
///
/// Where `2 · half` is less than D, the rest of each head is unchanged.
pub fn rotate(x: &Array, rope: &RopeCache, positions: &[u32], back: bool) -> Result<Array> {
    if !fused(&[x]) {
        return reference::rotate(x, rope, positions, back);
    }
    let x = x.contiguous()?;
    let (_, _, heads, head) = x.dims4()?;
    let (width, half) = (heads * head, rope.half);
    let values = view::<f32>(&x)?;
    let values: &[f32] = &values;
    let direction = if back { -1.0 } else { 1.0 };
    let mut y = super::buffer::unwritten(values.len());
    parallel::rows(&mut y, width, |row, y| {
        let rows = values[row * width..][..y.len()].chunks_exact(width).zip(y.chunks_exact_mut(width));
        for ((x, y), position) in rows.zip(&positions[row..]) {
            let at = *position as usize * half;
            apply_rope(x, y, head, &rope.cos[at..at + half], &rope.sin[at..at + half], direction);
        }
    });
    array(y, x.dims())
}
