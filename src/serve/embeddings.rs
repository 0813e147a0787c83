//! `POST /v1/embeddings`

use super::app::{App, Asked};
use super::error::{Answer, ApiError, json_response};
use super::fields::{Fields, ids, texts};
use super::generation::UNUSED;
use super::job::{EmbedJob, Work};
use super::served::Served;
use crate::token::base64;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Maximum number of texts per request.
const TEXTS: usize = 2048;

pub async fn post(State(app): State<Arc<App>>, request: Request) -> Answer<Response> {
    let asked = app.read(request).await?;
    let shared = app.clone();
    let read = tokio::task::spawn_blocking(move || begin(&shared, &asked)).await;
    let (job, reply) = read.map_err(|_| ApiError::internal("an internal error: please report it"))??;
    let answer = {
        let (sender, answer) = oneshot::channel();
        app.enqueue(Work::Embed(EmbedJob { answer: sender, ..job }))?;
        answer
    };
    let vectors = answer.await.map_err(|_| ApiError::internal("the answer was lost"))??;
    if reply.dimensions.is_some_and(|wanted| vectors.iter().any(|vector| vector.len() != wanted)) {
        let own = vectors.first().map_or(0, Vec::len);
        return Err(ApiError::field(
            "dimensions",
            format!("`dimensions` is not {own}, which this model's vectors have"),
        ));
    }
    Ok(json_response(StatusCode::OK, &reply.json(&vectors)))
}

struct Reply {
    model: String,
    base64: bool,
    dimensions: Option<usize>,
    tokens: usize,
}

fn begin(app: &App, asked: &Asked) -> Answer<(EmbedJob, Reply)> {
    let fields = Fields::of(&asked.body, "")?;
    fields.only(&[&["input", "model", "encoding_format", "dimensions"], UNUSED].concat())?;
    let (model, served) = app.model(&fields)?;
    let served = &served;
    let base64 = match fields.text("encoding_format")? {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(fields.wrong("encoding_format", "is not `float` or `base64`")),
    };
    let texts = inputs(fields.needed("input")?, served)?;
    let tokens: Vec<usize> = served.tok.encode_batch(&texts, true)?.iter().map(Vec::len).collect();
    if let Some(at) = tokens.iter().position(|&count| count == 0 || count > served.context()) {
        let (count, most) = (tokens[at], served.context());
        let what = format!("text {at} of `input` has {count} tokens, and the model reads 1 to {most}");
        return Err(ApiError::field("input", what));
    }
    let reply = Reply {
        model: served.name.clone(),
        base64,
        dimensions: fields.count("dimensions", 1, u32::MAX.into())?,
        tokens: tokens.iter().sum(),
    };
    // a placeholder, replaced by the waiting side's channel
    let answer = oneshot::channel().0;
    Ok((EmbedJob { client: asked.client.clone(), model, texts, query: None, answer }, reply))
}

/// Parses texts, or ids, which are decoded to texts.
fn inputs(value: &Value, served: &Served) -> Answer<Vec<String>> {
    let vocab = served.tok.len();
    let text = |name: &str, list: &[Value]| Ok(served.tok.decode(&ids(name, list, vocab)?, true)?);
    match value {
        Value::Array(list) if list.is_empty() => Err(ApiError::field("input", "`input` is empty")),
        Value::Array(list) if list.len() > TEXTS && !list.iter().all(Value::is_number) => {
            Err(ApiError::field("input", format!("{} texts, more than {TEXTS}", list.len())))
        }
        Value::Array(list) if list.iter().all(Value::is_number) => Ok(vec![text("input", list)?]),
        Value::Array(list) if list.iter().all(Value::is_array) => list
            .iter()
            .enumerate()
            .map(|(at, ids)| text(&format!("input[{at}]"), ids.as_array().map_or(&[][..], Vec::as_slice)))
            .collect(),
        other => texts("input", other, TEXTS),
    }
}

impl Reply {
    fn json(&self, vectors: &[Vec<f32>]) -> Value {
        let data = vectors.iter().enumerate().map(|(index, vector)| {
            let numbers = match self.base64 {
                true => {
                    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                    json!(base64::encode(&bytes))
                }
                false => json!(vector),
            };
            json!({ "object": "embedding", "index": index, "embedding": numbers })
        });
        json!({
            "object": "list",
            "data": data.collect::<Vec<_>>(),
            "model": self.model,
            "usage": { "prompt_tokens": self.tokens, "total_tokens": self.tokens },
        })
    }
}
