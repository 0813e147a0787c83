//! The server: queue, engine and connections.

use super::app::App;
use super::connections::{self, Bounds};
use super::engine::Engine;
use super::metrics::Metrics;
use super::options::ServeOptions;
use super::queue::Queue;
use super::registry::Registry;
use super::routes;
use super::served::Served;
use crate::{Result, bail};
use std::net::SocketAddr;
use std::sync::Arc;

/// Serves these models until a stop is requested, on this thread and one for the connections. `ready` receives the address.
pub fn serve(served: Vec<Served>, options: &ServeOptions, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    check(&served, options)?;
    let models = Arc::new(Registry::new(served, options.adapters.clone()));
    let (queue, metrics) = (Arc::new(Queue::new(options.max_queue)), Arc::new(Metrics::default()));
    let app = Arc::new(App::new(&models, &queue, &metrics, options));
    let mut engine = Engine::new(&models, &queue, &metrics, options);
    let bounds = Bounds { max_connections: options.max_connections, read_within: options.read_within };
    let address = SocketAddr::new(options.host, options.port);
    let connections = connections::start("serve", address, routes::router(&app), bounds, metrics)?;
    ready(connections.address);
    engine.run();
    connections.stop()
}

fn check(served: &[Served], options: &ServeOptions) -> Result<()> {
    if served.is_empty() {
        bail!("serve", "there is no model to serve");
    }
    if let Some(at) = (1..served.len()).find(|&at| served[..at].iter().any(|other| other.name == served[at].name)) {
        bail!("serve", "two models are called `{}`", served[at].name);
    }
    for (name, count) in [
        ("max_batch", options.max_batch),
        ("max_queue", options.max_queue),
        ("max_connections", options.max_connections),
        ("max_body", options.max_body),
    ] {
        if count == 0 {
            bail!("serve", "option `{name}` is 0, and it has to be 1 or above");
        }
    }
    Ok(())
}
