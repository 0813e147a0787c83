//! Errors of a template in readable form.

use crate::Error;
use crate::token::jinja::{AtLine, Fault};

pub fn told((line, fault): AtLine) -> Error {
    match fault {
        Fault::Stopped(error) => *error,
        Fault::Endless => {
            Error::new("apply_chat_template", "the template does not end, or does far more than such messages need")
                .help("take the template of another tokenizer")
        }
        Fault::Told(told) => {
            Error::new("apply_chat_template", format!("the template fails at its line {line}: {told}"))
        }
    }
}
