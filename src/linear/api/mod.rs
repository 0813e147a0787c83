//! Script API of linear models.

mod classifier;
mod scorer;
mod tagger;
mod vectors;

use crate::data::api::listed;
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    vectors::register(host);
    classifier::register(host);
    scorer::register(host);
    tagger::register(host);
}

/// Labels of any kind, as printed.
fn labels(list: &List) -> Vec<String> {
    list.iter().map(Dynamic::to_string).collect()
}
