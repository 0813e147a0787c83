//! What scripts see of charts, tables and progress.

mod chart;
pub mod progress;
mod table;

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    chart::register(host);
    progress::register(host);
    table::register(host);
}
