//! Operands of an operator: tensors and numbers, converted to a common dtype and shape.

use super::{broadcast, cast, promoted, to_device};
use crate::tensor::{Array, DType, Device, Tensor};
use crate::{Result, bail};

/// A number as an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    Int(i64),
    Float(f64),
}

impl Scalar {
    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::Int(number) => number as f64,
            Scalar::Float(number) => number,
        }
    }

    /// As a scalar of the dtype that it takes with a tensor of `beside`: the same, except f32 for a fraction with integers, and
    /// i64 for an integer that does not fit.
    fn tensor(self, beside: DType, device: &Device) -> Result<Tensor> {
        let dtype = match self {
            Scalar::Float(_) if !beside.is_float() => DType::F32,
            Scalar::Int(number) if beside == DType::U8 && u8::try_from(number).is_err() => DType::I64,
            Scalar::Int(number) if beside == DType::U32 && u32::try_from(number).is_err() => DType::I64,
            _ => beside,
        };
        self.on(dtype, device)
    }

    /// As a scalar of a dtype on a device; nothing is transferred.
    pub fn on(self, dtype: DType, device: &Device) -> Result<Tensor> {
        let array = match (self, dtype) {
            _ if device.is_cpu() => return self.to_dtype(dtype),
            (Scalar::Int(number), DType::I64) => Array::full(number, (), device)?,
            (Scalar::Int(number), DType::U32) => Array::full(number as u32, (), device)?,
            (Scalar::Int(number), DType::U8) => Array::full(number as u8, (), device)?,
            (_, DType::F64) => Array::full(self.to_f64(), (), device)?,
            _ => Array::full(self.to_f64() as f32, (), device)?.to_dtype(dtype)?,
        };
        Ok(array.into())
    }

    /// Whether the number is within the range of a dtype. A fraction is truncated, as in PyTorch.
    pub fn fits(self, dtype: DType) -> bool {
        let whole = self.to_f64().trunc();
        match dtype {
            DType::U8 => (0.0..256.0).contains(&whole),
            DType::U32 => (0.0..4_294_967_296.0).contains(&whole),
            DType::I64 => matches!(self, Scalar::Int(_)) || (-2f64.powi(63)..2f64.powi(63)).contains(&whole),
            _ => true,
        }
    }

    /// Returns an error if the number is out of a dtype's range.
    pub fn check(self, who: &str, dtype: DType) -> Result<()> {
        match self.fits(dtype) {
            true => Ok(()),
            false => bail!(who, "{self} does not fit {}", dtype.as_str()),
        }
    }

    pub fn to_dtype(self, dtype: DType) -> Result<Tensor> {
        let here = &Device::Cpu;
        let array = match self {
            Scalar::Int(number) if dtype == DType::I64 => Array::new(number, here)?,
            Scalar::Int(number) if dtype == DType::U32 => Array::new(number as u32, here)?,
            Scalar::Int(number) if dtype == DType::U8 => Array::new(number as u8, here)?,
            _ => Array::new(self.to_f64(), here)?.to_dtype(dtype)?,
        };
        Ok(array.into())
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Int(number) => write!(f, "{number}"),
            Scalar::Float(number) => write!(f, "{number}"),
        }
    }
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Scalar {
        Scalar::Int(number)
    }
}

impl From<f64> for Scalar {
    fn from(number: f64) -> Scalar {
        Scalar::Float(number)
    }
}

/// One operand.
#[derive(Clone)]
pub enum Operand {
    Tensor(Tensor),
    Scalar(Scalar),
}

impl From<Tensor> for Operand {
    fn from(tensor: Tensor) -> Operand {
        Operand::Tensor(tensor)
    }
}

impl From<&Tensor> for Operand {
    fn from(tensor: &Tensor) -> Operand {
        Operand::Tensor(tensor.clone())
    }
}

impl From<Scalar> for Operand {
    fn from(number: Scalar) -> Operand {
        Operand::Scalar(number)
    }
}

impl From<i64> for Operand {
    fn from(number: i64) -> Operand {
        Operand::Scalar(number.into())
    }
}

impl From<f64> for Operand {
    fn from(number: f64) -> Operand {
        Operand::Scalar(number.into())
    }
}

/// Both operands as tensors of one dtype.
pub(super) fn sides(a: impl Into<Operand>, b: impl Into<Operand>) -> Result<(Tensor, Tensor)> {
    match (a.into(), b.into()) {
        (Operand::Tensor(a), Operand::Tensor(b)) => {
            let (a, b) = beside(a, b)?;
            promoted(&a, &b)
        }
        (Operand::Tensor(a), Operand::Scalar(b)) => {
            let b = b.tensor(a.dtype(), a.value().device())?;
            Ok((cast(&a, b.dtype())?, b))
        }
        (Operand::Scalar(a), Operand::Tensor(b)) => {
            let a = a.tensor(b.dtype(), b.value().device())?;
            let dtype = a.dtype();
            Ok((a, cast(&b, dtype)?))
        }
        (Operand::Scalar(a), Operand::Scalar(b)) => {
            let whole = matches!((a, b), (Scalar::Int(_), Scalar::Int(_)));
            let dtype = if whole { DType::I64 } else { DType::F32 };
            Ok((a.to_dtype(dtype)?, b.to_dtype(dtype)?))
        }
    }
}

/// Both on one device, if one of them is a CPU scalar, which is moved to the other's.
fn beside(a: Tensor, b: Tensor) -> Result<(Tensor, Tensor)> {
    let (x, y) = (a.value(), b.value());
    let goes = |number: &Array, to: &Array| number.rank() == 0 && number.device().is_cpu() && !to.device().is_cpu();
    Ok(match (goes(&x, &y), goes(&y, &x)) {
        (true, _) => (to_device(&a, y.device())?, b),
        (_, true) => (a, to_device(&b, x.device())?),
        _ => (a, b),
    })
}

/// Both as arrays of their broadcast shape.
pub(super) fn stretched(x: &Array, y: &Array) -> Result<(Array, Array)> {
    if x.dims() == y.dims() {
        return Ok((x.clone(), y.clone()));
    }
    let dims = broadcast("broadcast", x.dims(), y.dims())?;
    Ok((x.broadcast_as(dims.as_slice())?, y.broadcast_as(dims.as_slice())?))
}
