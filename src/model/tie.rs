//! Tied embeddings: one weight that is read and that scores the next token. What changes only one of the two makes them two.

use super::config::Config;
use super::spec::Head;
use super::weights::Weights;

/// Makes the output embeddings a weight of their own, with the numbers that both have now.
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
