//! What must be fast: each operation forward and backward, over plain arrays without gradients.

pub use candle_core::{DType, Device, Tensor as Array};

impl From<candle_core::Error> for crate::Error {
    /// An error of the layer below, in its first line and without its name.
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string();
        crate::Error::new("tensor", text.lines().next().unwrap_or("failed"))
    }
}

/// The sum of squares, in f64.
pub fn square_sum(x: &Array) -> crate::Result<f64> {
    Ok(x.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?)
}
