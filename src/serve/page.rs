//! A self-contained page: it may run only its own script, identified by its hash, and send requests only to its own server.

use crate::token::base64;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use sha2::{Digest, Sha256};

pub fn text(body: impl Into<Body>, kind: &'static str) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub fn html(page: &'static str) -> Response {
    let mut response = text(page, "text/html; charset=utf-8");
    if let Ok(policy) = HeaderValue::from_str(&policy(page)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn policy(page: &str) -> String {
    let hash = |tag: &str| {
        let inside = page.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
        base64::encode(&Sha256::digest(inside.map_or("", |(inside, _)| inside)))
    };
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash("style"),
        hash("script")
    )
}
