//! Convolutions in one and two dimensions.

use crate::kernel::conv::{self, Geometry};
use crate::kernel::fused;
use crate::tensor::ops::{add, index_select, matmul, pad, permute, real, reshape, transpose, unsqueeze, volume};
use crate::tensor::{Array, Device, Tensor};
use crate::{Error, Result, bail};

/// Zero padding around a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// This much before and after, for rows and for columns.
    Zeros([usize; 2]),
    /// Enough to preserve the size.
    Same,
}

/// The window of a convolution: for rows and for columns.
#[derive(Clone, Copy, Debug)]
pub struct ConvWindow {
    /// Distance between windows.
    pub stride: [usize; 2],
    pub padding: Padding,
    /// Distance between elements of a window.
    pub dilation: [usize; 2],
    /// Number of channel groups, each with its own part of the weight.
    pub groups: usize,
}

/// Convolves x `[batch, in, length]` with a weight `[out, in / groups, width]`, plus a bias `[out]`. Only the second number of
/// each pair in `window` is used.
pub fn conv1d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: ConvWindow) -> Result<Tensor> {
    const WHO: &str = "conv1d";
    for (tensor, what) in [(x, "x"), (weight, "the weight")] {
        if tensor.shape().len() != 3 {
            bail!(WHO, "{what} has shape {:?}, not three dimensions", tensor.shape());
        }
    }
    let window = ConvWindow {
        stride: [1, window.stride[1]],
        dilation: [1, window.dilation[1]],
        padding: match window.padding {
            Padding::Zeros([_, columns]) => Padding::Zeros([0, columns]),
            Padding::Same => Padding::Same,
        },
        ..window
    };
    let y = convolve(WHO, &unsqueeze(x, 2)?, &unsqueeze(weight, 2)?, bias, window)?;
    let [batch, out, _, count] = four(WHO, &y, "the result")?;
    reshape(&y, &[batch as i64, out as i64, count as i64])
}

/// Convolves x `[batch, in, height, width]` with a weight `[out, in / groups, rows, columns]`, plus a bias `[out]`.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: ConvWindow) -> Result<Tensor> {
    convolve("conv2d", x, weight, bias, window)
}

fn convolve(who: &str, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: ConvWindow) -> Result<Tensor> {
    let x = real(x)?;
    let g = geometry(who, &x, weight, window)?;
    if let Some(bias) = bias.filter(|bias| bias.shape() != [g.out_channels]) {
        bail!(who, "a bias of shape {:?} for {} outputs", bias.shape(), g.out_channels);
    }
    let (xs, w, b) = (x.value(), weight.value(), bias.map(Tensor::value));
    if !fused(&[&xs, &w, b.as_ref().unwrap_or(&w)]) {
        return composed(&x, weight, bias, &g);
    }
    let y = conv::forward(&xs, &w, b.as_ref(), &g)?;
    let inputs: Vec<&Tensor> = [Some(&x), Some(weight), bias].into_iter().flatten().collect();
    let xs = Tensor::records(&[weight]).then_some(xs);
    Ok(Tensor::derive_from(y, &inputs, move |grad, flow| {
        flow.add(0, || conv::input(&w, &grad, &g))?;
        if let Some(xs) = xs {
            flow.add(1, || conv::weight(&xs, &grad, &g))?;
        }
        if flow.inputs() > 2 { flow.add(2, || conv::bias(&grad, &g)) } else { Ok(()) }
    }))
}

fn four(who: &str, x: &Tensor, what: &str) -> Result<[usize; 4]> {
    match x.shape()[..] {
        [a, b, c, d] => Ok([a, b, c, d]),
        ref dims => bail!(who, "{what} has shape {dims:?}, not four dimensions"),
    }
}

fn geometry(who: &str, x: &Tensor, weight: &Tensor, window: ConvWindow) -> Result<Geometry> {
    let [batch, channels, height, width] = four(who, x, "x")?;
    let [out, own, rows, columns] = four(who, weight, "the weight")?;
    let ConvWindow { stride, padding, dilation, groups } = window;
    if [stride, dilation, [rows, columns]].concat().contains(&0) || groups == 0 {
        let sizes = format!("stride {stride:?}, dilation {dilation:?}, window {:?}, {groups} groups", [rows, columns]);
        bail!(who, "{sizes}: each must be above 0");
    }
    if !channels.is_multiple_of(groups) || !out.is_multiple_of(groups) {
        bail!(who, "{groups} groups do not divide {channels} channels and {out} outputs");
    }
    if own * groups != channels {
        let of = if groups == 1 { String::new() } else { format!(" in {groups} groups") };
        bail!(who, "cannot convolve {channels} channels{of} with a weight of {own}");
    }
    let (mut before, mut after) = ([0; 2], [0; 2]);
    let (size, lengths) = ([height, width], [rows, columns]);
    let mut places = [0; 2];
    for dim in 0..2 {
        let reach = (lengths[dim] - 1).saturating_mul(dilation[dim]).saturating_add(1);
        (before[dim], after[dim]) = match padding {
            Padding::Zeros(zeros) => (zeros[dim], zeros[dim]),
            Padding::Same if stride[dim] > 1 => {
                return Err(Error::new(who, format!("`padding: \"same\"` with a stride of {}", stride[dim]))
                    .help("windows that are further apart than one give fewer places"));
            }
            Padding::Same => ((reach - 1) / 2, reach - 1 - (reach - 1) / 2),
        };
        let padded = size[dim].saturating_add(before[dim]).saturating_add(after[dim]);
        if padded < reach {
            bail!(who, "a window reaches over {reach} places, but there are {padded}");
        }
        places[dim] = (padded - reach) / stride[dim] + 1;
    }
    volume(who, &[batch, channels, size[0] + before[0] + after[0], size[1] + before[1] + after[1]])?;
    volume(who, &[batch, out, places[0], places[1]])?;
    volume(who, &[channels / groups, rows, columns, places[0], places[1]])?;
    let window = [rows, columns];
    Ok(Geometry { batch, channels, size, out_channels: out, window, stride, dilation, before, groups, places })
}

/// The same as products of operations: any dtype, any device.
fn composed(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, g: &Geometry) -> Result<Tensor> {
    let mut windows = x.clone();
    for dim in 0..2 {
        // after the dimensions added for rows in the first round
        let axis = 2 + 2 * dim as i64;
        let needed = (g.places[dim] - 1) * g.stride[dim] + (g.window[dim] - 1) * g.dilation[dim] + 1;
        let after = needed.saturating_sub(g.size[dim] + g.before[dim]);
        let length = g.window[dim];
        let places: Vec<i64> = (0..g.places[dim] * length)
            .map(|at| (at / length * g.stride[dim] + at % length * g.dilation[dim]) as i64)
            .collect();
        let places = Array::from_vec(places, (g.places[dim], length), &Device::Cpu)?.into();
        windows = index_select(&pad(&windows, axis, g.before[dim], after)?, axis, &places)?;
    }
    // [B, C, rows, h, columns, w] to [groups, B · rows · columns, C / groups · h · w]
    let count = (g.batch * g.places[0] * g.places[1]) as i64;
    let (groups, inner) = (g.groups as i64, (g.channels / g.groups * g.window[0] * g.window[1]) as i64);
    let rows = reshape(&permute(&windows, &[0, 2, 4, 1, 3, 5])?, &[count, groups, inner])?;
    let w = transpose(&reshape(weight, &[groups, g.out_channels as i64 / groups, inner])?, 1, 2)?;
    let y = matmul(&transpose(&rows, 0, 1)?, &w)?;
    let mut y = reshape(&transpose(&y, 0, 1)?, &[count, g.out_channels as i64])?;
    if let Some(bias) = bias {
        y = add(&y, bias)?;
    }
    let dims = [g.batch as i64, g.places[0] as i64, g.places[1] as i64, g.out_channels as i64];
    permute(&reshape(&y, &dims)?, &[0, 3, 1, 2])
}
