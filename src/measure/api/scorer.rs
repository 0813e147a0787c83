//! A model that scores texts one by one, for `clean::perplexity`.

use crate::clean::api::score::ScorerHandle;
use crate::clean::score::Scorer;
use crate::measure::{Likelihood, Windows};
use crate::model::Model;
use crate::script::prelude::*;
use crate::token::Tokenizer;
use crate::token::api::start_token;
use std::sync::Arc;

const WHO: &str = "clean::perplexity";
/// A text by whose likelihood two models are told apart.
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

impl Scorer for BitsPerByte {
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

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Makes a scorer of a model, for `clean::perplexity`.
    ///
    /// inner
    #[rhai_fn(name = "_scorer", return_raw)]
    pub fn scorer(net: Model, tok: Tokenizer, given: Map) -> Res<ScorerHandle> {
        let count = |name: &str, usual: usize| match given.get(name).filter(|value| !value.is_unit()) {
            None => Ok(usual),
            Some(value) => match value.as_int() {
                Ok(count) if count > 0 => Ok(count as usize),
                _ => Err(Error::new(WHO, format!("option `{name}` is a whole number above 0, not {value}"))),
            },
        };
        net.check_causal(WHO)?;
        let max_length = count("max_length", 512)?;
        let stride = count("stride", max_length / 2)?;
        if stride >= max_length {
            bail!(WHO, "windows of {max_length} tokens, {stride} apart");
        }
        let bos = given.get("bos").filter(|bos| !bos.is_unit()).cloned().unwrap_or_else(|| true.into());
        let start = start_token(WHO, &tok, bos)?;
        let by = Windows { max_length, stride, batch_size: count("batch_size", 8)?, start };
        Ok(ScorerHandle(Arc::new(BitsPerByte { net, tok, by })))
    }
}
