//! The socket: accepts, limits and closes connections, on a thread of its own.

use super::app::Peer;
use super::metrics::Metrics;
use crate::{Error, Result, bail};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Maximum size of a request's head.
const HEAD: usize = 32 << 10;
/// Time for running answers to finish when the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// Limits of connections.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub max_connections: usize,
    /// Time limit for the head of a request.
    pub read_within: Duration,
}

/// A running connection server.
pub struct Connections {
    pub address: SocketAddr,
    who: &'static str,
    stop: watch::Sender<bool>,
    thread: JoinHandle<Result<()>>,
}

/// Listens at `address`; port 0 is any free port.
pub fn start(
    who: &'static str,
    address: SocketAddr,
    router: Router,
    bounds: Bounds,
    metrics: Arc<Metrics>,
) -> Result<Connections> {
    let told = move |error: std::io::Error| Error::new(who, error.to_string());
    let listener = listen(who, address)?;
    let address = listener.local_addr().map_err(told)?;
    let (stop, stopped) = watch::channel(false);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().enable_time().max_blocking_threads(4).build().map_err(told)?;
    let taken = Taken { router, bounds, metrics, graceful: GracefulShutdown::new() };
    let work = move || runtime.block_on(taken.accept(who, listener, stopped));
    let thread = std::thread::Builder::new().name("connections".into()).spawn(work).map_err(told)?;
    Ok(Connections { address, who, stop, thread })
}

impl Connections {
    /// Accepts no more connections, and waits for running answers.
    pub fn stop(self) -> Result<()> {
        // the thread may have ended by itself
        let _ = self.stop.send(true);
        match self.thread.join() {
            Ok(done) => done,
            Err(_) => bail!(self.who, "the thread of the connections ended"),
        }
    }
}

fn listen(who: &str, address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.map_err(|error| {
        Error::new(who, format!("{address}: {error}")).help("`port` is another port, and 0 any that is free")
    })
}

struct Taken {
    router: Router,
    bounds: Bounds,
    metrics: Arc<Metrics>,
    graceful: GracefulShutdown,
}

impl Taken {
    async fn accept(self, who: &str, listener: TcpListener, mut stopped: watch::Receiver<bool>) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener);
        let listener = listener.map_err(|error| Error::new(who, error.to_string()))?;
        let room = Arc::new(Semaphore::new(self.bounds.max_connections));
        loop {
            let permit = tokio::select! {
                permit = room.clone().acquire_owned() => permit,
                _ = stopped.changed() => break,
            };
            let Ok(permit) = permit else { break };
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.connection(stream, peer, permit),
                    // out of file descriptors, for example: closing connections free some
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                _ = stopped.changed() => break,
            }
        }
        drop(listener);
        // running answers finish
        let _ = tokio::time::timeout(GRACE, self.graceful.shutdown()).await;
        Ok(())
    }

    fn connection(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // tokens are small, and each should be sent at once; without this option they are only late
        let _ = stream.set_nodelay(true);
        let (router, metrics) = (self.router.clone(), self.metrics.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            respond(router.clone(), request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.read_within)
            .max_buf_size(HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        metrics.connected();
        tokio::spawn(async move {
            // a disconnecting client is not an error of the server
            let _ = connection.await;
            metrics.disconnected();
            drop(permit);
        });
    }
}

async fn respond(router: Router, request: hyper::Request<Incoming>) -> std::result::Result<Response, Infallible> {
    TowerToHyperService::new(router).call(request.map(Body::new)).await
}
