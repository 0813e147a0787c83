//! A row as text, and its ranges with loss.

use std::ops::Range;

/// The default template for prompt and completion.
pub const JOINED: &str = "{prompt}\n{completion}";

/// The turns of a chat with loss.
#[derive(Clone, Debug)]
pub enum LossOn {
    All,
    Role(String),
}

/// A text, and its ranges with loss.
pub struct Source {
    pub text: String,
    pub in_loss: InLoss,
    /// Whether the tokenizer adds its special tokens.
    pub special: bool,
    pub start: Option<u32>,
    pub eos: bool,
}

/// The ranges of a text with loss.
pub enum InLoss {
    All,
    Ranges(Vec<Range<usize>>),
    /// The tokens after the common prefix with these.
    After(Vec<u32>),
}
