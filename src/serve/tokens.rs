//! `POST /tokenize` and `POST /detokenize`

use super::app::App;
use super::chat;
use super::error::{Answer, json_response};
use super::fields::{Fields, ids};
use super::messages;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

const TOKENIZE: &[&str] = &[
    "model",
    "content",
    "prompt",
    "messages",
    "add_special_tokens",
    "add_generation_prompt",
    "continue_final_message",
    "chat_template_kwargs",
    "reasoning_effort",
];

/// The ids of a text, or of a conversation by the chat template, each with its text.
pub async fn tokenize(State(app): State<Arc<App>>, request: Request) -> Answer<Response> {
    let asked = app.read(request).await?;
    let fields = Fields::of(&asked.body, "")?;
    fields.only(TOKENIZE)?;
    let (_, served) = app.model(&fields)?;
    let served = &served;
    let text = match fields.text("content")? {
        Some(text) => Some(text),
        None => fields.text("prompt")?,
    };
    let ids = match text {
        Some(text) => {
            let special = fields.get("add_special_tokens").map(|_| fields.flag("add_special_tokens")).transpose()?;
            served.tok.ids(text, special.unwrap_or(true))?
        }
        None => chat::prompt(&fields, served, &messages::read(&fields)?, None)?,
    };
    let pieces: Vec<Value> =
        ids.iter().map(|&id| String::from_utf8_lossy(&served.tok.token_bytes(id)).into()).collect();
    let answer = json!({ "tokens": ids, "pieces": pieces, "count": ids.len(), "max_model_len": served.context() });
    Ok(json_response(StatusCode::OK, &answer))
}

/// The text of ids.
pub async fn detokenize(State(app): State<Arc<App>>, request: Request) -> Answer<Response> {
    let asked = app.read(request).await?;
    let fields = Fields::of(&asked.body, "")?;
    fields.only(&["model", "tokens", "skip_special_tokens"])?;
    let (_, served) = app.model(&fields)?;
    let served = &served;
    fields.needed("tokens")?;
    let list = fields.array("tokens")?.map_or(&[][..], Vec::as_slice);
    let ids = ids("tokens", list, served.tok.len())?;
    let text = served.tok.decode(&ids, fields.flag("skip_special_tokens")?)?;
    Ok(json_response(StatusCode::OK, &json!({ "content": text, "prompt": text })))
}
