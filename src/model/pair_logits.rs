//! The pair classifier of a head for pairs and masked tokens.

use super::Model;
use super::head::next_sentence;
use super::rows::TokenRows;
use crate::tensor::Tensor;
use crate::{Error, Result};

impl Model {
    /// Logits `[sequences, 2]`: the second text of each sequence follows the first, or does not.
    pub fn pair_logits(&self, rows: &TokenRows) -> Result<Tensor> {
        const WHO: &str = "pair_logits";
        let inner = self.read();
        if !["next_sentence", "pretraining"].contains(&inner.head.name) {
            let (model, head) = (inner.config.model_type(), inner.head.name);
            return Err(Error::new(WHO, format!("a {model} with a {head} head does not judge pairs"))
                .help("open it with `#{ head: \"next_sentence\" }` or `#{ head: \"pretraining\" }`"));
        }
        let pass = inner.pass(WHO, rows)?;
        next_sentence::outputs(&pass, &inner.arch.hidden_states(&pass, inner.recompute)?)
    }
}
