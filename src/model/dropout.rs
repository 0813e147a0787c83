//! What a config says of dropout, which is a part of how encoders are fine-tuned.

use super::config::Layout;
use super::fields::Fields;
use crate::{Result, bail};

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
    pub fn read(fields: &Fields, layout: &Layout) -> Result<DropoutRates> {
        if layout.causal {
            return Ok(DropoutRates::default());
        }
        let attention = rate(fields, &["attention_probs_dropout_prob", "attention_dropout"], 0.0)?;
        let mut rates = match layout.model_type {
            // after the products of attention it drops what it drops of their weights
            "modernbert" => DropoutRates {
                hidden: attention,
                embeddings: rate(fields, &["embedding_dropout"], 0.0)?,
                inner: rate(fields, &["mlp_dropout"], 0.0)?,
                ..DropoutRates::default()
            },
            _ => {
                let hidden = rate(fields, &["hidden_dropout_prob", "dropout"], 0.0)?;
                DropoutRates { hidden, embeddings: hidden, ..DropoutRates::default() }
            }
        };
        const OF_CLASSIFIER: [&str; 4] =
            ["classifier_dropout", "classifier_dropout_prob", "seq_classif_dropout", "cls_dropout"];
        let found = OF_CLASSIFIER.into_iter().find(|name| fields.get(&[name]).is_some());
        let usual = if layout.model_type == "modernbert" { 0.0 } else { rates.hidden };
        rates.classifier = found.map_or(Ok(usual), |name| rate(fields, &[name], 0.0))?;
        // DistilBERT's is of sequences alone
        rates.tokens = if found == Some("seq_classif_dropout") { rates.hidden } else { rates.classifier };
        rates.pooler = match layout.heads.drops_input {
            true => rates.classifier,
            false => rate(fields, &["pooler_dropout"], 0.0)?,
        };
        Ok(DropoutRates { attention, ..rates })
    }

    /// Whether anything is dropped.
    pub fn any(&self) -> bool {
        *self != DropoutRates::default()
    }
}

fn rate(fields: &Fields, names: &[&'static str], otherwise: f64) -> Result<f64> {
    match fields.float_or(names, otherwise)? {
        rate if (0.0..1.0).contains(&rate) => Ok(rate),
        rate => bail!("model", "`{}` is {rate}, and a probability of dropout is from 0 to below 1", names[0]),
    }
}
