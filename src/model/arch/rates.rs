//! The dropout rates of a config, under each architecture's keys.

use crate::model::dropout::DropoutRates;
use crate::model::fields::Fields;
use crate::{Result, bail};

/// The rates of an encoder of this `model_type`; with `drops_input` the input of the layer before a classifier uses the
/// classifier's rate.
pub fn dropout(fields: &Fields, model_type: &str, drops_input: bool) -> Result<DropoutRates> {
    let attention = rate(fields, &["attention_probs_dropout_prob", "attention_dropout"], 0.0)?;
    let mut rates = match model_type {
        // the output of attention uses the rate of the attention weights
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
    let usual = if model_type == "modernbert" { 0.0 } else { rates.hidden };
    rates.classifier = found.map_or(Ok(usual), |name| rate(fields, &[name], 0.0))?;
    // DistilBERT's rate applies only to sequences
    rates.tokens = if found == Some("seq_classif_dropout") { rates.hidden } else { rates.classifier };
    rates.pooler = match drops_input {
        true => rates.classifier,
        false => rate(fields, &["pooler_dropout"], 0.0)?,
    };
    Ok(DropoutRates { attention, ..rates })
}

fn rate(fields: &Fields, names: &[&'static str], otherwise: f64) -> Result<f64> {
    match fields.float_or(names, otherwise)? {
        rate if (0.0..1.0).contains(&rate) => Ok(rate),
        rate => bail!("model", "`{}` is {rate}, and a probability of dropout is from 0 to below 1", names[0]),
    }
}
