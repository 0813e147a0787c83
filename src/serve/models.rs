//! `GET /v1/models`, health, metrics, the OpenAPI document and the chat page.

use super::app::App;
use super::error::{Answer, json_response};
use super::openapi;
use super::page;
use super::served::Served;
use crate::progress;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// The chat page: one file, without requests to other hosts.
const PAGE: &str = include_str!("page.html");

impl App {
    fn describe(&self, served: &Served) -> Value {
        json!({
            "id": served.name,
            "object": "model",
            "created": self.started,
            "owned_by": "levain",
            "max_model_len": served.context(),
            "generates": served.is_causal(),
            "reranks": served.reranks(),
            "defaults": served.defaults,
        })
    }
}

pub async fn list(State(app): State<Arc<App>>) -> Answer<Response> {
    // opens adapters added to their folder since
    for name in app.models.waiting()? {
        if let Err(error) = app.models.named(&name) {
            progress::warn("serve", format!("the adapter `{name}`: {error}"));
        }
    }
    let models: Vec<Value> = app.models.all().iter().map(|served| app.describe(served)).collect();
    Ok(json_response(StatusCode::OK, &json!({ "object": "list", "data": models })))
}

pub async fn one(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Response> {
    let (_, served) = app.named(&name)?;
    Ok(json_response(StatusCode::OK, &app.describe(&served)))
}

pub async fn health() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "ok" }))
}

pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    page::text(app.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
}

pub async fn document() -> Response {
    json_response(StatusCode::OK, &openapi::document())
}

pub async fn page() -> Response {
    page::html(PAGE)
}
