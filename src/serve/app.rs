//! State shared by all requests, and reading of requests.

use super::engine::stopping;
use super::error::{Answer, ApiError};
use super::fields::Fields;
use super::job::Work;
use super::metrics::Metrics;
use super::options::ServeOptions;
use super::queue::{Queue, Refusal};
use super::registry::Registry;
use super::served::Served;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct App {
    pub models: Arc<Registry>,
    pub queue: Arc<Queue>,
    pub metrics: Arc<Metrics>,
    pub options: ServeOptions,
    /// Start time, in seconds since 1970.
    pub started: u64,
    requests: AtomicU64,
}

/// The client: the key of its request, or otherwise its address.
#[derive(Clone, Debug)]
pub struct Client(pub String);

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// A parsed generation request.
pub struct Asked {
    pub body: Value,
    pub client: String,
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl App {
    pub fn new(models: &Arc<Registry>, queue: &Arc<Queue>, metrics: &Arc<Metrics>, options: &ServeOptions) -> App {
        let (queue, metrics, options) = (queue.clone(), metrics.clone(), options.clone());
        App { models: models.clone(), queue, metrics, options, started: now(), requests: AtomicU64::new(0) }
    }

    /// A unique number for a request.
    pub fn number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// The model named in a request, with its index; a request without a name gets the first.
    pub fn model(&self, fields: &Fields) -> Answer<(usize, Arc<Served>)> {
        let Some(name) = fields.text("model")? else {
            let first = self.models.get(0).map(|first| (0, first));
            return first.ok_or_else(|| ApiError::internal("there is no model"));
        };
        self.named(name)
    }

    pub fn named(&self, name: &str) -> Answer<(usize, Arc<Served>)> {
        let found = self.models.named(name).map_err(|error| ApiError::field("model", error.to_string()))?;
        found.ok_or_else(|| {
            let names: Vec<String> = self.models.all().iter().map(|served| served.name.clone()).collect();
            let what = format!("there is no model `{name}`: choose from {}", names.join(", "));
            ApiError { param: Some("model".into()), ..ApiError::not_found(what).coded("model_not_found") }
        })
    }

    pub fn enqueue(&self, work: Work) -> Answer<()> {
        self.queue.push(work).map_err(|refusal| match refusal {
            Refusal::Full => {
                let what = format!("{} requests are waiting already: try again later", self.options.max_queue);
                ApiError::with(StatusCode::TOO_MANY_REQUESTS, "queue_full", what)
            }
            Refusal::Closed => stopping(),
        })
    }

    /// Reads a request's JSON, within the limits of size and time.
    pub async fn read(&self, request: Request) -> Answer<Asked> {
        let client = request.extensions().get::<Client>().map_or(String::new(), |client| client.0.clone());
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        // a form on a foreign page can send other types without a preflight
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            let what = "the body has to be JSON, and the header `Content-Type: application/json`";
            return Err(ApiError::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", what));
        }
        let bytes = self.body(request.into_body()).await?;
        let body =
            serde_json::from_slice(&bytes).map_err(|error| ApiError::bad(format!("the body is not JSON: {error}")))?;
        Ok(Asked { body, client })
    }

    async fn body(&self, body: Body) -> Answer<axum::body::Bytes> {
        let most = self.options.max_body;
        let large = || {
            let what = format!("the body is larger than {most} bytes");
            ApiError::with(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", what)
        };
        // known before the first byte is read
        if axum::body::HttpBody::size_hint(&body).lower() > most as u64 {
            return Err(large());
        }
        match tokio::time::timeout(self.options.read_within, to_bytes(body, most)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) if error.to_string().contains("limit") => Err(large()),
            Ok(Err(_)) => Err(ApiError::bad("the body could not be read")),
            Err(_) => {
                let what = format!("the body did not come within {} s", self.options.read_within.as_secs());
                Err(ApiError::with(StatusCode::REQUEST_TIMEOUT, "timeout", what))
            }
        }
    }
}
