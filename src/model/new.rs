//! New models.

use super::init::initial;
use super::spec::NewHead;
use super::{Model, Weights, arch};
use crate::tensor::{DType, Rng};
use crate::{Result, cancel};
use serde_json::{Map, Value};

impl Model {
    /// A new model of this config (see [`arch::complete`]), with the head of its `architectures` or another, stored as `dtype`.
    pub fn new(json: Map<String, Value>, head: Option<&NewHead>, seed: u64, dtype: DType) -> Result<Model> {
        let blueprint = arch::read(arch::complete(json)?, head)?;
        let rng = Rng::new(seed);
        let mut weights = Weights::default();
        for spec in blueprint.tensors() {
            cancel::check()?;
            // one at a time: all of them in f32 might not fit
            weights.insert(&spec.name, initial(&spec, &rng, dtype)?);
        }
        Model::assemble(blueprint, weights).by_default()
    }
}
