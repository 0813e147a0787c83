//! Rounding, clamping, NaN and infinities.

use super::operand;
use crate::script::prelude::*;
use crate::tensor::{Tensor, ops};

const ROUND: &[Opt] =
    &[opt("decimals", Kind::Int, "0", "digits after the decimal point; negative for tens, hundreds and so on")];
const NAN_TO_NUM: &[Opt] = &[
    opt("nan", Kind::Float, "0.0", "replacement of NaN"),
    opt("posinf", Kind::Float, "", "replacement of infinity; by default the largest number of the dtype"),
    opt("neginf", Kind::Float, "", "replacement of -infinity; by default the least number of the dtype"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("round", ROUND);
    host.options("nan_to_num", NAN_TO_NUM);
}

#[export_module]
mod verbs {
    /// Clamps each number to the range from `least` to `most`: numbers, or tensors that broadcast; `()` is no bound. Numbers
    /// outside have no gradient; a tensor bound has it instead. NaN stays NaN.
    ///
    /// also: np.clip, clip values, clamp_min, clamp_max, hardtanh, relu6
    ///
    /// ```rhai
    /// tensor([-2.0, 0.5, 2.0]).clamp(-1, 1)      //=> tensor([-1.0000,  0.5000,  1.0000])
    /// tensor([-2, 5]).clamp(0, ())               //=> tensor([0, 5])
    /// tensor([1, 2, 3]).clamp(0.5, 2.5)          //=> tensor([1.0000, 2.0000, 2.5000])
    /// tensor([1, 2]).clamp(3, 1)                 //=> error: clamp: the least is 3, above the most, 1
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn clamp(x: &mut Tensor, least: Dynamic, most: Dynamic) -> Res<Tensor> {
        let bound = |given: Dynamic| if given.is_unit() { Ok(None) } else { operand("clamp", given).map(Some) };
        Ok(ops::clamp(x, bound(least)?, bound(most)?)?)
    }

    /// Rounds each number down. Its gradient is 0.
    ///
    /// ```rhai
    /// tensor([1.7, -1.2]).floor()     //=> tensor([ 1., -2.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn floor(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::floor(x)?)
    }

    /// Rounds each number up. Its gradient is 0.
    ///
    /// ```rhai
    /// tensor([1.2, -1.7]).ceil()      //=> tensor([ 2., -1.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn ceil(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::ceil(x)?)
    }

    /// Truncates each number towards 0. Its gradient is 0.
    ///
    /// also: fix, truncate, round towards zero
    ///
    /// ```rhai
    /// tensor([1.7, -1.7]).trunc()     //=> tensor([ 1., -1.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn trunc(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::trunc(x)?)
    }

    /// Returns the fractional part of each number, with its sign.
    ///
    /// also: fractional part
    ///
    /// ```rhai
    /// tensor([1.75, -1.75]).frac()    //=> tensor([ 0.7500, -0.7500])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn frac(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::frac(x)?)
    }

    /// Rounds each number to the nearest integer, or to `decimals` digits after the decimal point; halves to even as in
    /// PyTorch. Its gradient is 0.
    ///
    /// ```rhai
    /// tensor([0.5, 1.5, 1.7]).round() //=> tensor([0., 2., 2.])
    /// tensor([0.126, 2.0]).round(#{ decimals: 2 })      //=> tensor([0.1300, 2.0000])
    /// ```
    #[rhai_fn(name = "round", pure, return_raw)]
    pub fn round(x: &mut Tensor, options: Map) -> Res<Tensor> {
        Ok(ops::round_to(x, Options::read("round", ROUND, options)?.int("decimals")?)?)
    }

    /// Returns the sign of each number: -1, 0 or 1, and NaN for NaN. Its gradient is 0.
    ///
    /// also: sgn
    ///
    /// ```rhai
    /// tensor([-2, 0, 5]).sign()       //=> tensor([-1,  0,  1])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn sign(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::sign(x)?)
    }

    /// Returns a u8 mask of NaN. `has_nan` checks the whole tensor.
    ///
    /// also: isnan, torch.isnan
    ///
    /// ```rhai
    /// tensor([1.0, -1.0]).sqrt().is_nan()      //=> tensor([0, 1], dtype=u8)
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn is_nan(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::is_nan(x)?)
    }

    /// Returns a u8 mask of infinite numbers, of either sign.
    ///
    /// also: isinf, torch.isinf, isposinf, isneginf
    ///
    /// ```rhai
    /// (tensor([1.0, -1.0]) / tensor([1.0, 0.0])).is_inf()      //=> tensor([0, 1], dtype=u8)
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn is_inf(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::is_inf(x)?)
    }

    /// Returns a u8 mask of finite numbers, neither infinite nor NaN.
    ///
    /// also: isfinite, torch.isfinite
    ///
    /// ```rhai
    /// (tensor([1.0, 0.0]) / 0).is_finite()     //=> tensor([0, 0], dtype=u8)
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn is_finite(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::is_finite(x)?)
    }

    /// Replaces NaN and the infinities by numbers.
    ///
    /// also: torch.nan_to_num, replace NaN, fillna
    ///
    /// ```rhai
    /// tensor([1.0, -1.0]).sqrt().nan_to_num()                  //=> tensor([1., 0.])
    /// (tensor([1.0, 0.0]) / 0).nan_to_num(#{ nan: 5.0, posinf: 9.0, neginf: -9.0 })      //=> tensor([9., 5.])
    /// ```
    #[rhai_fn(name = "nan_to_num", pure, return_raw)]
    pub fn nan_to_num(x: &mut Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("nan_to_num", NAN_TO_NUM, options)?;
        let (above, below) = (options.maybe("posinf", Options::float)?, options.maybe("neginf", Options::float)?);
        Ok(ops::nan_to_num(x, options.float("nan")?, above, below)?)
    }
}
