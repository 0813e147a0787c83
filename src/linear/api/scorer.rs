//! A linear model that scores texts one by one, for `clean::classifier`.

use crate::clean::api::score::Scorer;
use crate::clean::score::{CLASSIFIER, TextScorer};
use crate::linear::{LogisticRegression, TfIdf};
use crate::script::prelude::*;
use std::sync::Arc;

/// A text whose score identifies a model.
const PROBE: &str = "The people of the United States, 1787: 第一条 为了保护公民的合法权益，制定本法。";

/// Probability of a class, by a logistic regression over n-grams.
struct ClassScore {
    model: LogisticRegression,
    vectors: TfIdf,
    class: usize,
}

impl ClassScore {
    fn of(&self, text: &str) -> crate::Result<f64> {
        let found = self.model.probabilities(&self.vectors.transform(&[text.to_string()])?)?;
        Ok(found.get(self.class).copied().unwrap_or(f64::NAN))
    }
}

impl TextScorer for ClassScore {
    fn identity(&self) -> String {
        let (weights, intercepts) = self.model.coefficients();
        let sum: f64 = weights.iter().chain(intercepts).sum();
        let probe = self.of(PROBE).map(f64::to_bits).unwrap_or_default();
        format!("{probe:x} {:x} {} {:?} {}", sum.to_bits(), weights.len(), self.vectors.options(), self.class)
    }

    fn score(&self, text: &str) -> crate::Result<Option<f64>> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        self.of(text).map(Some)
    }

    fn is_wide(&self) -> bool {
        false
    }
}

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Builds a scorer from a logistic regression and the vectorizer it was fitted on, for `clean::classifier`.
    ///
    /// inner
    #[rhai_fn(name = "_class_scorer", return_raw)]
    pub fn class_scorer(model: LogisticRegression, vectors: TfIdf, given: Map) -> Res<Scorer> {
        let who = CLASSIFIER.who;
        if model.columns() != vectors.terms().len() {
            bail!(
                who,
                "the model is of {} columns, and the vectors of {} n-grams",
                model.columns(),
                vectors.terms().len()
            );
        }
        let label = given.get("label").cloned().unwrap_or_default();
        let named = label.to_string();
        let class = match model.classes().iter().position(|class| *class == named) {
            Some(class) => class,
            None if label.is_unit() => {
                let error = Error::new(who, "option `label` must be given");
                return Err(error.help(format!("the label of good texts, of {}", model.classes().join(", "))).into());
            }
            None => return Err(Error::unknown(who, "label", &named, model.classes().iter().map(String::as_str)).into()),
        };
        Ok(Scorer(Arc::new(ClassScore { model, vectors, class })))
    }
}
