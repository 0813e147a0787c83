//! Numbers as bytes of a message.

/// A number whose bytes can be sent as they are. Ranks are machines of one kind: the order of bytes is not changed.
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
