//! Conversion to another dtype or device.

use crate::Result;
use crate::tensor::{DType, Device, Tensor};

/// Converts to another dtype. A gradient flows between floats; integers have none.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    let from = x.dtype();
    if from == dtype {
        return Ok(x.clone());
    }
    let value = x.value().to_dtype(dtype)?;
    if !dtype.is_float() {
        return Ok(value.into());
    }
    Ok(Tensor::derive(value, [x], move |grad, flow| flow.add(0, || Ok(grad.to_dtype(from)?))))
}

/// Moves to another device.
pub fn to_device(x: &Tensor, device: &Device) -> Result<Tensor> {
    let value = x.value();
    let from = value.device().clone();
    Ok(Tensor::derive(value.to_device(device)?, [x], move |grad, flow| flow.add(0, || Ok(grad.to_device(&from)?))))
}
