//! What scripts see of charts, tables and progress.

mod progress;

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    progress::register(host);
}
