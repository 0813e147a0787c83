//! Functions of one number.

// the same literal serves f32 and f64
#![allow(clippy::excessive_precision, clippy::approx_constant)]

use super::{arith::scale, cast, real, there};
use crate::Result;
use crate::tensor::values::{each, map};
use crate::tensor::{DType, Tensor};
use candle_core::cpu::erf::{erf_f32, erf_f64, erfc_f32, erfc_f64};

/// A function whose gradient is computed from its input and the gradient of its result:
/// `name(x): value, g: gradient`.
macro_rules! from_input {
    ($($(#[$doc:meta])* $name:ident($x:ident): $value:expr, $g:ident: $gradient:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            let x = real(x)?;
            if let Some(made) = there::function(stringify!($name), &x) {
                return made;
            }
            let input = x.value();
            let value = each!(&input; |$x| $value)?;
            Ok(Tensor::derive(value, [&x], move |grad, flow| {
                flow.add(0, || each!(&input, &grad; |$x, $g| $gradient))
            }))
        }
    )*};
}

/// A function whose gradient is computed from its result: `name(x): value, y, g: gradient`. The input is not saved.
macro_rules! from_result {
    ($($(#[$doc:meta])* $name:ident($x:ident): $value:expr, $y:ident, $g:ident: $gradient:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            let x = real(x)?;
            if let Some(made) = there::function(stringify!($name), &x) {
                return made;
            }
            let value = each!(&x.value(); |$x| $value)?;
            let result = value.clone();
            Ok(Tensor::derive(value, [&x], move |grad, flow| {
                flow.add(0, || each!(&result, &grad; |$y, $g| $gradient))
            }))
        }
    )*};
}

/// Functions that the standard library lacks, or computes inexactly.
trait Special {
    fn error_function(self) -> Self;
    fn complement(self) -> Self;
    fn area_sine(self) -> Self;
    fn area_cosine(self) -> Self;
}

impl Special for f32 {
    fn error_function(self) -> f32 {
        erf_f32(self)
    }

    fn complement(self) -> f32 {
        erfc_f32(self)
    }

    fn area_sine(self) -> f32 {
        f64::from(self).area_sine() as f32
    }

    fn area_cosine(self) -> f32 {
        f64::from(self).area_cosine() as f32
    }
}

impl Special for f64 {
    fn error_function(self) -> f64 {
        erf_f64(self)
    }

    fn complement(self) -> f64 {
        erfc_f64(self)
    }

    fn area_sine(self) -> f64 {
        // doubling it would overflow
        if self.abs() > 1e300 { (self.abs().ln() + std::f64::consts::LN_2).copysign(self) } else { self.asinh() }
    }

    fn area_cosine(self) -> f64 {
        if self > 1e300 { self.ln() + std::f64::consts::LN_2 } else { self.acosh() }
    }
}

from_input! {
    /// The natural logarithm.
    log(x): x.ln(), g: g / x;
    log2(x): x.log2(), g: g / (x * 0.6931471805599453);
    log10(x): x.log10(), g: g / (x * 2.302585092994046);
    /// The logarithm of 1 + x, exact for small x.
    log1p(x): x.ln_1p(), g: g / (x + 1.0);
    sin(x): x.sin(), g: g * x.cos();
    cos(x): x.cos(), g: g * -x.sin();
    asin(x): x.asin(), g: g / (1.0 - x * x).sqrt();
    acos(x): x.acos(), g: g / -(1.0 - x * x).sqrt();
    atan(x): x.atan(), g: g / (x * x + 1.0);
    sinh(x): x.sinh(), g: g * x.cosh();
    cosh(x): x.cosh(), g: g * x.sinh();
    asinh(x): x.area_sine(), g: g / (x * x + 1.0).sqrt();
    acosh(x): x.area_cosine(), g: g / (x * x - 1.0).sqrt();
    atanh(x): x.atanh(), g: g / (1.0 - x * x);
    square(x): x * x, g: g * (2.0 * x);
    /// The error function.
    erf(x): x.error_function(), g: g * (1.1283791670955126 * (-x * x).exp());
    /// 1 - [`erf`], exact for large x.
    erfc(x): x.complement(), g: g * (-1.1283791670955126 * (-x * x).exp());
    /// The logarithm of [`sigmoid`], exact for small results.
    logsigmoid(x): (if x < 0.0 || x.is_nan() { x } else { 0.0 }) - (-x.abs()).exp().ln_1p(), g: {
        let z = (-x.abs()).exp();
        g * if x < 0.0 { 1.0 - z / (1.0 + z) } else { z / (1.0 + z) }
    };
}

from_result! {
    exp(x): x.exp(), y, g: g * y;
    exp2(x): x.exp2(), y, g: g * y * 0.6931471805599453;
    /// e^x - 1, exact for small x.
    expm1(x): x.exp_m1(), y, g: g * (y + 1.0);
    sqrt(x): x.sqrt(), y, g: g / (2.0 * y);
    /// 1 / √x
    rsqrt(x): 1.0 / x.sqrt(), y, g: -0.5 * g * y * y * y;
    /// 1 / x
    reciprocal(x): 1.0 / x, y, g: -g * (y * y);
    tan(x): x.tan(), y, g: g * (y * y + 1.0);
    tanh(x): x.tanh(), y, g: g * (1.0 - y * y);
    sigmoid(x): 1.0 / (1.0 + (-x).exp()), y, g: g * (1.0 - y) * y;
    relu(x): if x < 0.0 { 0.0 } else { x }, y, g: if y <= 0.0 { 0.0 } else { g };
}

/// A function that is constant between steps: its gradient is 0.
macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident($x:ident): $value:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            if !x.dtype().is_float() {
                return Ok(x.detach());
            }
            let value = each!(&x.value(); |$x| $value)?;
            Ok(Tensor::derive(value, [x], |grad, flow| flow.add(0, || Ok(grad.zeros_like()?))))
        }
    )*};
}

steps! {
    floor(x): x.floor();
    ceil(x): x.ceil();
    /// Rounds towards 0.
    trunc(x): x.trunc();
    /// Rounds to the nearest integer; halves to even, as in PyTorch.
    round(x): x.round_ties_even();
}

/// The fractional part, with the sign of `x`.
pub fn frac(x: &Tensor) -> Result<Tensor> {
    super::subtract(x, &trunc(x)?)
}

/// The absolute value. Its slope at 0 and NaN is 0, so that an infinite gradient becomes NaN there, as in PyTorch.
pub fn abs(x: &Tensor) -> Result<Tensor> {
    let value = x.value();
    match value.dtype() {
        DType::I64 => return Ok(map(&value, i64::wrapping_abs)?.into()),
        dtype if !dtype.is_float() => return Ok(x.clone()),
        _ => {}
    }
    Ok(Tensor::derive(each!(&value; |x| x.abs())?, [x], move |grad, flow| {
        flow.add(0, || each!(&value, &grad; |x, g| if x > 0.0 { g } else if x < 0.0 { -g } else { 0.0 * g }))
    }))
}

/// The sign: -1, 0 or 1, and NaN for NaN. Its gradient is 0.
pub fn sign(x: &Tensor) -> Result<Tensor> {
    let value = x.value();
    let signs = match value.dtype() {
        DType::I64 => map(&value, i64::signum)?,
        dtype if !dtype.is_float() => value.gt(0i64)?.to_dtype(dtype)?,
        _ => each!(&value; |x| if x == 0.0 { 0.0 } else { x.signum() })?,
    };
    Ok(Tensor::derive(signs, [x], |grad, flow| flow.add(0, || Ok(grad.zeros_like()?))))
}

/// Negates each number.
pub fn negate(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::I64 => Ok(map(&x.value(), i64::wrapping_neg)?.into()),
        dtype if !dtype.is_float() => negate(&cast(x, DType::I64)?),
        _ => Ok(Tensor::derive(scale(&x.value(), -1.0)?, [x], |grad, flow| flow.add(0, || scale(&grad, -1.0)))),
    }
}
