//! Requests to the engine, and its events in return.

use super::error::ApiError;
use super::grammar::Constraint;
use crate::model::Sampling;
use std::ops::Range;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// A prompt to continue.
pub struct Job {
    /// The client: its requests do not displace those of others.
    pub client: String,
    /// The index of the model.
    pub model: usize,
    pub prompt: Vec<u32>,
    /// Number of answers, generated in parallel, and the index of the first.
    pub choices: usize,
    pub first: usize,
    pub sampling: Sampling,
    pub seed: u64,
    pub stops: Vec<String>,
    /// Number of likeliest tokens reported with each token; even with 0, the token itself is reported.
    pub top_logprobs: Option<usize>,
    /// Also report the tokens of the prompt.
    pub prompt_logprobs: bool,
    pub constraint: Option<Constraint>,
    /// Omit special tokens from the text.
    pub skip_special: bool,
    pub events: UnboundedSender<Event>,
}

/// Texts to embed.
pub struct EmbedJob {
    pub client: String,
    pub model: usize,
    pub texts: Vec<String>,
    /// For reranking: the query.
    pub query: Option<String>,
    pub answer: oneshot::Sender<Result<Vec<Vec<f32>>, ApiError>>,
}

pub enum Work {
    Write(Box<Job>),
    Embed(EmbedJob),
}

impl Work {
    pub fn client(&self) -> &str {
        match self {
            Work::Write(job) => &job.client,
            Work::Embed(job) => &job.client,
        }
    }

    /// Whether the client has disconnected.
    pub fn is_left(&self) -> bool {
        match self {
            Work::Write(job) => job.events.is_closed(),
            Work::Embed(job) => job.answer.is_closed(),
        }
    }

    /// Number of lines that it takes in a batch.
    pub fn lines(&self) -> usize {
        match self {
            Work::Write(job) => job.choices,
            Work::Embed(_) => 0,
        }
    }

    pub fn refuse(self, error: ApiError) {
        match self {
            // the client may have disconnected
            Work::Write(job) => drop(job.events.send(Event::Failed(error))),
            Work::Embed(job) => drop(job.answer.send(Err(error))),
        }
    }
}

/// A token with its likelihood, before temperature and penalties.
#[derive(Clone, Debug)]
pub struct TokenChance {
    pub id: u32,
    /// Natural logarithm; `None` for the first token of a text.
    pub logprob: Option<f64>,
    /// The likeliest tokens at its position.
    pub top: Vec<(u32, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its text, or a stop string was reached.
    Stop,
    /// The token limit was reached.
    Length,
}

#[derive(Debug)]
pub enum Event {
    /// The prompt is read; `cached` tokens were reused from earlier prompts.
    Read { cached: usize },
    /// Likelihoods of the prompt's tokens, for these answers.
    Prompt { choices: Range<usize>, chances: Vec<TokenChance> },
    /// One more token, and the text that it completes.
    Token { choice: usize, text: String, chance: Option<TokenChance> },
    /// The rest of the text, and the finish reason.
    End { choice: usize, text: String, reason: FinishReason },
    /// The request failed; no more events follow.
    Failed(ApiError),
}
