//! Parses a client's message from the parts read from a socket.

use jupyter_zmq_client::{
    Header, JupyterMessage, JupyterMessageContent as Content, RawMessage, RuntimeError, UnknownMessage,
};

/// Parses the parts of a message. A request whose content does not match its type becomes one of unknown type, so that it can be
/// refused.
pub fn message(raw: RawMessage) -> Result<JupyterMessage, RuntimeError> {
    let header: Header = serde_json::from_slice(&raw.jparts[0])?;
    let content: serde_json::Value = serde_json::from_slice(&raw.jparts[3])?;
    let unknown = || UnknownMessage { msg_type: header.msg_type.clone(), content: content.clone() }.into();
    Ok(JupyterMessage {
        content: Content::from_type_and_content(&header.msg_type, content.clone()).unwrap_or_else(|_| unknown()),
        zmq_identities: raw.zmq_identities,
        parent_header: None,
        metadata: serde_json::from_slice(&raw.jparts[2])?,
        buffers: raw.jparts[4..].to_vec(),
        channel: None,
        header,
    })
}
