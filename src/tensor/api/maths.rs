//! Elementwise functions.

use super::operand;
use crate::script::prelude::*;
use crate::tensor::{Tensor, ops};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Computes the exponential of each number.
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).exp()        //=> tensor([1.0000, 2.7183])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn exp(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::exp(x)?)
    }

    /// Computes the natural logarithm of each number, as in PyTorch (Rhai's `log` of a plain number is to base 10).
    ///
    /// ```rhai
    /// tensor([1.0, 2.0]).log()        //=> tensor([0.0000, 0.6931])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn log(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::log(x)?)
    }

    /// Computes the square root of each number.
    ///
    /// ```rhai
    /// tensor([4, 9]).sqrt()           //=> tensor([2., 3.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn sqrt(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::sqrt(x)?)
    }

    /// Computes the absolute value of each number. The gradient at 0 is 0.
    ///
    /// ```rhai
    /// tensor([-1, 2]).abs()           //=> tensor([1, 2])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn abs(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::abs(x)?)
    }

    /// Computes the sine of each number, in radians.
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).sin()        //=> tensor([0.0000, 0.8415])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn sin(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::sin(x)?)
    }

    /// Computes the cosine of each number, in radians.
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).cos()        //=> tensor([1.0000, 0.5403])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn cos(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::cos(x)?)
    }

    /// Computes the hyperbolic tangent of each number.
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).tanh()       //=> tensor([0.0000, 0.7616])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn tanh(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::tanh(x)?)
    }

    /// Computes the logistic sigmoid, 1 / (1 + e^-x), of each number.
    ///
    /// also: logistic, expit
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).sigmoid()    //=> tensor([0.5000, 0.7311])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn sigmoid(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::sigmoid(x)?)
    }

    /// Squares each number.
    ///
    /// ```rhai
    /// tensor([1.5, -2.0]).square()    //=> tensor([2.2500, 4.0000])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn square(x: &mut Tensor) -> Res<Tensor> {
        if !(*x).dtype().is_float() {
            return Ok(ops::multiply(&*x, &*x)?);
        }
        Ok(ops::square(x)?)
    }

    /// Computes the error function of each number.
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).erf()        //=> tensor([0.0000, 0.8427])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn erf(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::erf(x)?)
    }

    /// Raises each number to a power: a number or a tensor. Same as `x ** 2`.
    ///
    /// also: power
    ///
    /// ```rhai
    /// tensor([2.0, 3.0]).pow(2)       //=> tensor([4., 9.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pow(x: &mut Tensor, exponent: Dynamic) -> Res<Tensor> {
        Ok(ops::power(&*x, operand("pow", exponent)?)?)
    }

    /// Raises 2 to each number.
    ///
    /// also: power of two
    ///
    /// ```rhai
    /// tensor([0.0, 3.0]).exp2()      //=> tensor([1., 8.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn exp2(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::exp2(x)?)
    }

    /// Computes e^x - 1 of each number, accurate for small numbers too.
    ///
    /// also: exp(x) - 1
    ///
    /// ```rhai
    /// tensor([0.0, 1e-10]).expm1() * 1e10      //=> tensor([0., 1.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn expm1(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::expm1(x)?)
    }

    /// Computes the logarithm to base 2 of each number.
    ///
    /// also: binary logarithm, bits
    ///
    /// ```rhai
    /// tensor([1, 8]).log2()      //=> tensor([0., 3.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn log2(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::log2(x)?)
    }

    /// Computes the logarithm to base 10 of each number.
    ///
    /// also: decimal logarithm
    ///
    /// ```rhai
    /// tensor([1, 1000]).log10()      //=> tensor([0., 3.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn log10(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::log10(x)?)
    }

    /// Computes the natural logarithm of 1 + x of each number, accurate for small numbers too.
    ///
    /// also: log(1 + x)
    ///
    /// ```rhai
    /// tensor([0.0, 1e-10]).log1p() * 1e10      //=> tensor([0., 1.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn log1p(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::log1p(x)?)
    }

    /// Computes 1 / √x of each number.
    ///
    /// also: inverse square root, reciprocal square root
    ///
    /// ```rhai
    /// tensor([4, 16]).rsqrt()      //=> tensor([0.5000, 0.2500])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn rsqrt(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::rsqrt(x)?)
    }

    /// Computes 1 / x of each number.
    ///
    /// also: inverse, one over
    ///
    /// ```rhai
    /// tensor([4, -2]).reciprocal()      //=> tensor([ 0.2500, -0.5000])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reciprocal(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::reciprocal(x)?)
    }

    /// Computes 1 - erf(x) of each number, accurate for small results too.
    ///
    /// also: complementary error function, special.erfc
    ///
    /// ```rhai
    /// tensor([0.0, 1.0]).erfc()      //=> tensor([1.0000, 0.1573])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn erfc(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::erfc(x)?)
    }
}
