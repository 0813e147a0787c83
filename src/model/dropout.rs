//! What a config says of dropout, which is a part of how encoders are fine-tuned.

/// Probabilities of dropout, 0 where there is none. Of encoders: what a decoder's config says of it is not done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DropoutRates {
    /// Of the outputs of sublayers, and of embeddings.
    pub hidden: f64,
    /// Of embeddings, where they have one of their own.
    pub embeddings: f64,
    /// Of the weights of attention.
    pub attention: f64,
    /// Inside the feed-forward layer (ModernBERT).
    pub inner: f64,
    /// Of what a classifier of sequences reads, and one of tokens.
    pub classifier: f64,
    pub tokens: f64,
    /// Of what the layer before a classifier reads.
    pub pooler: f64,
}

impl DropoutRates {
    /// Whether anything is dropped.
    pub fn any(&self) -> bool {
        *self != DropoutRates::default()
    }
}
