//! Formatting and rounding of floats, as in Python.

use super::budget::{Res, fail};

/// A number formatted as by Python's `repr`.
pub fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Python's `round(value, places)`: the nearest decimal, half to even in an exact tie.
pub fn rounded(value: f64, places: i128) -> f64 {
    match usize::try_from(places) {
        Ok(places) if places < 330 => format!("{value:.places$}").parse().unwrap_or(value),
        Ok(_) => value,
        Err(_) => {
            let scale = 10f64.powi(i32::try_from(-places).unwrap_or(400).min(400));
            if scale.is_infinite() { 0.0 } else { (value / scale).round_ties_even() * scale }
        }
    }
}

/// A float without its fraction, if it fits a template's integers.
pub fn truncated(number: f64) -> Res<i128> {
    if number.abs() >= 2f64.powi(127) {
        fail!("a number of more than 127 bits");
    }
    Ok(number.trunc() as i128)
}
