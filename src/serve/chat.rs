//! `POST /v1/chat/completions`

use super::app::now;
use super::app::{App, Asked};
use super::error::{Answer, ApiError};
use super::fields::Fields;
use super::generation::{self, Generation};
use super::job::Work;
use super::job::{Event, Job};
use super::messages;
use super::reply::{Kind, Reply};
use super::served::Served;
use super::stream;
use super::tools::Tools;
use crate::tensor::Rng;
use crate::token::ChatOptions;
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const FIELDS: &[&str] = &[
    "messages",
    "max_completion_tokens",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "add_generation_prompt",
    "continue_final_message",
    "chat_template_kwargs",
    "reasoning_effort",
];

/// A prepared answer: its format, and its events.
pub struct Begun {
    pub reply: Reply,
    pub events: UnboundedReceiver<Event>,
    pub stream: bool,
}

pub async fn post(State(app): State<Arc<App>>, request: Request) -> Answer<Response> {
    let asked = app.read(request).await?;
    answer(&app, move |app| begin(app, &asked)).await
}

/// Prepares an answer outside of the connection threads, and sends it.
pub async fn answer(app: &Arc<App>, begin: impl FnOnce(&App) -> Answer<Begun> + Send + 'static) -> Answer<Response> {
    let shared = app.clone();
    let prepared = tokio::task::spawn_blocking(move || begin(&shared)).await;
    let begun = prepared.map_err(|_| ApiError::internal("an internal error: please report it"))??;
    if begun.stream {
        Ok(stream::events(begun.reply, begun.events))
    } else {
        stream::whole(begun.reply, begun.events).await
    }
}

/// `max_completion_tokens` is the current name of `max_tokens`.
fn renamed(body: &Value) -> Answer<Value> {
    let mut body = body.clone();
    if let Some(map) = body.as_object_mut()
        && let Some(most) = map.remove("max_completion_tokens").filter(|most| !most.is_null())
        && map.insert("max_tokens".into(), most).is_some_and(|other| !other.is_null())
    {
        return Err(ApiError::field("max_tokens", "`max_tokens` and `max_completion_tokens` are one or the other"));
    }
    Ok(body)
}

fn begin(app: &App, asked: &Asked) -> Answer<Begun> {
    Fields::of(&asked.body, "")?.only(&[FIELDS, generation::FIELDS, generation::UNUSED].concat())?;
    let body = renamed(&asked.body)?;
    let fields = Fields::of(&body, "")?;
    let (model, served) = app.model(&fields)?;
    let served = &served;
    let mut generation = Generation::read(&fields, served, app.options.max_batch)?;
    let top_logprobs = top_logprobs(&fields)?;
    let tools = Tools::read(&fields, served)?;
    let messages = messages::read(&fields)?;
    let prompt = prompt(&fields, served, &messages, tools.as_ref())?;
    generation.fit(prompt.len(), served, None)?;
    let constraint = match generation::constraint(&fields, served)? {
        Some(constraint) => Some(constraint),
        None => tools.as_ref().map_or(Ok(None), |tools| tools.constraint(served))?,
    };
    let number = app.number();
    let (sender, events) = unbounded_channel();
    let reply = Reply {
        kind: Kind::Chat,
        id: format!("chatcmpl-{}{number}", app.started),
        model: served.name.clone(),
        created: now(),
        tok: served.tok.clone(),
        tools,
        logprobs: top_logprobs.is_some(),
        include_usage: generation.include_usage,
        prompt_tokens: prompt.len(),
        echo: Vec::new(),
        skip_special: generation.skip_special,
        choices: generation.choices,
    };
    app.enqueue(Work::Write(Box::new(Job {
        client: asked.client.clone(),
        model,
        prompt,
        choices: generation.choices,
        first: 0,
        seed: generation.seed.unwrap_or_else(|| Rng::new(app.options.seed).split(number).next_u64()),
        sampling: generation.sampling,
        stops: generation.stops,
        top_logprobs,
        prompt_logprobs: false,
        constraint,
        skip_special: generation.skip_special,
        events: sender,
    })))?;
    Ok(Begun { reply, events, stream: generation.stream })
}

fn top_logprobs(fields: &Fields) -> Answer<Option<usize>> {
    let count = fields.count("top_logprobs", 0, 20)?;
    match (fields.flag("logprobs")?, count) {
        (true, count) => Ok(Some(count.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(fields.wrong("top_logprobs", "needs `logprobs: true`")),
    }
}

/// The ids of a conversation, by the model's chat template. Contents of messages are plain text, even if they spell a special
/// token.
pub fn prompt(fields: &Fields, served: &Served, messages: &[Value], tools: Option<&Tools>) -> Answer<Vec<u32>> {
    let continued = fields.flag("continue_final_message")?;
    let begun = fields.get("add_generation_prompt").map(|_| fields.flag("add_generation_prompt")).transpose()?;
    let mut variables: Map<String, Value> = fields.object("chat_template_kwargs")?.cloned().unwrap_or_default();
    if let Some(effort) = fields.text("reasoning_effort")? {
        variables.insert("reasoning_effort".into(), effort.into());
    }
    let options = ChatOptions {
        add_generation_prompt: begun.unwrap_or(!continued),
        continue_final_message: continued,
        tools: tools.and_then(|tools| tools.shown.clone()),
        variables,
        ..ChatOptions::default()
    };
    let chat = served
        .tok
        .apply_chat_template(messages, &options)
        .map_err(|error| ApiError::field("messages", error.to_string()))?;
    Ok(served.tok.chat_ids(&chat)?)
}
