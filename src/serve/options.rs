//! Options of a server.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// Address, access and limits of a server.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The address to listen on; loopback accepts only this machine.
    pub host: IpAddr,
    /// 0 is any free port.
    pub port: u16,
    /// Accepted API keys; empty: no key is required.
    pub keys: Vec<String>,
    /// Origin whose web pages may send requests, or `*` for any; by default only the server's own page.
    pub cors: Option<String>,
    /// A folder of adapters for the first model, each a subfolder named after it; adapters added later are found.
    pub adapters: Option<PathBuf>,
    /// Maximum number of texts generated in parallel.
    pub max_batch: usize,
    /// Maximum number of waiting requests.
    pub max_queue: usize,
    /// Maximum number of open connections.
    pub max_connections: usize,
    /// Maximum size of a request body.
    pub max_body: usize,
    /// Time limit for reading a whole request.
    pub read_within: Duration,
    /// Memory for cached prompt prefixes.
    pub prefix_bytes: usize,
    /// Seed of requests without a `seed`.
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
