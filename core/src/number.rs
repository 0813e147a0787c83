//! Numbers: comparing integers with floats, and converting numbers to bytes.

use std::cmp::Ordering;

/// Compares an integer with a float exactly, without rounding; `None` for NaN.
pub fn order(whole: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // saturates if the float is beyond all integers
    let order = whole.cmp(&(float.floor() as i128));
    Some(if order == Ordering::Equal && float.fract() != 0.0 { Ordering::Less } else { order })
}

/// A number whose bytes can be sent to another process unchanged, in native byte order.
pub trait Number: Copy + 'static {
    /// Writes its bytes.
    fn put(self, to: &mut [u8]);
    /// Reads a number from its bytes.
    fn read(from: &[u8]) -> Self;
    /// Bytes of one number.
    const SIZE: usize;
}

macro_rules! number {
    ($kind:ty) => {
        impl Number for $kind {
            const SIZE: usize = size_of::<$kind>();
            #[inline]
            fn put(self, to: &mut [u8]) {
                to.copy_from_slice(&self.to_ne_bytes());
            }
            #[inline]
            fn read(from: &[u8]) -> $kind {
                let mut bytes = [0; size_of::<$kind>()];
                bytes.copy_from_slice(from);
                <$kind>::from_ne_bytes(bytes)
            }
        }
    };
}

number!(f32);
number!(f64);
number!(half::bf16);
