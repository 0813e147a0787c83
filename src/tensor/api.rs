//! What scripts see of tensors.

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    pub type Tensor = crate::tensor::Tensor;
    pub type Grads = crate::tensor::Grads;

    /// Scale all gradients so that their joint norm is at most `limit`.
    #[rhai_fn(pure, return_raw)]
    pub fn clip(grads: &mut Grads, limit: f64) -> Res<Grads> {
        Ok((*grads).clip(limit)?)
    }
}
