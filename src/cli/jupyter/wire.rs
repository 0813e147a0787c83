//! Jupyter's messages (protocol 5.3, https://jupyter-client.readthedocs.io/en/stable/messaging.html): their frames, and
//! their signatures.

use super::zmtp::Frames;
use crate::{Error, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const DELIMITER: &[u8] = b"<IDS|MSG>";
const VERSION: &str = "5.3";

/// What the file says with which a client starts a kernel.
#[derive(Deserialize)]
pub struct Connection {
    pub transport: String,
    pub ip: String,
    pub key: String,
    pub signature_scheme: String,
    pub shell_port: u16,
    pub control_port: u16,
    pub iopub_port: u16,
    pub stdin_port: u16,
    pub hb_port: u16,
}

impl Connection {
    pub fn read(path: &Path) -> Result<Connection> {
        let text = crate::script::read_script(path).map_err(|error| error.told_by("jupyter"))?;
        let connection: Connection = serde_json::from_str(&text)
            .map_err(|error| Error::new("jupyter", format!("{}: {error}", path.display())))?;
        if connection.transport != "tcp" {
            bail!("jupyter", "{}: transport `{}`; this kernel speaks tcp", path.display(), connection.transport);
        }
        if !connection.key.is_empty() && connection.signature_scheme != "hmac-sha256" {
            bail!(
                "jupyter",
                "{}: signature_scheme `{}` is not hmac-sha256",
                path.display(),
                connection.signature_scheme
            );
        }
        Ok(connection)
    }

    pub fn address(&self, port: u16) -> String {
        format!("{}:{port}", self.ip)
    }
}

/// A message of a client.
pub struct Message {
    /// Where an answer goes.
    identities: Frames,
    pub header: Value,
    pub content: Value,
}

impl Message {
    pub fn kind(&self) -> &str {
        self.header["msg_type"].as_str().unwrap_or_default()
    }
}

/// Writes and reads messages of one session.
#[derive(Clone)]
pub struct Wire {
    key: Vec<u8>,
    session: String,
}

static SENT: AtomicU64 = AtomicU64::new(0);

impl Wire {
    pub fn new(key: &str) -> Wire {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Wire { key: key.as_bytes().to_vec(), session: format!("levain-{}-{now:x}", std::process::id()) }
    }

    /// A message out of its frames; one that is not signed with our key is none.
    pub fn read(&self, frames: Frames) -> Result<Message> {
        let Some(at) = frames.iter().position(|frame| frame == DELIMITER) else {
            bail!("jupyter", "a message without delimiter");
        };
        let [signature, header, parent, metadata, content, ..] = &frames[at + 1..] else {
            bail!("jupyter", "a message of {} frames", frames.len() - at - 1);
        };
        if self.sign(&[header, parent, metadata, content]).as_bytes() != signature.as_slice() {
            bail!("jupyter", "a message with a wrong signature");
        }
        let json = |frame: &[u8]| {
            serde_json::from_slice(frame)
                .map_err(|error| Error::new("jupyter", format!("a message that is no JSON: {error}")))
        };
        Ok(Message { header: json(header)?, content: json(content)?, identities: frames[..at].to_vec() })
    }

    /// An answer, to the one who asked.
    pub fn reply(&self, to: &Message, kind: &str, content: &Value) -> Frames {
        self.frames(to.identities.clone(), Some(&to.header), kind, content)
    }

    /// What everyone hears; `parent` is the header of the message that it comes from.
    pub fn broadcast(&self, parent: Option<&Value>, kind: &str, content: &Value) -> Frames {
        self.frames(vec![kind.as_bytes().to_vec()], parent, kind, content)
    }

    fn frames(&self, mut frames: Frames, parent: Option<&Value>, kind: &str, content: &Value) -> Frames {
        let header = json!({
            "msg_id": format!("{}-{}", self.session, SENT.fetch_add(1, Ordering::Relaxed)),
            "session": self.session,
            "username": "levain",
            "date": now(),
            "msg_type": kind,
            "version": VERSION,
        });
        let nothing = json!({});
        let parts = [&header, parent.unwrap_or(&nothing), &nothing, content].map(|part| part.to_string().into_bytes());
        let signature = self.sign(&[&parts[0], &parts[1], &parts[2], &parts[3]]);
        frames.push(DELIMITER.to_vec());
        frames.push(signature.into_bytes());
        frames.extend(parts);
        frames
    }

    /// HMAC-SHA256 (RFC 2104) in hexadecimal digits; nothing without a key.
    fn sign(&self, parts: &[&[u8]]) -> String {
        if self.key.is_empty() {
            return String::new();
        }
        let mut key = self.key.clone();
        if key.len() > 64 {
            key = Sha256::digest(&key).to_vec();
        }
        key.resize(64, 0);
        let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
        let mut inner = Sha256::new_with_prefix(pad(0x36));
        parts.iter().for_each(|part| inner.update(part));
        let mut outer = Sha256::new_with_prefix(pad(0x5c));
        outer.update(inner.finalize());
        outer.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The time as ISO 8601 in UTC.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = ((since.as_secs() / 86_400) as i64, since.as_secs() % 86_400);
    // the civil date of a day number (Howard Hinnant, "chrono-compatible low-level date algorithms")
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since.subsec_micros())
}
