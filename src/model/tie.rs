//! Tied embeddings: one weight used as input and output embeddings. A change to only one of them unties them.

use super::config::Config;
use super::spec::Head;
use super::weights::Weights;

/// Makes the output embeddings a separate weight, with the same numbers.
pub fn untie(head: &Head, config: &mut Config, weights: &mut Weights) {
    for (copy, of) in (head.ties)(config) {
        weights.copy(&of, &copy);
        if of != config.layout.embeddings {
            weights.retire(&of);
        }
    }
    config.untie();
    config.output = (head.output)(config);
}
