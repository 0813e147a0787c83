//! Pooling.

use super::conv::pair;
use super::places;
use crate::script::prelude::*;
use crate::tensor::Tensor;
use crate::tensor::layers::{self, Pool, SegmentPool};

const POOL: &[Opt] = &[
    opt("stride", Kind::Any, "", "step from one window to the next; by default the window size"),
    opt("padding", Kind::Any, "0", "padding on each side, at most half a window"),
];
const SEGMENTS: &[Opt] = &[
    opt(
        "segments",
        Kind::Any,
        "",
        "segment ids, a tensor `[batch, length]`; 0 is padding. By default each row of the batch is one segment",
    )
    .also(&["attention_mask", "lengths"]),
    opt(
        "method",
        Kind::OneOf(&["mean", "max", "sum", "first", "last"]),
        "\"mean\"",
        "how the steps of a segment are combined",
    )
    .also(&["pooling_mode", "cls"]),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("max_pool", POOL);
    host.options("avg_pool", POOL);
    host.options("segment_pool", SEGMENTS);
}

/// Number of pooled dimensions of x, after batch and channels.
fn pooled(who: &str, x: &Tensor) -> Res<usize> {
    match x.shape().len() {
        3 => Ok(1),
        4 => Ok(2),
        _ => bail!(
            who,
            "shape {:?} is neither [batch, channels, length] nor [batch, channels, height, width]",
            x.shape()
        ),
    }
}

fn pool(who: &'static str, x: &Tensor, size: &Dynamic, options: Map, kind: Pool) -> Res<Tensor> {
    let options = Options::read(who, POOL, options)?;
    let (count, dims) = (pooled(who, x)?, x.shape());
    let length = pair(who, "the size of a window", size)?;
    let stride = match options.get("stride") {
        given if given.is_unit() => length,
        given => pair(who, "stride", &given)?,
    };
    let padding = pair(who, "padding", &options.get("padding"))?;
    let windows = (2 - count..2)
        .map(|dim| layers::windows(who, dims[dims.len() + dim - 2], length[dim], stride[dim], padding[dim]))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(layers::pool(who, x, &windows, kind)?)
}

fn adaptive(who: &'static str, x: &Tensor, size: &Dynamic, kind: Pool) -> Res<Tensor> {
    let (count, dims) = (pooled(who, x)?, x.shape());
    let wanted = pair(who, "the size", size)?;
    let windows = (2 - count..2)
        .map(|dim| layers::adaptive_windows(who, dims[dims.len() + dim - 2], wanted[dim]))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(layers::pool(who, x, &windows, kind)?)
}

#[export_module]
mod verbs {
    /// Takes the largest number of each window along the last dimension of `[batch, channels, length]`, or the last two of
    /// `[batch, channels, height, width]`. `size` is the window size, a list `[rows, columns]` if they differ.
    ///
    /// also: nn.MaxPool1d, nn.MaxPool2d, F.max_pool1d, F.max_pool2d
    ///
    /// ```rhai
    /// let x = tensor([[[1.0, 3.0, 2.0, 5.0]]]);
    /// max_pool(x, 2)                           //=> tensor([[[3., 5.]]])
    /// max_pool(x, 3, #{ stride: 1, padding: 1 })      //=> tensor([[[3., 3., 5., 5.]]])
    /// max_pool(ones([1, 1, 4, 6]), [2, 3]).shape      //=> [1, 1, 2, 2]
    /// max_pool(x, 5)                           //=> error: max_pool: a window reaches over 5 places, but there are 4
    /// ```
    #[rhai_fn(name = "max_pool", return_raw)]
    pub fn max_pool(x: Tensor, size: Dynamic, options: Map) -> Res<Tensor> {
        pool("max_pool", &x, &size, options, Pool::Max)
    }

    /// Averages the numbers of each window along the last dimension of `[batch, channels, length]`, or the last two of
    /// `[batch, channels, height, width]`. Padding counts as zeros.
    ///
    /// also: nn.AvgPool1d, nn.AvgPool2d, F.avg_pool1d, F.avg_pool2d
    ///
    /// ```rhai
    /// let x = tensor([[[1.0, 3.0, 2.0, 5.0]]]);
    /// avg_pool(x, 2)                           //=> tensor([[[2.0000, 3.5000]]])
    /// avg_pool(x, 2, #{ padding: 1 })          //=> tensor([[[0.5000, 2.5000, 2.5000]]])
    /// ```
    #[rhai_fn(name = "avg_pool", return_raw)]
    pub fn avg_pool(x: Tensor, size: Dynamic, options: Map) -> Res<Tensor> {
        pool("avg_pool", &x, &size, options, Pool::Mean)
    }

    /// Max-pools the last dimension, or the last two, into `size` windows. A size of 1 is the global maximum.
    ///
    /// also: nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, global max pooling, max over time
    ///
    /// ```rhai
    /// adaptive_max_pool(tensor([[[1.0, 3.0, 2.0, 5.0, 4.0]]]), 2)      //=> tensor([[[3., 5.]]])
    /// ```
    #[rhai_fn(return_raw)]
    pub fn adaptive_max_pool(x: Tensor, size: Dynamic) -> Res<Tensor> {
        adaptive("adaptive_max_pool", &x, &size, Pool::Max)
    }

    /// Average-pools the last dimension, or the last two, into `size` windows.
    ///
    /// also: nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, global average pooling
    ///
    /// ```rhai
    /// adaptive_avg_pool(tensor([[[1.0, 3.0, 2.0, 6.0, 4.0]]]), 2)      //=> tensor([[[2., 4.]]])
    /// ```
    #[rhai_fn(return_raw)]
    pub fn adaptive_avg_pool(x: Tensor, size: Dynamic) -> Res<Tensor> {
        adaptive("adaptive_avg_pool", &x, &size, Pool::Mean)
    }

    /// Pools the steps of each segment of x `[batch, length, width]` into one row. The result is `[segments, width]`, in the
    /// order in which segments begin. Without `segments`, each row of the batch is one segment.
    ///
    /// also: mean pooling, masked mean, sentence embedding, last hidden state, pooling_mode_mean_tokens
    ///
    /// ```rhai
    /// let x = tensor([[[1.0], [3.0], [8.0]], [[2.0], [9.0], [9.0]]]);
    /// segment_pool(x, #{ segments: tensor([[1, 1, 2], [1, 0, 0]]) })      //=> tensor([[2.],
    /// //                                                                                [8.],
    /// //                                                                                [2.]])
    /// segment_pool(x, #{ method: "max" })      //=> tensor([[8.],
    /// //                                                    [9.]])
    /// ```
    #[rhai_fn(name = "segment_pool", return_raw)]
    pub fn segment_pool(x: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("segment_pool", SEGMENTS, options)?;
        let dims = x.shape();
        let segments = places(&options, "segments", dims.get(..2).unwrap_or_default())?;
        let kind = match options.text("method")?.as_str() {
            "max" => SegmentPool::Max,
            "sum" => SegmentPool::Sum,
            "first" => SegmentPool::First,
            "last" => SegmentPool::Last,
            _ => SegmentPool::Mean,
        };
        Ok(layers::segment_pool(&x, segments.as_deref(), kind)?)
    }
}
