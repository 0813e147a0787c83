//! Models that score texts one by one, for `clean::perplexity` and `clean::classifier`.

use crate::clean::api::score::Scorer;
use crate::clean::score::{CLASSIFIER, TextScorer};
use crate::measure::{Likelihood, Windows};
use crate::model::{LogitsPlan, Model, Problem};
use crate::script::prelude::*;
use crate::tensor::values;
use crate::token::Tokenizer;
use crate::token::api::start_token;
use std::sync::Arc;

const WHO: &str = "clean::perplexity";
/// A text whose likelihood identifies a model.
const PROBE: &str = "The people of the United States, 1787: 第一条 为了保护公民的合法权益，制定本法。";

/// Bits per byte, by a model and its tokenizer.
struct BitsPerByte {
    net: Model,
    tok: Tokenizer,
    by: Windows,
}

impl BitsPerByte {
    fn likelihood(&self, text: &str) -> crate::Result<Likelihood> {
        crate::measure::likelihood(&self.net, &self.tok, &[text], self.by)
    }
}

impl TextScorer for BitsPerByte {
    fn identity(&self) -> String {
        let probe = self.likelihood(PROBE).map(|found| found.nats.to_bits()).unwrap_or_default();
        format!("{probe:x} {} {:?}", self.net.parameter_count(), self.by)
    }

    fn score(&self, text: &str) -> crate::Result<Option<f64>> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let found = self.likelihood(text)?;
        Ok((found.bytes > 0).then(|| found.nats / std::f64::consts::LN_2 / found.bytes as f64))
    }
}

/// Probability of a label, or a regression output, by a net with a sequence head.
struct LabelScore {
    net: Model,
    tok: Tokenizer,
    plan: LogitsPlan,
    label: usize,
}

impl LabelScore {
    fn of(&self, text: &str) -> crate::Result<f64> {
        let (logits, _) = self.net.text_logits(&self.tok, &[(text.to_string(), None)], &self.plan)?;
        let logits = values::values_f64(&logits)?;
        let own = logits.get(self.label).copied().unwrap_or(f64::NAN);
        Ok(match self.net.config().problem {
            Problem::Regression => own,
            Problem::MultiLabel => 1.0 / (1.0 + (-own).exp()),
            Problem::SingleLabel => 1.0 / logits.iter().map(|logit| (logit - own).exp()).sum::<f64>(),
        })
    }
}

impl TextScorer for LabelScore {
    fn identity(&self) -> String {
        let probe = self.of(PROBE).map(f64::to_bits).unwrap_or_default();
        format!("{probe:x} {} {:?} {}", self.net.parameter_count(), self.plan, self.label)
    }

    fn score(&self, text: &str) -> crate::Result<Option<f64>> {
        if text.trim().is_empty() || self.tok.ids(text, false)?.is_empty() {
            return Ok(None);
        }
        self.of(text).map(Some)
    }
}

/// Index of a label: the only one where none is given.
fn label(net: &Model, given: &Dynamic) -> Res<usize> {
    let labels = net.labels();
    if given.is_unit() && labels.len() == 1 {
        return Ok(0);
    }
    let named = given.to_string();
    match labels.iter().position(|label| *label == named) {
        Some(place) => Ok(place),
        None if given.is_unit() => Err(Error::new(CLASSIFIER.who, "option `label` must be given")
            .help(format!("the label of good texts, of {}", labels.join(", ")))
            .into()),
        None => Err(Error::unknown(CLASSIFIER.who, "label", &named, labels.iter().map(String::as_str)).into()),
    }
}

fn count(who: &str, given: &Map, name: &str, usual: usize, least: INT) -> Res<usize> {
    match given.get(name).filter(|value| !value.is_unit()) {
        None => Ok(usual),
        Some(value) => match value.as_int() {
            Ok(count) if count >= least => Ok(count as usize),
            _ => Err(Error::new(who, format!("option `{name}` is a whole number from {least} on, not {value}")).into()),
        },
    }
}

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Builds a scorer from a model, for `clean::perplexity`.
    ///
    /// inner
    #[rhai_fn(name = "_scorer", return_raw)]
    pub fn scorer(net: Model, tok: Tokenizer, given: Map) -> Res<Scorer> {
        let count = |name: &str, usual: usize| super::count(WHO, &given, name, usual, 1);
        net.check_causal(WHO)?;
        let max_length = count("max_length", 512)?;
        let stride = count("stride", max_length / 2)?;
        if stride >= max_length {
            bail!(WHO, "windows of {max_length} tokens, {stride} apart");
        }
        let bos = given.get("bos").filter(|bos| !bos.is_unit()).cloned().unwrap_or_else(|| true.into());
        let start = start_token(WHO, &tok, bos)?;
        let by = Windows { max_length, stride, batch_size: count("batch_size", 8)?, start };
        Ok(Scorer(Arc::new(BitsPerByte { net, tok, by })))
    }
    /// Builds a scorer from a net with a sequence head, for `clean::classifier`.
    ///
    /// inner
    #[rhai_fn(name = "_class_scorer", return_raw)]
    pub fn class_scorer(net: Model, tok: Tokenizer, given: Map) -> Res<Scorer> {
        let who = CLASSIFIER.who;
        if net.head() != "sequence" {
            return Err(Error::new(
                who,
                format!("the model has the head `{}`, which has no class of a text", net.head()),
            )
            .help("`model(path, #{ head: \"sequence\", labels: […] })` and `classify::run` make one")
            .into());
        }
        let max_length = super::count(who, &given, "max_length", 512, 2)?;
        let plan = LogitsPlan {
            max_length: Some(max_length),
            overlap: super::count(who, &given, "overlap", 0, 0)?,
            batch_size: super::count(who, &given, "batch_size", 8, 1)?,
        };
        let label = super::label(&net, given.get("label").unwrap_or(&Dynamic::UNIT))?;
        Ok(Scorer(Arc::new(LabelScore { net, tok, plan, label })))
    }
}
