//! Functions of one number.

use super::{number, operand};
use crate::script::prelude::*;
use crate::tensor::{Tensor, nn, ops};

const GELU: &[Opt] =
    &[opt("approximate", Kind::OneOf(&["none", "tanh"]), "\"none\"", "tanh: the approximation that GPT-2 uses")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("gelu", GELU);
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

    /// Computes the rectified linear unit, max(x, 0), of each number.
    ///
    /// also: nn.ReLU, F.relu
    ///
    /// ```rhai
    /// tensor([-1.0, 2.0]).relu()      //=> tensor([0., 2.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn relu(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::relu(x)?)
    }

    /// Computes the Gaussian error linear unit, x Φ(x), of each number (Hendrycks and Gimpel 2016), exactly or by the tanh
    /// approximation.
    ///
    /// also: nn.GELU, F.gelu
    ///
    /// ```rhai
    /// tensor([-1.0, 1.0]).gelu()      //=> tensor([-0.1587,  0.8413])
    /// tensor([-1.0, 1.0]).gelu(#{ approximate: "tanh" })      //=> tensor([-0.1588,  0.8412])
    /// ```
    #[rhai_fn(name = "gelu", pure, return_raw)]
    pub fn gelu(x: &mut Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("gelu", GELU, options)?;
        Ok(nn::gelu(&ops::real(x)?, options.text("approximate")? == "tanh")?)
    }

    /// Computes the sigmoid linear unit (swish), x / (1 + e^-x), of each number.
    ///
    /// also: swish, nn.SiLU
    ///
    /// ```rhai
    /// tensor([-1.0, 1.0]).silu()      //=> tensor([-0.2689,  0.7311])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn silu(x: &mut Tensor) -> Res<Tensor> {
        Ok(nn::silu(&ops::real(x)?)?)
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

    /// Clamps each number to the range from `least` to `most`. Outside the range the gradient is 0.
    ///
    /// also: np.clip, clip values
    ///
    /// ```rhai
    /// tensor([-2.0, 0.5, 2.0]).clamp(-1, 1)      //=> tensor([-1.0000,  0.5000,  1.0000])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn clamp(x: &mut Tensor, least: Dynamic, most: Dynamic) -> Res<Tensor> {
        Ok(ops::clamp(x, number("clamp", &least)?.to_f64(), number("clamp", &most)?.to_f64())?)
    }

    /// Rounds each number down. Has no gradient.
    ///
    /// ```rhai
    /// tensor([1.7, -1.2]).floor()     //=> tensor([ 1., -2.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn floor(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::floor(x)?)
    }

    /// Rounds each number up. Has no gradient.
    ///
    /// ```rhai
    /// tensor([1.2, -1.7]).ceil()      //=> tensor([ 2., -1.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn ceil(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::ceil(x)?)
    }

    /// Rounds each number to the nearest integer, halves to even as in PyTorch. Has no gradient.
    ///
    /// ```rhai
    /// tensor([0.5, 1.5, 1.7]).round() //=> tensor([0., 2., 2.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn round(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::round(x)?)
    }

    /// Returns the sign of each number: -1, 0 or 1. Has no gradient.
    ///
    /// ```rhai
    /// tensor([-2, 0, 5]).sign()       //=> tensor([-1,  0,  1])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn sign(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::sign(x)?)
    }
}
