//! Replies that need no notebook.

use crate::script::Fault;
use jupyter_zmq_client::{
    CodeMirrorMode, HelpLink, JupyterMessage, JupyterMessageContent as Content, KernelInfoReply, LanguageInfo,
    ReplyError, ReplyStatus,
};
use serde_json::json;

/// The reply to a request for information about this kernel.
pub fn info() -> KernelInfoReply {
    let version = env!("CARGO_PKG_VERSION");
    KernelInfoReply {
        status: ReplyStatus::Ok,
        protocol_version: "5.3".to_string(),
        implementation: "levain".to_string(),
        implementation_version: version.to_string(),
        language_info: LanguageInfo {
            name: "rhai".to_string(),
            version: "1".to_string(),
            mimetype: Some("text/x-rhai".to_string()),
            file_extension: Some(".rhai".to_string()),
            pygments_lexer: Some("rust".to_string()),
            codemirror_mode: Some(CodeMirrorMode::Simple("rust".to_string())),
            nbconvert_exporter: None,
        },
        banner: format!("levain {version}: scripts that train and measure language models"),
        help_links: vec![HelpLink { text: "The Rhai book".to_string(), url: "https://rhai.rs/book/".to_string() }],
        debugger: false,
        error: None,
    }
}

/// The reply to a request of unknown type, or whose content does not match its type.
pub fn refusal(request: &JupyterMessage) -> Option<Content> {
    let Content::UnknownMessage(unknown) = &request.content else { return None };
    if !unknown.msg_type.ends_with("_request") {
        return None;
    }
    let why = match Content::from_type_and_content(&unknown.msg_type, unknown.content.clone()) {
        Ok(_) => "this kernel does not know it".to_string(),
        Err(error) => error.to_string(),
    };
    Some(unknown.reply(json!({ "status": "error", "ename": unknown.msg_type, "evalue": why, "traceback": [] })))
}

/// A fault as the reply to a request.
pub fn error(fault: &Fault) -> ReplyError {
    let (who, what) = fault.parts();
    ReplyError {
        ename: who.unwrap_or("error").to_string(),
        evalue: what.to_string(),
        traceback: fault.to_string().lines().map(str::to_string).collect(),
    }
}
