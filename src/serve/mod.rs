//! Serves a model over HTTP: OpenAI's endpoints, a chat page, and their metrics.
//!
//! One thread computes, in batches that requests join and leave between two tokens (`engine`); one handles the connections
//! (`server`). Between them is a queue that serves clients in turn. No path of a request reaches the file system.

pub mod api;
mod app;
mod chat;
mod completions;
mod connections;
mod embeddings;
mod engine;
mod error;
mod fields;
mod generation;
mod grammar;
mod job;
mod keys;
mod messages;
mod metrics;
mod models;
mod openapi;
mod options;
mod page;
mod queue;
mod registry;
mod reply;
mod rerank;
mod routes;
mod served;
mod server;
mod stream;
mod tokens;
mod tools;
mod vectors;
mod watch;

pub use keys::{read_keys, warning};
pub use options::ServeOptions;
pub use served::Served;
pub use server::serve;
pub use watch::watch;
