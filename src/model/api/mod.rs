//! Script verbs for models.

mod adapt;
mod embed;
mod fill_mask;
mod generate;
mod logits;
mod loss;
mod open;
mod read;
mod save;
mod show;
mod trainable;
mod weights;

use crate::script::display::Weight;
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<super::Model>("Model");
    host.looks.weigh::<super::Model>(|net| {
        let weights = net.weights();
        let arrays = weights.iter().map(|(_, weight)| weight.param.value());
        let factors = weights.lora.values().flat_map(|adapter| adapter.params()).map(|param| param.value());
        Weight {
            shape: format!("{}, {} layers", net.config().model_type(), net.config().layers),
            parts: arrays.chain(factors).map(|array| crate::kernel::held(&array)).collect(),
        }
    });
    for register in [
        open::register,
        show::register,
        loss::register,
        logits::register,
        embed::register,
        fill_mask::register,
        trainable::register,
        weights::register,
        save::register,
        generate::register,
        adapt::register,
    ] {
        register(host);
    }
}
