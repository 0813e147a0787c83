//! What scripts see of measuring.

mod likelihood;
mod scores;

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    likelihood::register(host);
    scores::register(host);
}
