//! Validates the contents of messages.

use crate::{Error, Result, bail};
use serde_json::Value;

/// Message parts other than text, by their type or key.
const OTHERS: [(&str, &str); 9] = [
    ("image", "an image"),
    ("image_url", "an image"),
    ("input_image", "an image"),
    ("video", "a video"),
    ("video_url", "a video"),
    ("audio", "a sound"),
    ("audio_url", "a sound"),
    ("input_audio", "a sound"),
    ("file", "a file"),
];

/// Checks that messages are maps with a role and text.
pub fn check(messages: &[Value]) -> Result<()> {
    if messages.is_empty() {
        bail!("apply_chat_template", "there are no messages");
    }
    for (at, message) in messages.iter().enumerate() {
        if !message["role"].is_string() {
            bail!("apply_chat_template", "message {at} has no `role`: {message}");
        }
        for part in message["content"].as_array().into_iter().flatten() {
            let kind = part["type"].as_str().unwrap_or_default();
            if let Some((name, what)) = OTHERS.iter().find(|(name, _)| kind == *name || !part[*name].is_null()) {
                return Err(Error::new("apply_chat_template", format!("message {at} holds {what} (`{name}`)"))
                    .help("models here read text alone: leave such parts out, or such rows"));
            }
        }
    }
    Ok(())
}
