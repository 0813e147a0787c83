//! Medians, quantiles and norms.

use super::number;
use super::reduce::{KEEP, dims, keep};
use crate::script::prelude::*;
use crate::tensor::ops::{self, Interpolation};
use crate::tensor::{Array, Device, Tensor};

const QUANTILE: &[Opt] = &[
    opt("dim", Kind::Int, "", "the dimension; by default all numbers"),
    opt("keepdim", Kind::Bool, "false", "keep the dimension, with size 1"),
    opt(
        "interpolation",
        Kind::OneOf(&["linear", "lower", "higher", "midpoint", "nearest"]),
        "\"linear\"",
        "method for quantiles between two numbers",
    ),
];
const NORM: &[Opt] = &[
    opt("p", Kind::Float, "2.0", "the p-norm: 1 sums, 2 is Euclid's, infinity takes the largest, 0 counts"),
    opt("keepdim", Kind::Bool, "false", "keep the dimension, with size 1"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("median", KEEP);
    host.options("quantile", QUANTILE);
    host.options("norm", NORM);
}

/// Reads one quantile, a list of them, or a tensor.
fn shares(q: &Dynamic) -> crate::Result<Tensor> {
    if let Some(shares) = q.read_lock::<Tensor>() {
        return Ok(shares.clone());
    }
    let share = |q: &Dynamic| Ok(number("quantile", q)?.to_f64());
    let array = match q.read_lock::<List>() {
        Some(list) => {
            Array::new(list.iter().map(share).collect::<crate::Result<Vec<f64>>>()?.as_slice(), &Device::Cpu)?
        }
        None => Array::new(share(q)?, &Device::Cpu)?,
    };
    Ok(array.into())
}

#[export_module]
mod verbs {
    /// Returns the median of all numbers, as in PyTorch the lower of the two in the middle; NaN if any number is NaN. Equal
    /// numbers share its gradient. `quantile(0.5)` is between the two.
    ///
    /// ```rhai
    /// tensor([3.0, 1.0, 2.0, 9.0]).median()      //=> tensor(2.)
    /// ```
    #[rhai_fn(name = "median", pure, return_raw)]
    pub fn median(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::median(x, None, false)?)
    }

    /// Returns the medians along a dimension; `keepdim` keeps it with size 1.
    ///
    /// ```rhai
    /// tensor([[3, 1, 2], [7, 9, 8]]).median(1)      //=> tensor([2, 8])
    /// tensor([[3, 1, 2], [7, 9, 8]]).median(1, #{ keepdim: true }).shape      //=> [2, 1]
    /// ```
    #[rhai_fn(name = "median", pure, return_raw)]
    pub fn median_along(x: &mut Tensor, dim: INT, options: Map) -> Res<Tensor> {
        Ok(ops::median(x, Some(dim), keep("median", options)?)?)
    }

    /// Returns the `q`-quantile of all numbers, or of those along `dim`; NaN if any of them is NaN. A list of quantiles adds a
    /// first dimension.
    ///
    /// also: percentile, np.quantile, quartile
    ///
    /// ```rhai
    /// let x = tensor([1.0, 2.0, 3.0, 4.0]);
    /// x.quantile(0.5)                 //=> tensor(2.5000)
    /// x.quantile([0.0, 0.25, 1.0])    //=> tensor([1.0000, 1.7500, 4.0000])
    /// x.quantile(0.5, #{ interpolation: "lower" })      //=> tensor(2.)
    /// tensor([[1.0, 3.0], [5.0, 9.0]]).quantile(0.5, #{ dim: 1 })      //=> tensor([2., 7.])
    /// tensor([[1.0, 3.0], [5.0, 9.0]]).quantile(0.5, #{ dim: 1, keepdim: true }).shape      //=> [2, 1]
    /// x.quantile(1.5)                 //=> error: quantile: share 1.5 is not in 0 to 1
    /// ```
    #[rhai_fn(name = "quantile", pure, return_raw)]
    pub fn quantile(x: &mut Tensor, q: Dynamic, options: Map) -> Res<Tensor> {
        let options = Options::read("quantile", QUANTILE, options)?;
        let between = match options.text("interpolation")?.as_str() {
            "lower" => Interpolation::Lower,
            "higher" => Interpolation::Higher,
            "midpoint" => Interpolation::Midpoint,
            "nearest" => Interpolation::Nearest,
            _ => Interpolation::Linear,
        };
        let dim = options.maybe("dim", Options::int)?;
        Ok(ops::quantile(x, &shares(&q)?, dim, options.bool("keepdim")?, between)?)
    }

    /// Computes the Euclidean norm of all numbers. Its gradient at 0 is 0.
    ///
    /// ```rhai
    /// tensor([3.0, 4.0]).norm()      //=> tensor(5.)
    /// ```
    #[rhai_fn(name = "norm", pure, return_raw)]
    pub fn norm(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::norm(x, 2.0, None, false)?)
    }

    /// Computes a norm over a dimension, over a list of them, or with `()` of all numbers: the Euclidean norm, or another p-norm,
    /// (Σ |x|^p)^(1/p).
    ///
    /// also: vector_norm, linalg.norm, l1 norm, l2 norm, F.normalize
    ///
    /// ```rhai
    /// let x = tensor([[3.0, 4.0], [6.0, -8.0]]);
    /// x.norm(1)                         //=> tensor([ 5., 10.])
    /// x.norm(1, #{ p: 1 })              //=> tensor([ 7., 14.])
    /// x.norm((), #{ p: 1.0 / 0.0 })     //=> tensor(8.)
    /// x / x.norm(1, #{ keepdim: true })      //=> tensor([[ 0.6000,  0.8000],
    /// //                                                  [ 0.6000, -0.8000]])
    /// ```
    #[rhai_fn(name = "norm", pure, return_raw)]
    pub fn norm_over(x: &mut Tensor, dim: Dynamic, options: Map) -> Res<Tensor> {
        let options = Options::read("norm", NORM, options)?;
        let (p, keep) = (options.float("p")?, options.bool("keepdim")?);
        let dims = if dim.is_unit() { None } else { Some(dims("norm", &dim)?) };
        Ok(ops::norm(x, p, dims.as_deref(), keep)?)
    }
}
