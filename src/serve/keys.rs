//! API keys of clients.

use super::options::ServeOptions;
use crate::{Error, Result, bail, files};
use std::path::Path;

/// Reads a file of keys, one per line; lines that begin with `#` are comments.
pub fn read_keys(path: &Path) -> Result<Vec<String>> {
    let bytes = files::read("serve", path)?;
    let text = String::from_utf8(bytes).map_err(|_| Error::new("serve", format!("{}: no text", path.display())))?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut keys = Vec::new();
    for (at, line) in lines {
        if line.len() < 8 || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!(
                "serve",
                "{}:{}: a key has at least 8 letters, digits and signs, and no space",
                path.display(),
                at + 1
            );
        }
        keys.push(line.to_string());
    }
    if keys.is_empty() {
        bail!("serve", "{}: there is no key in it", path.display());
    }
    Ok(keys)
}

/// The warning before a server without keys listens to other machines.
pub fn warning(options: &ServeOptions) -> Option<String> {
    (!options.host.is_loopback() && options.keys.is_empty()).then(|| {
        format!(
            "anyone who reaches {} may use this server: there is no key, and the connections are not encrypted",
            options.host
        )
    })
}
