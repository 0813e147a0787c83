//! What scripts see of measuring.

mod bench;
mod compare;
mod likelihood;
mod predictions;
mod scores;

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    bench::register(host);
    compare::register(host);
    likelihood::register(host);
    predictions::register(host);
    scores::register(host);
}
