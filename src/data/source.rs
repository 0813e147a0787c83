//! A row as text, and what of it is in the loss.

use std::ops::Range;

/// How prompt and completion are joined where nothing else is said.
pub const JOINED: &str = "{prompt}\n{completion}";

/// The turns of a chat that are in the loss.
#[derive(Clone, Debug)]
pub enum LossOn {
    All,
    Role(String),
}

/// A text, and what of it is in the loss.
pub struct Source {
    pub text: String,
    pub in_loss: InLoss,
    /// Whether the tokenizer adds its special tokens.
    pub special: bool,
    pub start: Option<u32>,
    pub eos: bool,
}

/// What of a text is in the loss.
pub enum InLoss {
    All,
    Ranges(Vec<Range<usize>>),
    /// The tokens behind those that these begin with too.
    After(Vec<u32>),
}
