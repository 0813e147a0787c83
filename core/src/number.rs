//! Numbers: the order of two of different kinds, and the bytes of one.

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

/// A number whose bytes can be sent to another process as they are: the order of bytes is the machine's.
pub trait Number: Copy + 'static {
    /// Puts its bytes in place of others.
    fn put(self, to: &mut [u8]);
    /// The number whose bytes these are.
    fn read(from: &[u8]) -> Self;
    /// The bytes of one.
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
