//! Reductions: sums, means, extremes, softmax.

use super::ints;
use crate::script::prelude::*;
use crate::tensor::{Tensor, ops};

pub(super) const KEEP: &[Opt] = &[opt("keepdim", Kind::Bool, "false", "keep the dimension, with size 1")];
const SPREAD: &[Opt] = &[
    opt("keepdim", Kind::Bool, "false", "keep the dimension, with size 1"),
    opt("correction", Kind::Int, "1", "the divisor is n - correction: 1 for a sample, 0 for a population"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    for verb in ["sum", "mean", "max", "min", "argmax", "argmin"] {
        host.options(verb, KEEP);
    }
    host.options("variance", SPREAD);
    host.options("std", SPREAD);
}

/// One dimension or a list of them.
pub(super) fn dims(who: &str, value: &Dynamic) -> crate::Result<Vec<i64>> {
    match (value.as_int(), value.read_lock::<List>()) {
        (Ok(dim), _) => Ok(vec![dim]),
        (_, Some(list)) => ints(who, &list),
        _ => bail!(who, "a dimension is a whole number, not {}", type_in_words(value)),
    }
}

pub(super) fn keep(who: &'static str, options: Map) -> Res<bool> {
    Options::read(who, KEEP, options)?.bool("keepdim")
}

/// `keepdim` and `correction`.
fn spread(who: &'static str, options: Map) -> Res<(bool, i64)> {
    let options = Options::read(who, SPREAD, options)?;
    Ok((options.bool("keepdim")?, options.int("correction")?))
}

#[export_module]
mod verbs {
    /// Sums all numbers. Integers are summed in i64.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0], [3.0, 5.0]]);
    /// x.sum()      //=> tensor(11.)
    /// ```
    #[rhai_fn(name = "sum", pure, return_raw)]
    pub fn sum(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::sum(x, None, false)?)
    }

    /// Sums over a dimension, or over a list of them; `keepdim` keeps it with size 1.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0], [3.0, 5.0]]);
    /// x.sum(0)      //=> tensor([4., 7.])
    /// x.sum(2)      //=> error: sum: dimension 2 is out of range for shape [2, 2] (-2 to 1)
    /// x.sum(-1, #{ keepdim: true }).shape      //=> [2, 1]
    /// ```
    #[rhai_fn(name = "sum", pure, return_raw)]
    pub fn sum_over(x: &mut Tensor, dim: Dynamic, options: Map) -> Res<Tensor> {
        Ok(ops::sum(x, Some(&dims("sum", &dim)?), keep("sum", options)?)?)
    }

    /// Averages all numbers. Integers and masks give f32.
    ///
    /// also: average
    ///
    /// ```rhai
    /// let right = tensor([1, 2, 3]) == tensor([1, 2, 4]);
    /// right.mean()      //=> tensor(0.6667)
    /// ```
    #[rhai_fn(name = "mean", pure, return_raw)]
    pub fn mean(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::mean(x, None, false)?)
    }

    /// Averages over a dimension, or over a list of them; `keepdim` keeps it with size 1.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0], [3.0, 5.0]]);
    /// x.mean(1)      //=> tensor([1.5000, 4.0000])
    /// x.mean(0, #{ keepdim: true })      //=> tensor([[2.0000, 3.5000]])
    /// ```
    #[rhai_fn(name = "mean", pure, return_raw)]
    pub fn mean_over(x: &mut Tensor, dim: Dynamic, options: Map) -> Res<Tensor> {
        Ok(ops::mean(x, Some(&dims("mean", &dim)?), keep("mean", options)?)?)
    }

    /// Returns the largest number. Equal numbers share its gradient.
    ///
    /// also: amax, maximum
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 9.0], [3.0, 5.0]]);
    /// x.max()      //=> tensor(9.)
    /// ```
    #[rhai_fn(name = "max", pure, return_raw)]
    pub fn max(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::max(x, None, false)?)
    }

    /// Returns the maxima along a dimension; `argmax` returns their indices. The gradient goes to the first of equal numbers;
    /// `keepdim` keeps the dimension with size 1.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 9.0], [3.0, 5.0]]);
    /// x.max(0)      //=> tensor([3., 9.])
    /// x.max(1, #{ keepdim: true }).shape      //=> [2, 1]
    /// ```
    #[rhai_fn(name = "max", pure, return_raw)]
    pub fn max_along(x: &mut Tensor, dim: INT, options: Map) -> Res<Tensor> {
        Ok(ops::max(x, Some(dim), keep("max", options)?)?)
    }

    /// Returns the index of the first largest number, counted row by row, in i64.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 9.0], [3.0, 5.0]]);
    /// x.argmax()      //=> tensor(1)
    /// ```
    #[rhai_fn(name = "argmax", pure, return_raw)]
    pub fn argmax(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::argmax(x, None, false)?)
    }

    /// Returns the indices of the first maxima along a dimension, in i64; `keepdim` keeps it with size 1.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 9.0], [3.0, 5.0]]);
    /// x.argmax(0)      //=> tensor([1, 0])
    /// x.argmax(0, #{ keepdim: true })      //=> tensor([[1, 0]])
    /// ```
    #[rhai_fn(name = "argmax", pure, return_raw)]
    pub fn argmax_along(x: &mut Tensor, dim: INT, options: Map) -> Res<Tensor> {
        Ok(ops::argmax(x, Some(dim), keep("argmax", options)?)?)
    }

    /// Returns the smallest number. Equal numbers share its gradient.
    ///
    /// also: amin, minimum
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 9.0], [3.0, 5.0]]);
    /// x.min()      //=> tensor(1.)
    /// ```
    #[rhai_fn(name = "min", pure, return_raw)]
    pub fn min(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::min(x, None, false)?)
    }

    /// Returns the minima along a dimension; `argmin` returns their indices. The gradient goes to the first of equal numbers;
    /// `keepdim` keeps the dimension with size 1.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 9.0], [3.0, 5.0]]);
    /// x.min(0)      //=> tensor([1., 5.])
    /// x.min(1, #{ keepdim: true }).shape      //=> [2, 1]
    /// ```
    #[rhai_fn(name = "min", pure, return_raw)]
    pub fn min_along(x: &mut Tensor, dim: INT, options: Map) -> Res<Tensor> {
        Ok(ops::min(x, Some(dim), keep("min", options)?)?)
    }

    /// Returns the index of the first smallest number, counted row by row, in i64.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 9.0], [3.0, 5.0]]);
    /// x.argmin()      //=> tensor(0)
    /// ```
    #[rhai_fn(name = "argmin", pure, return_raw)]
    pub fn argmin(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::argmin(x, None, false)?)
    }

    /// Returns the indices of the first minima along a dimension, in i64; `keepdim` keeps it with size 1.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 9.0], [3.0, 5.0]]);
    /// x.argmin(0)      //=> tensor([0, 1])
    /// x.argmin(0, #{ keepdim: true })      //=> tensor([[0, 1]])
    /// ```
    #[rhai_fn(name = "argmin", pure, return_raw)]
    pub fn argmin_along(x: &mut Tensor, dim: INT, options: Map) -> Res<Tensor> {
        Ok(ops::argmin(x, Some(dim), keep("argmin", options)?)?)
    }

    /// Computes the sample variance of all numbers.
    ///
    /// Divides by n - 1 as PyTorch does; `correction: 0` divides by n.
    ///
    /// also: var
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0], [3.0, 5.0]]);
    /// x.variance()      //=> tensor(2.9167)
    /// ```
    #[rhai_fn(name = "variance", pure, return_raw)]
    pub fn variance(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::variance(x, None, false, 1)?)
    }

    /// Computes the variance over a dimension, or over a list of them, with `keepdim` and `correction`.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0], [3.0, 5.0]]);
    /// x.variance(1)      //=> tensor([0.5000, 2.0000])
    /// x.variance(1, #{ correction: 0 })      //=> tensor([0.2500, 1.0000])
    /// ```
    #[rhai_fn(name = "variance", pure, return_raw)]
    pub fn variance_over(x: &mut Tensor, dim: Dynamic, options: Map) -> Res<Tensor> {
        let (keep, correction) = spread("variance", options)?;
        Ok(ops::variance(x, Some(&dims("variance", &dim)?), keep, correction)?)
    }

    /// Computes the sample standard deviation of all numbers.
    ///
    /// Divides by n - 1 as PyTorch does; `correction: 0` divides by n.
    ///
    /// also: standard deviation
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0], [3.0, 5.0]]);
    /// x.std()      //=> tensor(1.7078)
    /// ```
    #[rhai_fn(name = "std", pure, return_raw)]
    pub fn std(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::std(x, None, false, 1)?)
    }

    /// Computes the standard deviation over a dimension, or over a list of them, with `keepdim` and `correction`.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0], [3.0, 5.0]]);
    /// x.std(1)      //=> tensor([0.7071, 1.4142])
    /// x.std(1, #{ correction: 0 })      //=> tensor([0.5000, 1.0000])
    /// ```
    #[rhai_fn(name = "std", pure, return_raw)]
    pub fn std_over(x: &mut Tensor, dim: Dynamic, options: Map) -> Res<Tensor> {
        let (keep, correction) = spread("std", options)?;
        Ok(ops::std(x, Some(&dims("std", &dim)?), keep, correction)?)
    }

    /// Computes the softmax along a dimension.
    ///
    /// also: softmax_, F.softmax, nn.Softmax
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).softmax(-1)      //=> tensor([0.2689, 0.7311])
    /// ```
    #[rhai_fn(name = "softmax", pure, return_raw)]
    pub fn softmax(x: &mut Tensor, dim: INT) -> Res<Tensor> {
        Ok(ops::softmax(x, dim)?)
    }

    /// Computes the logarithm of the softmax along a dimension, accurate for small probabilities too.
    ///
    /// also: F.log_softmax, LogSoftmax
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).log_softmax(-1)      //=> tensor([-1.3133, -0.3133])
    /// ```
    #[rhai_fn(name = "log_softmax", pure, return_raw)]
    pub fn log_softmax(x: &mut Tensor, dim: INT) -> Res<Tensor> {
        Ok(ops::log_softmax(x, dim)?)
    }
}
