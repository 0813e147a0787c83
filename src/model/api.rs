//! What scripts see of models.

mod change;
mod learn;
mod lora;
mod open;
mod read;
mod show;
mod write;

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<super::Model>("Model");
    open::register(host);
    show::register(host);
    learn::register(host);
    change::register(host);
    write::register(host);
    lora::register(host);
}
