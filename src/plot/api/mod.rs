//! Charts, tables, pages and progress in scripts.

mod chart;
mod forest;
mod page;
mod parallel;
pub mod progress;
mod table;

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    chart::register(host);
    forest::register(host);
    page::register(host);
    parallel::register(host);
    progress::register(host);
    table::register(host);
}
