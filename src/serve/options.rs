//! What a server may be told.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// How a server listens, and how much it takes on.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The address to listen on; loopback is this machine alone.
    pub host: IpAddr,
    /// 0 is any free port.
    pub port: u16,
    /// What a client has to show, one of these; none: anyone may ask.
    pub keys: Vec<String>,
    /// Web pages of this origin may ask, or of any with `*`; by default only the server's own page.
    pub cors: Option<String>,
    /// A folder with adapters of the first model, each in a folder under its name; those that are put there later are found.
    pub adapters: Option<PathBuf>,
    /// Texts that are written side by side.
    pub max_batch: usize,
    /// Requests that may wait for their turn.
    pub max_queue: usize,
    /// Connections that may be open.
    pub max_connections: usize,
    /// The largest body of a request.
    pub max_body: usize,
    /// A request has to be read whole within this.
    pub read_within: Duration,
    /// Memory for the keys and values of earlier prompts.
    pub prefix_bytes: usize,
    /// The random numbers of requests without a `seed`.
    pub seed: u64,
}

impl Default for ServeOptions {
    fn default() -> ServeOptions {
        ServeOptions {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8080,
            keys: Vec::new(),
            cors: None,
            adapters: None,
            max_batch: 16,
            max_queue: 256,
            max_connections: 512,
            max_body: 4 << 20,
            read_within: Duration::from_secs(10),
            prefix_bytes: 256 << 20,
            seed: 0,
        }
    }
}
