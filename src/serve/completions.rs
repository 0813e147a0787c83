//! `POST /v1/completions`

use super::app::{App, Asked, now};
use super::chat::{Begun, answer};
use super::error::{Answer, ApiError};
use super::fields::{Fields, ids};
use super::generation::{self, Generation};
use super::job::{Job, Work};
use super::reply::{Kind, Reply};
use super::served::Served;
use crate::tensor::Rng;
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;

const FIELDS: &[&str] = &["prompt", "echo", "logprobs", "suffix", "best_of"];
/// Maximum number of prompts per request.
const PROMPTS: usize = 64;
/// OpenAI's default of `max_tokens`.
const MAX_TOKENS: usize = 16;

pub async fn post(State(app): State<Arc<App>>, request: Request) -> Answer<Response> {
    let asked = app.read(request).await?;
    answer(&app, move |app| begin(app, &asked)).await
}

fn begin(app: &App, asked: &Asked) -> Answer<Begun> {
    let fields = Fields::of(&asked.body, "")?;
    fields.only(&[FIELDS, generation::FIELDS, generation::UNUSED].concat())?;
    let (model, served) = app.model(&fields)?;
    let served = &served;
    let generation = Generation::read(&fields, served, app.options.max_batch)?;
    let top_logprobs = fields.count("logprobs", 0, 20)?;
    refuse(&fields, generation.choices)?;
    let prompts = prompts(fields.needed("prompt")?, served)?;
    let echo = fields.flag("echo")?;
    let constraint = generation::constraint(&fields, served)?;
    let (sender, events) = unbounded_channel();
    let number = app.number();
    let seed = generation.seed.unwrap_or_else(|| Rng::new(app.options.seed).split(number).next_u64());
    let shown = |ids: &Vec<u32>| served.tok.decode(ids, generation.skip_special);
    let reply = Reply {
        kind: Kind::Completion,
        id: format!("cmpl-{}{number}", app.started),
        model: served.name.clone(),
        created: now(),
        tok: served.tok.clone(),
        tools: None,
        logprobs: top_logprobs.is_some(),
        include_usage: generation.include_usage,
        prompt_tokens: prompts.iter().map(Vec::len).sum(),
        echo: if echo { prompts.iter().map(shown).collect::<crate::Result<_>>()? } else { Vec::new() },
        skip_special: generation.skip_special,
        choices: generation.choices * prompts.len(),
    };
    let mut jobs = Vec::new();
    for (at, prompt) in prompts.into_iter().enumerate() {
        let mut generation =
            Generation { stops: generation.stops.clone(), sampling: generation.sampling.clone(), ..generation };
        generation.fit(prompt.len(), served, Some(MAX_TOKENS))?;
        jobs.push(Job {
            client: asked.client.clone(),
            model,
            prompt,
            choices: generation.choices,
            first: at * generation.choices,
            sampling: generation.sampling,
            seed,
            stops: generation.stops,
            top_logprobs,
            prompt_logprobs: echo && top_logprobs.is_some(),
            constraint: constraint.clone(),
            skip_special: generation.skip_special,
            events: sender.clone(),
        });
    }
    jobs.into_iter().try_for_each(|job| app.enqueue(Work::Write(Box::new(job))))?;
    Ok(Begun { reply, events, stream: generation.stream })
}

/// Refuses features that these models do not support.
fn refuse(fields: &Fields, choices: usize) -> Answer<()> {
    if fields.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(fields.wrong("suffix", "is not supported: the model continues texts, and fills no gap"));
    }
    match fields.count("best_of", 1, 1000)? {
        Some(best) if best != choices => Err(fields.wrong("best_of", "is not supported: ask for `n` answers")),
        _ => Ok(()),
    }
}

/// Parses a text, ids, or lists of them.
fn prompts(value: &Value, served: &Served) -> Answer<Vec<Vec<u32>>> {
    let vocab = served.net.config().vocab;
    let list = match value {
        Value::String(text) => return Ok(vec![served.tok.ids(text, true)?]),
        Value::Array(list) if list.is_empty() => return Err(ApiError::field("prompt", "`prompt` is empty")),
        Value::Array(list) if list.iter().all(Value::is_number) => return Ok(vec![ids("prompt", list, vocab)?]),
        Value::Array(list) => list,
        _ => {
            return Err(ApiError::field("prompt", "`prompt` is neither a string, nor token ids, nor an array of them"));
        }
    };
    if list.len() > PROMPTS {
        return Err(ApiError::field("prompt", format!("{} prompts, more than {PROMPTS}", list.len())));
    }
    let read = |(at, value): (usize, &Value)| match value {
        Value::String(text) => Ok(served.tok.ids(text, true)?),
        Value::Array(list) => ids(&format!("prompt[{at}]"), list, vocab),
        _ => Err(ApiError::field("prompt", format!("`prompt[{at}]` is neither a string nor token ids"))),
    };
    list.iter().enumerate().map(read).collect()
}
