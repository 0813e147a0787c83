//! The routes, and checks for all of them: keys, hosts, foreign pages, metrics.

use super::app::{App, Client, Peer};
use super::error::ApiError;
use super::{chat, completions, embeddings, models, rerank, tokens};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Paths without a key: for load balancers, and the page, which asks for the key itself.
const OPEN: &[&str] = &["/", "/health", "/v1/health"];

pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/", get(models::page))
        .route("/health", get(models::health))
        .route("/metrics", get(models::metrics))
        .route("/openapi.json", get(models::document))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*model}", get(models::one))
        .route("/v1/chat/completions", post(chat::post))
        .route("/v1/completions", post(completions::post))
        .route("/v1/embeddings", post(embeddings::post))
        .route("/v1/rerank", post(rerank::post))
        .route("/rerank", post(rerank::post))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .method_not_allowed_fallback(not_allowed)
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app.clone())
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}: /openapi.json lists what there is", uri.path()))
}

async fn not_allowed(method: Method, uri: Uri) -> ApiError {
    let what = format!("{} does not take {method}", uri.path());
    ApiError::with(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", what)
}

/// Rejects requests without permission.
async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let path = known(request.uri().path());
    let origin = allowed_origin(&app, request.headers());
    let mut response = match (request.method() == Method::OPTIONS && origin.is_some(), admitted(&app, &request)) {
        (true, _) => preflight(),
        (false, Ok(client)) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        (false, Err(error)) => error.into_response(),
    };
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    app.metrics.request(path, response.status().as_u16());
    response
}

/// A path as a metrics label: random paths must not create new ones.
fn known(path: &str) -> &'static str {
    const PATHS: &[&str] = &[
        "/",
        "/health",
        "/metrics",
        "/openapi.json",
        "/v1/models",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/rerank",
        "/rerank",
        "/tokenize",
        "/detokenize",
    ];
    PATHS.iter().copied().find(|known| *known == path).unwrap_or("other")
}

/// The allowed origin of a page that may read responses.
fn allowed_origin(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let (allowed, origin) = (app.options.cors.as_deref()?, headers.get(header::ORIGIN)?);
    (allowed == "*" || origin.as_bytes() == allowed.as_bytes()).then(|| origin.clone())
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
    response
}

/// The client of an admitted request.
fn admitted(app: &App, request: &Request) -> Result<Client, ApiError> {
    let peer = request.extensions().get::<Peer>().map_or(String::new(), |peer| peer.0.ip().to_string());
    if app.options.keys.is_empty() {
        return match app.options.host.is_loopback() && !is_local(request) {
            // DNS rebinding: a foreign page's host name resolves to this server
            true => Err(ApiError::with(StatusCode::FORBIDDEN, "wrong_host", "the header `Host` names another machine")),
            false => Ok(Client(peer)),
        };
    }
    if OPEN.contains(&request.uri().path()) {
        return Ok(Client(peer));
    }
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key =
        given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
    let Some(key) = key else {
        return Err(unauthorized("a key is needed, in the header `Authorization: Bearer KEY`"));
    };
    // compares all keys in constant time
    let mut found = None;
    for (at, known) in app.options.keys.iter().enumerate() {
        if bool::from(known.as_bytes().ct_eq(key.as_bytes())) {
            found = Some(at);
        }
    }
    found.map(|at| Client(format!("key {at}"))).ok_or_else(|| unauthorized("the key is not known"))
}

fn unauthorized(what: &str) -> ApiError {
    ApiError::with(StatusCode::UNAUTHORIZED, "invalid_api_key", what)
}

/// Whether `Host` is an address or `localhost`: any other name may be anybody's.
fn is_local(request: &Request) -> bool {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = named.or_else(|| request.uri().host()) else { return true };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}
