//! New weights, drawn from a seed.

use super::spec::{Start, TensorSpec};
use crate::Result;
use crate::tensor::ops::volume;
use crate::tensor::{Array, DType, Device, Rng};

/// A new weight, initialized as in transformers: normal, or ones in norms and zeros in biases.
pub fn initial(spec: &TensorSpec, rng: &Rng, dtype: DType) -> Result<Array> {
    let mut values = vec![0.0; volume("model", &spec.shape)?];
    match spec.start {
        Start::Zeros => {}
        Start::Ones => values.fill(1.0),
        Start::Normal(deviation) => {
            // one random stream per name, so that a weight does not depend on the others
            rng.split(spec.name.as_str()).fill_normal(&mut values);
            values.iter_mut().for_each(|value| *value *= deviation as f32);
        }
    }
    Ok(Array::from_vec(values, spec.shape.as_slice(), &Device::Cpu)?.to_dtype(dtype)?)
}
