//! Convolution along one dimension, as a matrix product of its windows.

use super::{add, index_select, matmul, pad, permute, real, reshape, t, volume};
use crate::tensor::{Array, Device, Tensor};
use crate::{Result, bail};

/// The windows of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct ConvWindow {
    /// Distance from one window to the next.
    pub stride: usize,
    /// Zeros added at both ends.
    pub padding: usize,
    /// Distance of the elements of a window.
    pub dilation: usize,
}

/// Convolves x `[batch, in, length]` with a weight `[out, in, width]`, plus a bias `[out]`.
pub fn conv1d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: ConvWindow) -> Result<Tensor> {
    const WHO: &str = "conv1d";
    let x = real(x)?;
    let ([batch, channels, length], [out, inner, width]) = (three(&x, "x")?, three(weight, "the weight")?);
    if channels != inner {
        bail!(WHO, "cannot convolve {:?} with {:?}: {channels} channels are not {inner}", x.shape(), weight.shape());
    }
    let ConvWindow { stride, padding, dilation } = window;
    if stride == 0 || dilation == 0 || width == 0 {
        bail!(WHO, "stride {stride}, dilation {dilation}, width {width}: each must be above 0");
    }
    let padded = length.saturating_add(padding.saturating_mul(2));
    volume(WHO, &[batch, channels, padded])?;
    let reach = (width - 1).saturating_mul(dilation).saturating_add(1);
    if padded < reach {
        bail!(WHO, "a window reaches over {reach} places, but there are {padded}");
    }
    let count = (padded - reach) / stride + 1;
    volume(WHO, &[batch, channels, count, width])?;
    let places: Vec<i64> = (0..count * width).map(|at| (at / width * stride + at % width * dilation) as i64).collect();
    let places = Array::from_vec(places, (count, width), &Device::Cpu)?.into();
    let windows = index_select(&pad(&x, 2, padding, padding)?, 2, &places)?;
    let rows = reshape(&permute(&windows, &[0, 2, 1, 3])?, &[(batch * count) as i64, (channels * width) as i64])?;
    let mut result = matmul(&rows, &t(&reshape(weight, &[out as i64, -1])?)?)?;
    if let Some(bias) = bias {
        result = add(&result, bias).map_err(|error| error.attributed_to(WHO))?;
    }
    permute(&reshape(&result, &[batch as i64, count as i64, out as i64])?, &[0, 2, 1])
}

fn three(x: &Tensor, what: &str) -> Result<[usize; 3]> {
    match x.shape()[..] {
        [a, b, c] => Ok([a, b, c]),
        ref dims => bail!("conv1d", "{what} has shape {dims:?}, not three dimensions"),
    }
}
