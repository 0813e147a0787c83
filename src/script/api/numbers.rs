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
