//! `POST /v1/rerank`: how well each document answers a query, by a cross-encoder with one output.

use super::app::{App, Asked};
use super::error::{Answer, ApiError, json_response};
use super::fields::Fields;
use super::generation::UNUSED;
use super::job::{EmbedJob, Work};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Maximum number of documents per request.
const DOCUMENTS: usize = 1024;

/// The parts of the request that the response needs.
struct Reply {
    model: String,
    documents: Option<Vec<String>>,
    top: usize,
    tokens: usize,
}

pub async fn post(State(app): State<Arc<App>>, request: Request) -> Answer<Response> {
    let asked = app.read(request).await?;
    let shared = app.clone();
    let read = tokio::task::spawn_blocking(move || begin(&shared, &asked)).await;
    let (job, reply) = read.map_err(|_| ApiError::internal("an internal error: please report it"))??;
    let (sender, answer) = oneshot::channel();
    app.enqueue(Work::Embed(EmbedJob { answer: sender, ..job }))?;
    let scores = answer.await.map_err(|_| ApiError::internal("the answer was lost"))??;
    let scores: Vec<f32> = scores.into_iter().flatten().collect();
    Ok(json_response(StatusCode::OK, &reply.json(&scores)))
}

fn begin(app: &App, asked: &Asked) -> Answer<(EmbedJob, Reply)> {
    let fields = Fields::of(&asked.body, "")?;
    fields.only(&[&["model", "query", "documents", "top_n", "return_documents"], UNUSED].concat())?;
    let (model, served) = app.model(&fields)?;
    let served = &served;
    if !served.reranks() {
        let what = format!(
            "the model `{}` does not rank documents: a sequence head with one output does (a cross-encoder)",
            served.name
        );
        return Err(ApiError::field("model", what));
    }
    let Some(query) = fields.text("query")?.filter(|query| !query.is_empty()) else {
        return Err(fields.wrong("query", "is missing or empty"));
    };
    let list = match fields.array("documents")? {
        Some(list) if !list.is_empty() => list,
        _ => return Err(fields.wrong("documents", "is missing or empty")),
    };
    if list.len() > DOCUMENTS {
        return Err(fields.wrong("documents", format!("are {}, more than {DOCUMENTS}", list.len())));
    }
    let texts = list.iter().enumerate().map(|(at, value)| document(value, at)).collect::<Answer<Vec<String>>>()?;
    let ids = served.tok.encode_batch(&texts, false)?;
    let query_tokens = served.tok.ids(query, true)?.len();
    let top = fields.count("top_n", 1, u32::MAX.into())?.unwrap_or(texts.len()).min(texts.len());
    let reply = Reply {
        model: served.name.clone(),
        documents: fields.flag("return_documents")?.then(|| texts.clone()),
        top,
        tokens: ids.iter().map(|ids| ids.len() + query_tokens).sum(),
    };
    // a placeholder, replaced by the waiting side's channel
    let answer = oneshot::channel().0;
    Ok((EmbedJob { client: asked.client.clone(), model, texts, query: Some(query.to_string()), answer }, reply))
}

/// Parses a text, or a map with one.
fn document(value: &Value, at: usize) -> Answer<String> {
    let text = value.as_str().or_else(|| value["text"].as_str());
    text.filter(|text| !text.is_empty()).map(str::to_string).ok_or_else(|| {
        ApiError::field("documents", format!("`documents[{at}]` is neither a text nor a map with one in `text`"))
    })
}

impl Reply {
    /// Best first; ties keep the order of the request.
    fn json(&self, scores: &[f32]) -> Value {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let results = order.into_iter().take(self.top).map(|at| {
            let mut made = json!({ "index": at, "relevance_score": scores[at] });
            if let Some(documents) = &self.documents {
                made["document"] = json!({ "text": documents[at] });
            }
            made
        });
        json!({
            "object": "list",
            "model": self.model,
            "results": results.collect::<Vec<_>>(),
            "usage": { "prompt_tokens": self.tokens, "total_tokens": self.tokens },
        })
    }
}
