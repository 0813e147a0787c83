//! Products, cumulative results, and all or any.

use super::reduce::{KEEP, dims, keep};
use crate::script::prelude::*;
use crate::tensor::{Tensor, ops};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    for verb in ["prod", "logsumexp", "all", "any"] {
        host.options(verb, KEEP);
    }
}

#[export_module]
mod verbs {
    /// Multiplies all numbers. Integers are multiplied in i64, and wrap around beyond it.
    ///
    /// also: product, torch.prod
    ///
    /// ```rhai
    /// tensor([2.0, 3.0, 4.0]).prod()      //=> tensor(24.)
    /// ```
    #[rhai_fn(name = "prod", pure, return_raw)]
    pub fn prod(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::prod(x, None, false)?)
    }

    /// Multiplies over a dimension, or over a list of them; `keepdim` keeps it with size 1.
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]).prod(0)      //=> tensor([3, 8])
    /// tensor([[1, 2], [3, 4]]).prod(1, #{ keepdim: true })      //=> tensor([[ 2],
    /// //                                                                     [12]])
    /// ```
    #[rhai_fn(name = "prod", pure, return_raw)]
    pub fn prod_over(x: &mut Tensor, dim: Dynamic, options: Map) -> Res<Tensor> {
        Ok(ops::prod(x, Some(&dims("prod", &dim)?), keep("prod", options)?)?)
    }

    /// Computes the cumulative sum along a dimension. Integers are summed in i64.
    ///
    /// ```rhai
    /// tensor([1, 2, 3]).cumsum(0)      //=> tensor([1, 3, 6])
    /// ```
    #[rhai_fn(name = "cumsum", pure, return_raw)]
    pub fn cumsum(x: &mut Tensor, dim: INT) -> Res<Tensor> {
        Ok(ops::cumsum(x, dim)?)
    }

    /// Computes the cumulative product along a dimension. Integers are multiplied in i64.
    ///
    /// ```rhai
    /// tensor([1, 2, 3]).cumprod(0)     //=> tensor([1, 2, 6])
    /// ```
    #[rhai_fn(name = "cumprod", pure, return_raw)]
    pub fn cumprod(x: &mut Tensor, dim: INT) -> Res<Tensor> {
        Ok(ops::cumprod(x, dim)?)
    }

    /// Computes the logarithm of the sum of exponentials over a dimension, or over a list of them; `keepdim` keeps it with
    /// size 1.
    ///
    /// also: log-sum-exp, log_add_exp, logaddexp
    ///
    /// ```rhai
    /// tensor([1000.0, 1000.0]).logsumexp(0)      //=> tensor(1000.6932)
    /// tensor([0.0, 0.0]).logsumexp(0, #{ keepdim: true })      //=> tensor([0.6931])
    /// ```
    #[rhai_fn(name = "logsumexp", pure, return_raw)]
    pub fn logsumexp(x: &mut Tensor, dim: Dynamic, options: Map) -> Res<Tensor> {
        Ok(ops::logsumexp(x, &dims("logsumexp", &dim)?, keep("logsumexp", options)?)?)
    }

    /// Returns whether all numbers of a mask are nonzero.
    ///
    /// ```rhai
    /// (tensor([1, 2]) > 0).all()      //=> true
    /// ```
    #[rhai_fn(name = "all", pure, return_raw)]
    pub fn all(x: &mut Tensor) -> Res<bool> {
        Ok(ops::all(x)?)
    }

    /// Returns a mask of where all numbers along a dimension, or along a list of them, are nonzero.
    ///
    /// ```rhai
    /// (tensor([[1, 2], [0, 3]]) > 0).all(1)      //=> tensor([1, 0], dtype=u8)
    /// (tensor([[1, 2], [0, 3]]) > 0).all(1, #{ keepdim: true }).shape      //=> [2, 1]
    /// ```
    #[rhai_fn(name = "all", pure, return_raw)]
    pub fn all_along(x: &mut Tensor, dim: Dynamic, options: Map) -> Res<Tensor> {
        Ok(ops::all_along(x, &dims("all", &dim)?, keep("all", options)?)?)
    }

    /// Returns whether any number of a mask is nonzero.
    ///
    /// ```rhai
    /// (tensor([1, 2]) > 5).any()      //=> false
    /// ```
    #[rhai_fn(name = "any", pure, return_raw)]
    pub fn any(x: &mut Tensor) -> Res<bool> {
        Ok(ops::any(x)?)
    }

    /// Returns a mask of where any number along a dimension, or along a list of them, is nonzero.
    ///
    /// ```rhai
    /// (tensor([[1, 2], [0, 0]]) > 0).any(1)      //=> tensor([1, 0], dtype=u8)
    /// (tensor([[1, 2], [0, 0]]) > 0).any(1, #{ keepdim: true }).shape      //=> [2, 1]
    /// ```
    #[rhai_fn(name = "any", pure, return_raw)]
    pub fn any_along(x: &mut Tensor, dim: Dynamic, options: Map) -> Res<Tensor> {
        Ok(ops::any_along(x, &dims("any", &dim)?, keep("any", options)?)?)
    }
}
