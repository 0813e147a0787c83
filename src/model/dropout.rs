//! Dropout rates of a config, used in fine-tuning encoders.

/// Dropout probabilities, 0 for none. Only encoders use them: those in a decoder's config are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DropoutRates {
    /// Of the outputs of sublayers, and of embeddings.
    pub hidden: f64,
    /// Of embeddings, if they have a rate of their own.
    pub embeddings: f64,
    /// Of the weights of attention.
    pub attention: f64,
    /// Inside the feed-forward layer (ModernBERT).
    pub inner: f64,
    /// Of the input of a classifier of sequences or tokens.
    pub classifier: f64,
    pub tokens: f64,
    /// Of the input of the layer before a classifier.
    pub pooler: f64,
}

impl DropoutRates {
    /// Whether any rate is above 0.
    pub fn any(&self) -> bool {
        *self != DropoutRates::default()
    }
}
