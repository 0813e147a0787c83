//! batch_norm and group_norm.

use crate::kernel::channel_norm::{self as kernel, Moments, Planes, Together};
use crate::kernel::{fused, values as numbers};
use crate::tensor::ops::{add, divide, mean, multiply, reshape, sqrt, square, subtract};
use crate::tensor::{Array, Tensor};
use crate::{Result, bail};

/// x as planes, with channels in its second dimension.
fn planes(who: &str, x: &Tensor, together: Together) -> Result<Planes> {
    let dims = x.shape();
    let (&[batch, channels], plane) = (dims.get(..2).unwrap_or_default(), dims.iter().skip(2).product()) else {
        bail!(who, "x has shape {dims:?}: channels are the second dimension");
    };
    if batch * channels * plane == 0 {
        bail!(who, "x of shape {dims:?} holds nothing");
    }
    Ok(Planes { batch, channels, plane, together })
}

/// Normalizes each channel over all images by its own mean and variance, times a weight, plus a bias (Ioffe and Szegedy 2015).
/// Also returns the mean (over `size` numbers) and the variance (over `size - 1`), for running statistics.
pub fn batch_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<(Tensor, Tensor, Tensor)> {
    const WHO: &str = "batch_norm";
    let planes = planes(WHO, x, Together::Channel)?;
    if planes.size() < 2 {
        bail!(WHO, "x of shape {:?} has one number in a channel: it has no variance", x.shape());
    }
    let sample = planes.size() as f64 / (planes.size() - 1) as f64;
    let (y, found, variance) = normalize(WHO, x, weight, bias, eps, planes)?;
    Ok((y, found.detach(), multiply(variance.detach(), sample)?))
}

/// The same with given mean and variance: for evaluation.
pub fn batch_norm_by(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    const WHO: &str = "batch_norm";
    let planes = planes(WHO, x, Together::Channel)?;
    check(WHO, [weight, bias, mean, variance], planes.channels)?;
    let arrays = [x, weight, bias, mean, variance].map(Tensor::value);
    if !fused(&arrays.each_ref()) {
        let by = divide(weight, &sqrt(&add(variance, eps)?)?)?;
        let dims = by_channel(&planes);
        let y = multiply(&subtract(&grouped(x, &dims)?, &reshape(mean, &dims.1)?)?, &reshape(&by, &dims.1)?)?;
        return back(&add(&y, &reshape(bias, &dims.1)?)?, x);
    }
    let [xs, w, b, means, variances] = arrays;
    let moments = Moments { means: numbers(&means)?, variances: numbers(&variances)? };
    let (w, b) = (numbers(&w)?, numbers(&b)?);
    let y = kernel::forward(&xs, &w, &b, &moments, &planes, eps)?;
    Ok(channel_norm(y, xs, w, [x, weight, bias], moments, planes, eps, true))
}

/// Normalizes groups of channels of each image, times a weight and plus a bias of each channel (Wu and He 2018).
pub fn group_norm(x: &Tensor, groups: usize, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    const WHO: &str = "group_norm";
    let planes = planes(WHO, x, Together::Groups(groups))?;
    if groups == 0 || !planes.channels.is_multiple_of(groups) {
        bail!(WHO, "{groups} groups do not divide {} channels", planes.channels);
    }
    Ok(normalize(WHO, x, weight, bias, eps, planes)?.0)
}

fn check(who: &str, sides: [&Tensor; 4], channels: usize) -> Result<()> {
    for (side, what) in sides.into_iter().zip(["weight", "bias", "mean", "variance"]) {
        if side.shape() != [channels] {
            bail!(who, "{what} of shape {:?} for {channels} channels", side.shape());
        }
    }
    Ok(())
}

/// The result, mean and variance of each set of planes.
fn normalize(
    who: &str,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    planes: Planes,
) -> Result<(Tensor, Tensor, Tensor)> {
    check(who, [weight, bias, weight, bias], planes.channels)?;
    let arrays = [x, weight, bias].map(Tensor::value);
    if !fused(&arrays.each_ref()) {
        return composed(x, weight, bias, eps, &planes);
    }
    let [xs, w, b] = arrays;
    let (w, b) = (numbers(&w)?, numbers(&b)?);
    let moments = kernel::moments(&xs, &planes)?;
    let y = kernel::forward(&xs, &w, &b, &moments, &planes, eps)?;
    let told =
        |numbers: &[f32]| -> Result<Tensor> { Ok(Array::from_slice(numbers, numbers.len(), xs.device())?.into()) };
    let (means, variances) = (told(&moments.means)?, told(&moments.variances)?);
    Ok((channel_norm(y, xs, w, [x, weight, bias], moments, planes, eps, false), means, variances))
}

#[allow(clippy::too_many_arguments)]
fn channel_norm(
    y: Array,
    xs: Array,
    w: Vec<f32>,
    inputs: [&Tensor; 3],
    moments: Moments,
    planes: Planes,
    eps: f64,
    fixed: bool,
) -> Tensor {
    Tensor::derive(y, inputs, move |grad, flow| {
        let (dx, dw, db) = kernel::backward(&xs, &w, &grad, &moments, &planes, eps, fixed)?;
        flow.add(0, || Ok(dx))?;
        flow.hand(1, &[planes.channels], dw)?;
        flow.hand(2, &[planes.channels], db)
    })
}

type Dims = (Vec<i64>, Vec<i64>);

/// The shapes of x and of per-channel values, with jointly normalized planes adjacent.
fn by_channel(planes: &Planes) -> Dims {
    let [batch, channels, plane] = [planes.batch, planes.channels, planes.plane].map(|size| size as i64);
    match planes.together {
        Together::Channel => (vec![batch, channels, plane], vec![1, channels, 1]),
        Together::Groups(groups) => {
            let groups = groups as i64;
            (vec![batch, groups, channels / groups, plane], vec![1, groups, channels / groups, 1])
        }
    }
}

fn grouped(x: &Tensor, dims: &Dims) -> Result<Tensor> {
    reshape(x, &dims.0)
}

fn back(y: &Tensor, like: &Tensor) -> Result<Tensor> {
    reshape(y, &like.shape().iter().map(|size| *size as i64).collect::<Vec<_>>())
}

/// The same as composed operations: any dtype, any device.
fn composed(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64, planes: &Planes) -> Result<(Tensor, Tensor, Tensor)> {
    let dims = by_channel(planes);
    let over: &[i64] = if planes.together == Together::Channel { &[0, 2] } else { &[2, 3] };
    let xs = grouped(x, &dims)?;
    let center = mean(&xs, Some(over), true)?;
    let far = subtract(&xs, &center)?;
    let variance = mean(&square(&far)?, Some(over), true)?;
    let normed = divide(&far, &sqrt(&add(&variance, eps)?)?)?;
    let y = add(&multiply(&normed, &reshape(weight, &dims.1)?)?, &reshape(bias, &dims.1)?)?;
    let sets = [planes.sets() as i64];
    Ok((back(&y, x)?, reshape(&center, &sets)?, reshape(&variance, &sets)?))
}
