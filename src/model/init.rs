//! New models: weights drawn from a seed.

use super::spec::{Start, TensorSpec};
use super::{Model, Weights, arch};
use crate::tensor::ops::volume;
use crate::tensor::{Array, DType, Device, Rng};
use crate::{Result, cancel};
use serde_json::{Map, Value};

impl Model {
    /// A new model of this config (see [`arch::complete`]), with the head of its `architectures` or another, stored as
    /// `dtype`.
    pub fn new(json: Map<String, Value>, head: Option<&str>, seed: u64, dtype: DType) -> Result<Model> {
        let blueprint = arch::read(arch::complete(json)?, head)?;
        let rng = Rng::new(seed);
        let mut weights = Weights::default();
        for spec in blueprint.tensors() {
            cancel::check()?;
            // one at a time: all of them in f32 might not fit
            weights.insert(&spec.name, initial(&spec, &rng, dtype)?);
        }
        Ok(Model::assemble(blueprint, weights))
    }
}

/// A new weight, as transformers initializes it: normal, or ones in norms and zeros in biases.
pub fn initial(spec: &TensorSpec, rng: &Rng, dtype: DType) -> Result<Array> {
    let mut values = vec![0.0; volume("model", &spec.shape)?];
    match spec.start {
        Start::Zeros => {}
        Start::Ones => values.fill(1.0),
        Start::Normal(deviation) => {
            // one random stream a name, so that a weight does not depend on the others
            rng.split(spec.name.as_str()).fill_normal(&mut values);
            values.iter_mut().for_each(|value| *value *= deviation as f32);
        }
    }
    Ok(Array::from_vec(values, spec.shape.as_slice(), &Device::Cpu)?.to_dtype(dtype)?)
}
