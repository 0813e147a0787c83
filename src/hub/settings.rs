//! Settings from the environment: the variables of Hugging Face's Python library.

use crate::{Result, bail};
use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// Hub, cache and timeouts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HF_ENDPOINT`: the hub or its mirror.
    pub endpoint: String,
    /// `HF_HUB_CACHE`, or `hub` in `HF_HOME`.
    pub cache: PathBuf,
    /// `HF_TOKEN`, or the file that a login left.
    pub token: Option<String>,
    /// `HF_HUB_OFFLINE`: no requests to the hub.
    pub offline: bool,
    /// `HF_HUB_DOWNLOAD_TIMEOUT`: maximum wait for the next bytes.
    pub wait: Duration,
    /// Pause before the first retry of a request without progress; doubles with each retry.
    pub pause: Duration,
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn is_on(name: &str) -> bool {
    variable(name).is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str()))
}

impl Settings {
    pub fn from_environment(who: &str) -> Result<Settings> {
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            bail!(who, "HF_ENDPOINT is `{endpoint}`, and an address begins with https://");
        }
        let home = match (variable("HF_HOME"), variable("XDG_CACHE_HOME"), env::home_dir()) {
            (Some(home), ..) => PathBuf::from(home),
            (None, Some(cache), _) => PathBuf::from(cache).join("huggingface"),
            (None, None, Some(home)) => home.join(".cache/huggingface"),
            _ => bail!(who, "there is no home folder for the cache: HF_HUB_CACHE names one"),
        };
        let cache = variable("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from);
        let file = variable("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
        let kept = || std::fs::read_to_string(file).ok();
        let token = variable("HF_TOKEN").or_else(kept).map(|token| token.trim().to_string());
        let wait = match variable("HF_HUB_DOWNLOAD_TIMEOUT") {
            None => 10.0,
            Some(given) => match given.trim().parse::<f64>() {
                Ok(seconds) if seconds > 0.0 && seconds < 1e6 => seconds,
                _ => bail!(who, "HF_HUB_DOWNLOAD_TIMEOUT is `{given}`, not a number of seconds"),
            },
        };
        Ok(Settings {
            endpoint: endpoint.trim_end_matches('/').to_string(),
            cache,
            token: token.filter(|token| !token.is_empty()),
            offline: is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE"),
            wait: Duration::from_secs_f64(wait),
            pause: Duration::from_millis(500),
        })
    }
}
