//! Normalization of planes: batch_norm shares mean and variance over one channel of all images, group_norm over a group of
//! channels of one image.

use super::buffer::unwritten;
use super::math::{dot, fma, fold, simd, sum};
use super::view::{array, view};
use super::{Array, parallel};
use crate::Result;

/// The planes that are normalized together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// One channel of all images.
    Channel,
    /// This number of channel groups of each image.
    Groups(usize),
}

/// x [batch, channels, plane].
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    pub batch: usize,
    pub channels: usize,
    pub plane: usize,
    pub together: Together,
}

impl Planes {
    /// Number of sets of planes.
    pub fn sets(&self) -> usize {
        match self.together {
            Together::Channel => self.channels,
            Together::Groups(groups) => self.batch * groups,
        }
    }

    /// Indices of the planes of a set.
    fn of(&self, set: usize) -> impl Iterator<Item = usize> + '_ {
        let (first, step, count) = match self.together {
            Together::Channel => (set, self.channels, self.batch),
            Together::Groups(groups) => (set * (self.channels / groups), 1, self.channels / groups),
        };
        (0..count).map(move |at| first + at * step)
    }

    /// The set of a plane.
    fn set(&self, plane: usize) -> usize {
        match self.together {
            Together::Channel => plane % self.channels,
            Together::Groups(groups) => plane / (self.channels / groups),
        }
    }

    /// Numbers in a set.
    pub fn size(&self) -> usize {
        self.batch * self.channels * self.plane / self.sets().max(1)
    }

    fn numbers<'a>(&self, x: &'a [f32], plane: usize) -> &'a [f32] {
        &x[plane * self.plane..][..self.plane]
    }

    /// Computes a value for each set, on all threads.
    fn each_set<T: Send>(&self, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let mut made = Vec::new();
        let step = ((1 << 14) / self.size().max(1)).max(1);
        parallel::extend(&mut made, 0..self.sets(), step, |sets| sets.map(&make));
        made
    }
}

/// Mean and variance of each set.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    pub means: Vec<f32>,
    pub variances: Vec<f32>,
}

simd! {
    fn square_distance(x: &[f32], mean: f32) -> f32 {
        let mut sums = [0f32; 16];
        let mut chunks = x.chunks_exact(16);
        for chunk in &mut chunks {
            for i in 0..16 {
                sums[i] = fma::<FMA>(chunk[i] - mean, chunk[i] - mean, sums[i]);
            }
        }
        for (x, sum) in chunks.remainder().iter().zip(&mut sums) {
            *sum = fma::<FMA>(*x - mean, *x - mean, *sum);
        }
        fold(&sums)
    }
}

simd! {
    /// y = x·by + more
    fn scale_rows(x: &[f32], by: f32, more: f32, y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = fma::<FMA>(*x, by, more);
        }
    }
}

simd! {
    /// dx = by·(g·w − push − (x − mean)·pull)
    fn back_rows(x: &[f32], g: &[f32], w: f32, by: f32, mean: f32, push: f32, pull: f32, dx: &mut [f32]) {
        for ((dx, x), g) in dx.iter_mut().zip(x).zip(g) {
            *dx = by * (*g * w - push - (*x - mean) * pull);
        }
    }
}

/// Mean and variance (of the population, not of a sample) of each set.
pub fn moments(x: &Array, planes: &Planes) -> Result<Moments> {
    let x = x.contiguous()?;
    let xs = view::<f32>(&x)?;
    let xs: &[f32] = &xs;
    let size = planes.size() as f64;
    let found: Vec<(f32, f32)> = planes.each_set(|set| {
        let mean: f64 = planes.of(set).map(|plane| f64::from(sum(planes.numbers(xs, plane)))).sum::<f64>() / size;
        let far = |plane| f64::from(square_distance(planes.numbers(xs, plane), mean as f32));
        (mean as f32, (planes.of(set).map(far).sum::<f64>() / size) as f32)
    });
    Ok(Moments {
        means: found.iter().map(|(mean, _)| *mean).collect(),
        variances: found.iter().map(|(_, variance)| *variance).collect(),
    })
}

fn scales(moments: &Moments, eps: f64) -> Vec<f32> {
    moments.variances.iter().map(|variance| (1.0 / (f64::from(*variance) + eps).sqrt()) as f32).collect()
}

/// (x − mean) / √(variance + eps) · weight + bias, weight and bias by channel.
pub fn forward(x: &Array, weight: &[f32], bias: &[f32], moments: &Moments, planes: &Planes, eps: f64) -> Result<Array> {
    let x = x.contiguous()?;
    let xs = view::<f32>(&x)?;
    let xs: &[f32] = &xs;
    let scales = scales(moments, eps);
    let mut y = unwritten(xs.len());
    parallel::rows(&mut y, planes.plane, |first, y| {
        for (plane, y) in (first..).zip(y.chunks_exact_mut(planes.plane.max(1))) {
            let (set, channel) = (planes.set(plane), plane % planes.channels);
            let by = scales[set] * weight[channel];
            // numbers far from 0 and close together keep their digits
            let x = planes.numbers(xs, plane);
            if moments.means[set].abs() * scales[set] < 8.0 {
                scale_rows(x, by, bias[channel] - moments.means[set] * by, y);
            } else {
                y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - moments.means[set]) * by + bias[channel]);
            }
        }
    });
    array(y, x.dims())
}

/// The gradients of x, weight and bias; `fixed` moments do not depend on x.
pub fn backward(
    x: &Array,
    weight: &[f32],
    grad: &Array,
    moments: &Moments,
    planes: &Planes,
    eps: f64,
    fixed: bool,
) -> Result<(Array, Vec<f32>, Vec<f32>)> {
    let (x, grad) = (x.contiguous()?, grad.contiguous()?);
    let (xs, g) = (view::<f32>(&x)?, view::<f32>(&grad)?);
    let (xs, g): (&[f32], &[f32]) = (&xs, &g);
    let scales = scales(moments, eps);
    // for each plane the sum of grad, and of grad · (x − mean)
    let count = planes.batch * planes.channels;
    let mut sums: Vec<(f32, f32)> = Vec::new();
    let step = ((1 << 14) / planes.plane.max(1)).max(1);
    parallel::extend(&mut sums, 0..count, step, |range| {
        range.map(|plane| {
            let (own, mean) = (planes.numbers(g, plane), moments.means[planes.set(plane)]);
            (sum(own), dot_from(planes.numbers(xs, plane), own, mean))
        })
    });
    let (mut dw, mut db) = (vec![0f64; planes.channels], vec![0f64; planes.channels]);
    for (plane, (grad, along)) in sums.iter().enumerate() {
        let channel = plane % planes.channels;
        db[channel] += f64::from(*grad);
        dw[channel] += f64::from(*along) * f64::from(scales[planes.set(plane)]);
    }
    let size = planes.size() as f64;
    let pulls: Vec<(f32, f32)> = (0..planes.sets())
        .map(|set| {
            let (mut push, mut pull) = (0.0, 0.0);
            for plane in planes.of(set).filter(|_| !fixed) {
                let w = f64::from(weight[plane % planes.channels]);
                push += w * f64::from(sums[plane].0);
                pull += w * f64::from(sums[plane].1);
            }
            let scale = f64::from(scales[set]);
            ((push / size) as f32, (pull / size * scale * scale) as f32)
        })
        .collect();
    let mut dx = unwritten(xs.len());
    parallel::rows(&mut dx, planes.plane, |first, dx| {
        for (plane, dx) in (first..).zip(dx.chunks_exact_mut(planes.plane.max(1))) {
            let (set, w) = (planes.set(plane), weight[plane % planes.channels]);
            let (push, pull) = pulls[set];
            let (x, g) = (planes.numbers(xs, plane), planes.numbers(g, plane));
            back_rows(x, g, w, scales[set], moments.means[set], push, pull, dx);
        }
    });
    let narrow = |sums: Vec<f64>| sums.into_iter().map(|sum| sum as f32).collect();
    Ok((array(dx, x.dims())?, narrow(dw), narrow(db)))
}

/// The sum of g · (x − mean).
fn dot_from(x: &[f32], g: &[f32], mean: f32) -> f32 {
    if mean == 0.0 {
        return dot(x, g);
    }
    let centered: Vec<f32> = x.iter().map(|x| x - mean).collect();
    dot(&centered, g)
}
