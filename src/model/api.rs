//! What scripts see of models.

mod change;
mod learn;
mod lora;
mod open;
mod read;
mod show;
mod write;

use crate::script::look::Weight;
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<super::Model>("Model");
    host.looks.weigh::<super::Model>(|net| {
        let weights = net.weights();
        let arrays = weights.iter().map(|(_, weight)| weight.param.value());
        let factors = weights.adapters.values().flat_map(|adapter| [adapter.a.value(), adapter.b.value()]);
        Weight {
            shape: format!("{}, {} layers", net.config().arch.kind, net.config().layers),
            parts: arrays.chain(factors).map(|array| crate::kernel::held(&array)).collect(),
        }
    });
    open::register(host);
    show::register(host);
    learn::register(host);
    change::register(host);
    write::register(host);
    lora::register(host);
}
