//! Convolutions.

use super::{count, ints, tensor_of};
use crate::script::prelude::*;
use crate::tensor::Tensor;
use crate::tensor::layers::{self, ConvWindow, Padding};

const GROUPS: Opt = opt("groups", Kind::Int, "1", "number of groups of channels, each with its own part of the weight");
const CONV1D: &[Opt] = &[
    opt("bias", Kind::Any, "", "bias, shape [out]"),
    opt("stride", Kind::Int, "1", "step from one window to the next"),
    opt("padding", Kind::Any, "0", "zeros added at both ends, or `same` to keep the length"),
    opt("dilation", Kind::Int, "1", "spacing of the elements of a window"),
    GROUPS,
];
const CONV2D: &[Opt] = &[
    opt("bias", Kind::Any, "", "bias, shape [out]"),
    opt("stride", Kind::Any, "1", "step from one window to the next; a list [rows, columns] if they differ"),
    opt("padding", Kind::Any, "0", "zeros added on each side; a list if they differ, or `same` to keep the size"),
    opt("dilation", Kind::Any, "1", "spacing of the elements of a window; a list if they differ"),
    GROUPS,
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("conv1d", CONV1D);
    host.options("conv2d", CONV2D);
}

/// Reads an integer for rows and columns, or a list of two.
pub(super) fn pair(who: &str, name: &str, given: &Dynamic) -> Res<[usize; 2]> {
    if let Ok(both) = given.as_int() {
        let both = count(who, both)?;
        return Ok([both, both]);
    }
    let Some(list) = given.read_lock::<List>() else {
        bail!(who, "`{name}` takes a whole number or a list of two, not {}", type_in_words(given));
    };
    match ints(who, &list)?[..] {
        [rows, columns] => Ok([count(who, rows)?, count(who, columns)?]),
        ref all => bail!(who, "`{name}` takes a whole number or a list of two, not of {}", all.len()),
    }
}

fn window(options: &Options) -> Res<ConvWindow> {
    let who = options.who();
    let padding = options.get("padding");
    let padding = match padding.read_lock::<ImmutableString>() {
        Some(word) if word.as_str() == "same" => Padding::Same,
        Some(word) => return Err(Error::unknown(who, "padding", &word, ["same"]).into()),
        None => Padding::Zeros(pair(who, "padding", &padding)?),
    };
    Ok(ConvWindow {
        stride: pair(who, "stride", &options.get("stride"))?,
        padding,
        dilation: pair(who, "dilation", &options.get("dilation"))?,
        groups: options.count("groups")?,
    })
}

#[export_module]
mod verbs {
    /// Convolves x `[batch, in, length]` along the last dimension with a weight `[out, in / groups, width]`.
    ///
    /// also: nn.Conv1d, F.conv1d, convolution, depthwise, in_channels, out_channels, kernel_size
    ///
    /// ```rhai
    /// conv1d(tensor([[[1.0, 2.0, 4.0]]]), tensor([[[-1.0, 1.0]]]))      //=> tensor([[[1., 2.]]])
    /// conv1d(ones([1, 2, 8]), ones([3, 2, 3]), #{ stride: 2, padding: 1 }).shape          //=> [1, 3, 4]
    /// conv1d(ones([1, 2, 8]), ones([2, 1, 3]), #{ groups: 2, padding: "same" }).shape     //=> [1, 2, 8]
    /// conv1d(ones([1, 2, 8]), ones([3, 4, 3]))      //=> error: conv1d: cannot convolve 2 channels with a weight of 4
    /// ```
    #[rhai_fn(name = "conv1d", return_raw)]
    pub fn conv1d(x: Tensor, weight: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("conv1d", CONV1D, options)?;
        Ok(layers::conv1d(&x, &weight, tensor_of(&options, "bias")?.as_ref(), window(&options)?)?)
    }

    /// Convolves x `[batch, in, height, width]` with a weight `[out, in / groups, rows, columns]`.
    ///
    /// also: nn.Conv2d, F.conv2d, convolution, depthwise, image
    ///
    /// ```rhai
    /// conv2d(ones([1, 1, 3, 3]), ones([1, 1, 2, 2]))      //=> tensor([[[[4., 4.],
    /// //                                                                [4., 4.]]]])
    /// conv2d(ones([1, 2, 9, 7]), ones([4, 2, 3, 3]), #{ stride: 2, padding: [1, 0] }).shape      //=> [1, 4, 5, 3]
    /// ```
    #[rhai_fn(name = "conv2d", return_raw)]
    pub fn conv2d(x: Tensor, weight: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("conv2d", CONV2D, options)?;
        Ok(layers::conv2d(&x, &weight, tensor_of(&options, "bias")?.as_ref(), window(&options)?)?)
    }
}
