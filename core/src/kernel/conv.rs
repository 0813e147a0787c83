//! Convolutions over planes: products of a weight with the windows of each image, laid out as columns (im2col).

use super::buffer::unwritten;
use super::math::{add_scaled, sum};
use super::matrix::{Matrix, Precision};
use super::view::{array, view};
use super::{Array, matmul, parallel};
use crate::{Result, cancel};
use rayon::prelude::*;

/// The sizes of a convolution; a one-dimensional signal is a plane of one row.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub batch: usize,
    pub channels: usize,
    pub size: [usize; 2],
    pub out_channels: usize,
    pub window: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Padding before the first row and column.
    pub before: [usize; 2],
    pub groups: usize,
    /// Window positions.
    pub places: [usize; 2],
}

impl Geometry {
    fn image(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    fn count(&self) -> usize {
        self.places[0] * self.places[1]
    }

    /// Numbers of a window in one group.
    fn inner(&self) -> usize {
        self.channels / self.groups * self.window[0] * self.window[1]
    }

    /// For each number of a window of a group, its channel and its row and column in the window.
    fn offsets(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let [high, wide] = self.window;
        (0..self.inner()).map(move |at| (at / (high * wide), at / wide % high, at % wide))
    }

    /// The row of the plane at `offset` of the window at `place`, if it is inside; `dim` is 0 for rows, 1 for columns.
    fn inside(&self, dim: usize, place: usize, offset: usize) -> Option<usize> {
        let at = (place * self.stride[dim] + offset * self.dilation[dim]).checked_sub(self.before[dim])?;
        (at < self.size[dim]).then_some(at)
    }

    /// The window columns whose element at `offset` is inside the plane.
    fn reach(&self, offset: usize) -> std::ops::Range<usize> {
        let shift = offset * self.dilation[1];
        let first = self.before[1].saturating_sub(shift).div_ceil(self.stride[1]);
        let end = (self.size[1] + self.before[1]).saturating_sub(shift).div_ceil(self.stride[1]);
        first.min(self.places[1])..end.min(self.places[1])
    }

    /// Fills `cols [inner, places]` with the windows of a group of an image.
    fn gather(&self, image: &[f32], group: usize, cols: &mut [f32]) {
        let (first, wide) = (group * (self.channels / self.groups), self.size[1]);
        for ((channel, i, j), row) in self.offsets().zip(cols.chunks_exact_mut(self.count().max(1))) {
            let plane = &image[(first + channel) * self.size[0] * wide..][..self.size[0] * wide];
            let reach = self.reach(j);
            for (y, to) in row.chunks_exact_mut(self.places[1]).enumerate() {
                let Some(at) = self.inside(0, y, i).filter(|_| !reach.is_empty()) else {
                    to.fill(0.0);
                    continue;
                };
                to[..reach.start].fill(0.0);
                to[reach.end..].fill(0.0);
                let start = reach.start * self.stride[1] + j * self.dilation[1] - self.before[1];
                let (to, from) = (&mut to[reach.clone()], &plane[at * wide..][start..wide]);
                if self.stride[1] == 1 {
                    to.copy_from_slice(&from[..to.len()]);
                } else {
                    to.iter_mut().zip(from.iter().step_by(self.stride[1])).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }

    /// Adds columns back to the image positions that they were gathered from.
    fn scatter(&self, cols: &[f32], group: usize, image: &mut [f32]) {
        let (first, wide) = (group * (self.channels / self.groups), self.size[1]);
        for ((channel, i, j), row) in self.offsets().zip(cols.chunks_exact(self.count().max(1))) {
            let plane = &mut image[(first + channel) * self.size[0] * wide..][..self.size[0] * wide];
            let reach = self.reach(j);
            for (y, from) in row.chunks_exact(self.places[1]).enumerate() {
                let Some(at) = self.inside(0, y, i).filter(|_| !reach.is_empty()) else { continue };
                let start = reach.start * self.stride[1] + j * self.dilation[1] - self.before[1];
                let (from, to) = (&from[reach.clone()], &mut plane[at * wide..][start..wide]);
                if self.stride[1] == 1 {
                    add_scaled(&mut to[..from.len()], 1.0, from);
                } else {
                    to.iter_mut().step_by(self.stride[1]).zip(from).for_each(|(to, from)| *to += from);
                }
            }
        }
    }
}

/// x `[B, C, H, W]` with a weight `[O, C / groups, h, w]`, plus a bias `[O]`; all f32 on the CPU.
pub fn forward(x: &Array, weight: &Array, bias: Option<&Array>, g: &Geometry) -> Result<Array> {
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    let bias = bias.map(|bias| bias.contiguous()).transpose()?;
    let (xs, w) = (view::<f32>(&x)?, view::<f32>(&weight)?);
    let b = bias.as_ref().map(view::<f32>).transpose()?;
    let (xs, w, b): (&[f32], &[f32], Option<&[f32]>) = (&xs, &w, b.as_deref());
    let (count, inner, each) = (g.count(), g.inner(), g.out_channels / g.groups);
    let mut y = unwritten(g.batch * g.out_channels * count);
    let cancel = cancel::current();
    y.par_chunks_mut((g.out_channels * count).max(1)).enumerate().for_each(|(at, y)| {
        if cancel.is_requested() {
            return;
        }
        let image = &xs[at * g.image()..][..g.image()];
        let mut cols = unwritten(inner * count);
        for (group, y) in y.chunks_exact_mut(each * count).enumerate() {
            g.gather(image, group, &mut cols);
            let w = Matrix::rows(&w[group * each * inner..][..each * inner], inner);
            matmul::multiply(y, [each, count, inner], w, Matrix::rows(&cols[..], count), false, Precision::F32);
        }
        for (plane, b) in y.chunks_exact_mut(count).zip(b.unwrap_or_default()) {
            plane.iter_mut().for_each(|y| *y += b);
        }
    });
    cancel::check()?;
    array(y, &[g.batch, g.out_channels, g.places[0], g.places[1]])
}

/// The gradient of x.
pub fn input(weight: &Array, grad: &Array, g: &Geometry) -> Result<Array> {
    let (weight, grad) = (weight.contiguous()?, grad.contiguous()?);
    let (w, dy) = (view::<f32>(&weight)?, view::<f32>(&grad)?);
    let (w, dy): (&[f32], &[f32]) = (&w, &dy);
    let (count, inner, each) = (g.count(), g.inner(), g.out_channels / g.groups);
    let mut dx = vec![0.0; g.batch * g.image()];
    let cancel = cancel::current();
    dx.par_chunks_mut(g.image().max(1)).enumerate().for_each(|(at, dx)| {
        if cancel.is_requested() {
            return;
        }
        let mut cols = unwritten(inner * count);
        let dy = &dy[at * g.out_channels * count..][..g.out_channels * count];
        for (group, dy) in dy.chunks_exact(each * count).enumerate() {
            let w = Matrix::rows(&w[group * each * inner..][..each * inner], inner).t();
            matmul::multiply(&mut cols, [inner, count, each], w, Matrix::rows(dy, count), false, Precision::F32);
            g.scatter(&cols, group, dx);
        }
    });
    cancel::check()?;
    array(dx, &[g.batch, g.channels, g.size[0], g.size[1]])
}

/// The gradient of the weight, `[O, C / groups, h, w]`. Images are summed in pieces that depend only on their number.
pub fn weight(x: &Array, grad: &Array, g: &Geometry) -> Result<Array> {
    let (x, grad) = (x.contiguous()?, grad.contiguous()?);
    let (xs, dy) = (view::<f32>(&x)?, view::<f32>(&grad)?);
    let (xs, dy): (&[f32], &[f32]) = (&xs, &dy);
    let (count, inner, each) = (g.count(), g.inner(), g.out_channels / g.groups);
    let cancel = cancel::current();
    let sums = in_pieces(g.batch, g.out_channels * inner, |images, sums| {
        let mut cols = unwritten(inner * count);
        for at in images {
            if cancel.is_requested() {
                return;
            }
            let image = &xs[at * g.image()..][..g.image()];
            let dy = &dy[at * g.out_channels * count..][..g.out_channels * count];
            for (group, dy) in dy.chunks_exact((each * count).max(1)).enumerate() {
                g.gather(image, group, &mut cols);
                let sums = &mut sums[group * each * inner..][..each * inner];
                let turned = Matrix::rows(&cols[..], count).t();
                matmul::multiply(sums, [each, inner, count], Matrix::rows(dy, count), turned, true, Precision::F32);
            }
        }
    });
    cancel::check()?;
    array(sums, &[g.out_channels, g.channels / g.groups, g.window[0], g.window[1]])
}

/// The gradient of the bias, `[O]`.
pub fn bias(grad: &Array, g: &Geometry) -> Result<Array> {
    let grad = grad.contiguous()?;
    let dy = view::<f32>(&grad)?;
    let dy: &[f32] = &dy;
    let count = g.count();
    let sums = in_pieces(g.batch, g.out_channels, |images, sums| {
        for planes in images.map(|at| &dy[at * g.out_channels * count..][..g.out_channels * count]) {
            sums.iter_mut().zip(planes.chunks_exact(count.max(1))).for_each(|(bias, plane)| *bias += sum(plane));
        }
    });
    array(sums, &[g.out_channels])
}

/// Sums of `width` numbers over images: `add(images, sums)` for at most 16 pieces, which are added in order.
fn in_pieces(images: usize, width: usize, add: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync) -> Vec<f32> {
    let step = images.div_ceil(16).max(1);
    let mut partial: Vec<Vec<f32>> = Vec::new();
    parallel::extend(&mut partial, 0..images.div_ceil(step), 1, |pieces| {
        pieces.map(|piece| {
            let mut sums = vec![0.0; width];
            add(piece * step..((piece + 1) * step).min(images), &mut sums);
            sums
        })
    });
    let mut partial = partial.into_iter();
    let mut sums = partial.next().unwrap_or_else(|| vec![0.0; width]);
    for more in partial {
        add_scaled(&mut sums, 1.0, &more);
    }
    sums
}
