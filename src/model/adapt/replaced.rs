//! What an adapter put in the place of weights of its base: so that it can be taken off again, and saved.

use crate::model::config::Config;
use crate::model::weights::Weights;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub struct Replaced {
    /// The base as it was.
    pub config: Arc<Config>,
    pub weights: Arc<Weights>,
    /// The weights that are the adapter's.
    pub whole: BTreeSet<String>,
    /// The ids whose rows are the adapter's, by the name of the embeddings.
    pub rows: BTreeMap<String, Vec<u32>>,
    /// What was taken out of the base: PEFT's `init_lora_weights`.
    pub taken: Option<&'static str>,
}
