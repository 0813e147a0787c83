//! Base weights that an adapter replaced, kept so that the adapter can be detached and saved.

use crate::model::config::Config;
use crate::model::weights::Weights;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub struct Replaced {
    /// The original base.
    pub config: Arc<Config>,
    pub weights: Arc<Weights>,
    /// The weights that belong to the adapter.
    pub whole: BTreeSet<String>,
    /// The ids whose rows belong to the adapter, by the name of the embeddings.
    pub rows: BTreeMap<String, Vec<u32>>,
    /// What was subtracted from the base: PEFT's `init_lora_weights`.
    pub taken: Option<&'static str>,
}
