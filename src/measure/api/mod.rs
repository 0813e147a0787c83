//! What scripts see of measuring.

mod scores;

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    scores::register(host);
}
