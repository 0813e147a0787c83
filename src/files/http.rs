//! The client for remote files: HTTP and HTTPS, through the proxy of the environment, with a timeout on every wait.

use crate::{Error, Result, bail, limits};
use std::io::Read;
use std::time::Duration;
use ureq::config::RedirectAuthHeaders;
use ureq::{Agent, Body, Proxy};

/// Maximum number of redirects of a request.
const REDIRECTS: u32 = 10;

/// A client; connections are reused for later requests.
pub struct Client {
    agent: Agent,
    wait: Duration,
}

/// A response of any status.
pub struct Answer {
    pub status: u16,
    response: ureq::http::Response<Body>,
}

/// An error where the running script is untrusted: it may not open connections.
pub fn permitted(who: &str) -> Result<()> {
    match limits::current().is_confined() {
        true => bail!(who, "this script may not open a connection"),
        false => Ok(()),
    }
}

impl Client {
    /// A client whose waits (for a connection, for a response, for its next bytes) time out after `wait`.
    pub fn new(wait: Duration) -> Client {
        Client::with(wait, REDIRECTS)
    }

    /// A client that follows no redirects: a redirect is returned as a response of status 300 and above, with its `location`.
    pub fn without_redirects(wait: Duration) -> Client {
        Client::with(wait, 0)
    }

    fn with(wait: Duration, redirects: u32) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("levain/", env!("CARGO_PKG_VERSION")))
            .proxy(Proxy::try_from_env())
            .max_redirects(redirects)
            .max_redirects_will_error(redirects > 0)
            // a key is for the requested host only, not for redirect targets
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_resolve(Some(wait))
            .timeout_connect(Some(wait))
            .timeout_recv_response(Some(wait))
            .timeout_per_read(Some(wait))
            .build();
        Client { agent: config.new_agent(), wait }
    }

    /// Requests `url`, with these headers.
    pub fn get(&self, who: &str, url: &str, headers: &[(&str, String)]) -> Result<Answer> {
        permitted(who)?;
        let mut request = self.agent.get(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.call().map_err(|error| self.told(who, url, &error))?;
        Ok(Answer { status: response.status().as_u16(), response })
    }

    fn told(&self, who: &str, url: &str, error: &ureq::Error) -> Error {
        let host = url.split('/').take(3).collect::<Vec<_>>().join("/");
        match error {
            ureq::Error::Timeout(_) => {
                Error::new(who, format!("{host} did not answer within {} s", self.wait.as_secs_f64()))
            }
            ureq::Error::HostNotFound => Error::new(who, format!("{host}: there is no such host")),
            ureq::Error::BadUri(_) => Error::new(who, format!("`{url}` is no address")),
            other => Error::new(who, format!("{host}: {other}")),
        }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Streams the bytes.
    pub fn reader(self) -> impl Read {
        self.response.into_body().into_reader()
    }

    /// The first bytes, up to `most`, as far as they arrive.
    pub fn start(self, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        // bytes received before an interruption count
        let _ = self.reader().take(most as u64).read_to_end(&mut bytes);
        bytes
    }

    /// All bytes, at most `most`.
    pub fn bytes(self, who: &str, most: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.reader().take(most as u64 + 1).read_to_end(&mut bytes);
        match read {
            Ok(_) if bytes.len() > most => bail!(who, "an answer of more than {most} bytes"),
            Ok(_) => Ok(bytes),
            Err(error) => bail!(who, "the answer broke off: {error}"),
        }
    }
}
