//! Shared by chats and completions: sampling options, and when a text ends.

use super::error::{Answer, ApiError};
use super::fields::{Fields, texts};
use super::grammar::Constraint;
use super::served::Served;
use crate::model::Sampling;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fields of both endpoints.
pub const FIELDS: &[&str] = &[
    "model",
    "max_tokens",
    "min_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "seed",
    "n",
    "stop",
    "stream",
    "stream_options",
    "response_format",
    "skip_special_tokens",
    "ignore_eos",
];

/// OpenAI's fields that have no effect here: they name the user, or control billing and storage.
pub const UNUSED: &[&str] =
    &["user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"];

/// Maximum number of stop strings.
const STOPS: usize = 16;

/// The generation options of a request.
pub struct Generation {
    pub sampling: Sampling,
    pub max_tokens: Option<usize>,
    pub choices: usize,
    pub seed: Option<u64>,
    pub stops: Vec<String>,
    pub stream: bool,
    pub include_usage: bool,
    pub skip_special: bool,
}

impl Generation {
    pub fn read(fields: &Fields, served: &Served, max_batch: usize) -> Answer<Generation> {
        if !served.is_causal() {
            let what = format!("the model `{}` writes no text: it gives embeddings", served.name);
            return Err(ApiError::field("model", what));
        }
        // an echo request may want the prompt alone
        let least = u64::from(!fields.flag("echo")?);
        let max_tokens = fields.count("max_tokens", least, u32::MAX.into())?;
        let stream = fields.flag("stream")?;
        let options = fields.get("stream_options").map(|value| Fields::of(value, "stream_options")).transpose()?;
        if options.is_some() && !stream {
            return Err(fields.wrong("stream_options", "is for streams, and `stream` is not true"));
        }
        if let Some(options) = &options {
            options.only(&["include_usage", "include_obfuscation"])?;
        }
        let seed = fields.get("seed").map(|value| value.as_i64().map(|seed| seed as u64).or_else(|| value.as_u64()));
        if seed == Some(None) {
            return Err(fields.wrong("seed", "is not a whole number"));
        }
        Ok(Generation {
            sampling: sampling(fields, served)?,
            max_tokens,
            choices: fields.count("n", 1, max_batch as u64)?.unwrap_or(1),
            seed: seed.flatten(),
            stops: match fields.get("stop") {
                Some(value) => texts("stop", value, STOPS)?.into_iter().filter(|stop| !stop.is_empty()).collect(),
                None => Vec::new(),
            },
            stream,
            include_usage: options.map_or(Ok(false), |options| options.flag("include_usage"))?,
            skip_special: fields.get("skip_special_tokens").map_or(Ok(true), |_| fields.flag("skip_special_tokens"))?,
        })
    }

    /// The limit of new tokens after a prompt of this length, within the model's context.
    pub fn fit(&mut self, prompt: usize, served: &Served, otherwise: Option<usize>) -> Answer<()> {
        let context = served.context();
        let long = |message: String| Err(ApiError::bad(message).coded("context_length_exceeded"));
        if prompt == 0 {
            return Err(ApiError::field("prompt", "the prompt has no token"));
        }
        if prompt >= context {
            return long(format!("the prompt has {prompt} tokens, and the context is {context} tokens"));
        }
        let room = context - prompt;
        if let Some(most) = self.max_tokens.filter(|most| *most > room) {
            return long(format!(
                "the prompt has {prompt} tokens and `max_tokens` is {most}: {} tokens, and the context is {context}",
                prompt + most
            ));
        }
        self.sampling.max_new_tokens = self.max_tokens.unwrap_or_else(|| otherwise.unwrap_or(room).min(room));
        if self.sampling.min_new_tokens > self.sampling.max_new_tokens {
            return Err(ApiError::field("min_tokens", "`min_tokens` is more than `max_tokens`"));
        }
        Ok(())
    }
}

fn sampling(fields: &Fields, served: &Served) -> Answer<Sampling> {
    let default = |name: &str| served.defaults.get(name).and_then(Value::as_f64);
    let number = |name: &str, least: f64, most: f64| -> Answer<Option<f64>> {
        Ok(fields.number(name, least, most)?.or_else(|| default(name)))
    };
    let top_k = match fields.get("top_k") {
        // vLLM and others write no limit this way
        Some(value) if value.as_i64() == Some(-1) || value.as_i64() == Some(0) => None,
        Some(_) => fields.count("top_k", 1, u32::MAX.into())?,
        None => default("top_k").map(|k| k as usize).filter(|&k| k > 0),
    };
    let ends = if fields.flag("ignore_eos")? { Default::default() } else { served.ends.clone() };
    let sampling = Sampling {
        max_new_tokens: usize::MAX,
        min_new_tokens: fields.count("min_tokens", 0, u32::MAX.into())?.unwrap_or(0),
        temperature: number("temperature", 0.0, 2.0)?.unwrap_or(1.0),
        top_k,
        top_p: number("top_p", f64::MIN_POSITIVE, 1.0)?,
        min_p: number("min_p", 0.0, 1.0)?,
        repetition_penalty: number("repetition_penalty", 0.01, 10.0)?.unwrap_or(1.0),
        frequency_penalty: fields.number("frequency_penalty", -2.0, 2.0)?.unwrap_or(0.0),
        presence_penalty: fields.number("presence_penalty", -2.0, 2.0)?.unwrap_or(0.0),
        logit_bias: logit_bias(fields, served)?,
        ends,
    };
    sampling.check()?;
    Ok(sampling)
}

fn logit_bias(fields: &Fields, served: &Served) -> Answer<BTreeMap<u32, f32>> {
    let vocab = served.net.config().vocab;
    let mut biases = BTreeMap::new();
    for (key, value) in fields.object("logit_bias")?.into_iter().flatten() {
        let id = key.parse::<u32>().ok().filter(|id| (*id as usize) < vocab);
        let bias = value.as_f64().filter(|bias| (-100.0..=100.0).contains(bias));
        match (id, bias) {
            (Some(id), Some(bias)) => biases.insert(id, bias as f32),
            (None, _) => return Err(fields.wrong("logit_bias", format!("has the key `{key}`, no id below {vocab}"))),
            (_, None) => {
                return Err(
                    fields.wrong("logit_bias", format!("gives id {key} {value}, not a number from -100 to 100"))
                );
            }
        };
    }
    Ok(biases)
}

/// The constraint of `response_format`.
pub fn constraint(fields: &Fields, served: &Served) -> Answer<Option<Constraint>> {
    let Some(value) = fields.get("response_format") else { return Ok(None) };
    let format = Fields::of(value, "response_format")?;
    format.only(&["type", "json_schema"])?;
    let schema = match format.text("type")? {
        Some("text") => return Ok(None),
        Some("json_object") => json!({ "type": "object" }),
        Some("json_schema") => {
            let given = Fields::of(format.needed("json_schema")?, "response_format.json_schema")?;
            given.only(&["name", "description", "schema", "strict"])?;
            given.object("schema")?;
            given.needed("schema")?.clone()
        }
        _ => return Err(format.wrong("type", "is not `text`, `json_object` or `json_schema`")),
    };
    let made = served.grammars().and_then(|grammars| grammars.json_schema(&schema));
    made.map(Some).map_err(|error| ApiError::field("response_format", error.to_string()))
}
