//! Trigonometric and hyperbolic functions.

use crate::script::prelude::*;
use crate::tensor::{Tensor, ops};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Computes the tangent of each number, in radians.
    ///
    /// also: tangent
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).tan()      //=> tensor([0.0000, 1.5574])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn tan(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::tan(x)?)
    }

    /// Computes the arcsine of each number, in radians; NaN outside -1 to 1.
    ///
    /// also: arcsin, inverse sine
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).asin()      //=> tensor([0.0000, 1.5708])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn asin(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::asin(x)?)
    }

    /// Computes the arccosine of each number, in radians; NaN outside -1 to 1.
    ///
    /// also: arccos, inverse cosine
    ///
    /// ```rhai
    /// tensor([1.0, 0.0]).acos()      //=> tensor([0.0000, 1.5708])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn acos(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::acos(x)?)
    }

    /// Computes the arctangent of each number, in radians.
    ///
    /// also: arctan, inverse tangent
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).atan()      //=> tensor([0.0000, 0.7854])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn atan(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::atan(x)?)
    }

    /// Computes the hyperbolic sine of each number.
    ///
    /// also: hyperbolic sine
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).sinh()      //=> tensor([0.0000, 1.1752])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn sinh(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::sinh(x)?)
    }

    /// Computes the hyperbolic cosine of each number.
    ///
    /// also: hyperbolic cosine
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).cosh()      //=> tensor([1.0000, 1.5431])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn cosh(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::cosh(x)?)
    }

    /// Computes the inverse hyperbolic sine of each number.
    ///
    /// also: arcsinh, inverse hyperbolic sine
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).asinh()      //=> tensor([0.0000, 0.8814])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn asinh(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::asinh(x)?)
    }

    /// Computes the inverse hyperbolic cosine, 0 or above, of each number; NaN below 1.
    ///
    /// also: arccosh, inverse hyperbolic cosine
    ///
    /// ```rhai
    /// tensor([1.0, 2.0]).acosh()      //=> tensor([0.0000, 1.3170])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn acosh(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::acosh(x)?)
    }

    /// Computes the inverse hyperbolic tangent of each number; NaN outside -1 to 1.
    ///
    /// also: arctanh, inverse hyperbolic tangent, Fisher transformation
    ///
    /// ```rhai
    /// tensor([0.0, 0.5]).atanh()      //=> tensor([0.0000, 0.5493])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn atanh(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::atanh(x)?)
    }
}
