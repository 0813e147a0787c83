//! What scripts see of tensors.

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    pub type Tensor = crate::tensor::Tensor;
    pub type Grads = crate::tensor::Grads;

    /// Start this run's random stream anew: what verbs draw from that are not given a `seed:`.
    ///
    /// A run starts at seed 0, never from the clock, so a script without `seed` gives the same twice too.
    ///
    /// ```rhai
    /// seed(7);
    /// ```
    pub fn seed(n: INT) {
        crate::tensor::rng::seed(n as u64);
    }

    /// Scale all gradients so that their joint norm is at most `limit`.
    #[rhai_fn(pure, return_raw)]
    pub fn clip(grads: &mut Grads, limit: f64) -> Res<Grads> {
        Ok((*grads).clip(limit)?)
    }
}
