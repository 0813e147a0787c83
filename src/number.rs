//! Numbers of different kinds.

use std::cmp::Ordering;

/// The order of a whole number and a float, exactly: nothing is rounded, and beside NaN there is none.
pub fn order(whole: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // saturates where a float is beyond all whole numbers
    let order = whole.cmp(&(float.floor() as i128));
    Some(if order == Ordering::Equal && float.fract() != 0.0 { Ordering::Less } else { order })
}
