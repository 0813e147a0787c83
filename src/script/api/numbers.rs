//! Number verbs where Rhai's own silently return unexpected numbers.

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

/// Truncates a float to an int. NaN, and floats beyond 64 bits, are errors.
fn whole(x: f64) -> Res<INT> {
    // the first number above, and the last below, are exact as floats
    if x.is_nan() || !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) {
        let what =
            if x.is_nan() { "NaN is not a whole number".to_string() } else { format!("{x:?} does not fit an int") };
        return Err(Error::new("to_int", what).help("`x.is_finite()` and `x.is_nan()` ask first").into());
    }
    Ok(x as INT)
}

#[export_module]
mod verbs {
    /// Truncates the float to an int.
    ///
    /// also: int, trunc, astype
    ///
    /// ```rhai
    /// (-2.7).to_int()             //=> -2
    /// int(2.7)                    //=> 2
    /// (0.0 / 0.0).to_int()        //=> error: to_int: NaN is not a whole number
    /// ```
    #[rhai_fn(name = "to_int", name = "int", get = "int", return_raw)]
    pub fn to_int(x: f64) -> Res<INT> {
        super::whole(x)
    }

    /// Returns the natural logarithm, as in Python, NumPy and for tensors. In plain Rhai, `log` has base 10.
    ///
    /// also: ln, math.log, np.log, perplexity, nats
    ///
    /// ```rhai
    /// log(E())                    //=> 1.0
    /// 0.5.log().digits(4)         //=> -0.6931
    /// tensor(0.5).log()           //=> tensor(-0.6931)
    /// log(8.0, 2.0)               //=> 3.0
    /// ```
    pub fn log(x: f64) -> f64 {
        x.ln()
    }

    /// Returns the natural logarithm of an int, as a float.
    ///
    /// ```rhai
    /// log(10).digits(4)           //=> 2.3026
    /// ```
    #[rhai_fn(name = "log", name = "ln")]
    pub fn log_of_int(x: INT) -> f64 {
        (x as f64).ln()
    }

    /// Returns the logarithm to base 2.
    ///
    /// also: math.log2, bits
    ///
    /// ```rhai
    /// log2(8.0)                   //=> 3.0
    /// ```
    pub fn log2(x: f64) -> f64 {
        x.log2()
    }

    /// Returns the logarithm of an int to base 2, as a float.
    ///
    /// ```rhai
    /// log2(8)                     //=> 3.0
    /// ```
    #[rhai_fn(name = "log2")]
    pub fn log2_of_int(x: INT) -> f64 {
        (x as f64).log2()
    }

    /// Returns the logarithm to base 10.
    ///
    /// also: math.log10, decimal logarithm
    ///
    /// ```rhai
    /// log10(1000.0)               //=> 3.0
    /// ```
    pub fn log10(x: f64) -> f64 {
        x.log10()
    }

    /// Returns the logarithm of an int to base 10, as a float.
    ///
    /// ```rhai
    /// log10(1000)                 //=> 3.0
    /// ```
    #[rhai_fn(name = "log10")]
    pub fn log10_of_int(x: INT) -> f64 {
        (x as f64).log10()
    }

    /// Returns the square root of an int, as a float.
    ///
    /// ```rhai
    /// sqrt(16)                    //=> 4.0
    /// ```
    #[rhai_fn(name = "sqrt")]
    pub fn sqrt_of_int(x: INT) -> f64 {
        (x as f64).sqrt()
    }

    /// Returns e to the power of an int, as a float.
    ///
    /// ```rhai
    /// exp(0)                      //=> 1.0
    /// ```
    #[rhai_fn(name = "exp")]
    pub fn exp_of_int(x: INT) -> f64 {
        (x as f64).exp()
    }

    /// Rounds up to a whole number, as `ceiling` does.
    ///
    /// also: math.ceil
    ///
    /// ```rhai
    /// [1.2, -1.2].map(|x| x.ceil())     //=> [2.0, -1.0]
    /// ```
    pub fn ceil(x: f64) -> f64 {
        x.ceil()
    }

    /// Rounds to the nearest whole number, halves to even, as Python's `round` and a tensor's do.
    ///
    /// ```rhai
    /// [0.5, 1.5, 2.5, -2.5].map(|x| x.round())      //=> [0.0, 2.0, 2.0, -2.0]
    /// tensor([0.5, 1.5, 2.5]).round()               //=> tensor([0., 2., 2.])
    /// ```
    pub fn round(x: f64) -> f64 {
        x.round_ties_even()
    }

    /// Returns the remainder of division, with the divisor's sign, as Python's `%` and tensors do. The operator `%` of two ints
    /// has the sign of the dividend.
    ///
    /// also: torch.remainder, modulo, mod, wrap around
    ///
    /// ```rhai
    /// (-7).remainder(3)           //=> 2
    /// -7 % 3                      //=> -1
    /// 7.remainder(0)              //=> error: remainder: 7 by 0
    /// ```
    #[rhai_fn(name = "remainder", return_raw)]
    pub fn remainder(x: INT, divisor: INT) -> Res<INT> {
        if divisor == 0 {
            return Err(Error::new("remainder", format!("{x} by 0")).into());
        }
        let rest = x.wrapping_rem(divisor);
        Ok(if rest != 0 && (rest < 0) != (divisor < 0) { rest + divisor } else { rest })
    }

    /// Returns the remainder of division, with the divisor's sign, as Python's `%` does.
    ///
    /// ```rhai
    /// (-7.5).remainder(2.0)       //=> 0.5
    /// ```
    #[rhai_fn(name = "remainder")]
    pub fn remainder_of_float(x: f64, divisor: f64) -> f64 {
        let rest = x % divisor;
        if rest != 0.0 && (rest < 0.0) != (divisor < 0.0) { rest + divisor } else { rest }
    }
}
