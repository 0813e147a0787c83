//! What a request asks of the engine, and what it hears back.

use super::error::ApiError;
use super::grammar::Constraint;
use crate::model::Sampling;
use std::ops::Range;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// A prompt to continue.
pub struct Job {
    /// Who asks: requests of one client do not push those of another aside.
    pub client: String,
    /// The number of the model.
    pub model: usize,
    pub prompt: Vec<u32>,
    /// How many answers, written side by side, and the number of the first.
    pub choices: usize,
    pub first: usize,
    pub sampling: Sampling,
    pub seed: u64,
    pub stops: Vec<String>,
    /// So many of the likeliest tokens are told with each token, which is told itself even with 0.
    pub top_logprobs: Option<usize>,
    /// The tokens of the prompt are told too.
    pub prompt_logprobs: bool,
    pub constraint: Option<Constraint>,
    /// Special tokens are left out of the text.
    pub skip_special: bool,
    pub events: UnboundedSender<Event>,
}

/// Texts to embed.
pub struct EmbedJob {
    pub client: String,
    pub model: usize,
    pub texts: Vec<String>,
    /// What they are ranked by, where they are.
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

    /// Whether nobody waits for the answer any more.
    pub fn is_left(&self) -> bool {
        match self {
            Work::Write(job) => job.events.is_closed(),
            Work::Embed(job) => job.answer.is_closed(),
        }
    }

    /// Lines that it takes in a batch.
    pub fn lines(&self) -> usize {
        match self {
            Work::Write(job) => job.choices,
            Work::Embed(_) => 0,
        }
    }

    pub fn refuse(self, error: ApiError) {
        match self {
            // nobody may be there to hear it
            Work::Write(job) => drop(job.events.send(Event::Failed(error))),
            Work::Embed(job) => drop(job.answer.send(Err(error))),
        }
    }
}

/// A token with its likelihood, before temperature and penalties.
#[derive(Clone, Debug)]
pub struct TokenChance {
    pub id: u32,
    /// Natural logarithm; the first token of a text has none.
    pub logprob: Option<f64>,
    /// The likeliest tokens in its place.
    pub top: Vec<(u32, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its text, or a stop string came.
    Stop,
    /// There was no room for more.
    Length,
}

#[derive(Debug)]
pub enum Event {
    /// The prompt is read; so many of its tokens were known from earlier prompts.
    Read { cached: usize },
    /// How likely the tokens of the prompt were, of these answers.
    Prompt { choices: Range<usize>, chances: Vec<TokenChance> },
    /// One more token, and the text that is certain with it.
    Token { choice: usize, text: String, chance: Option<TokenChance> },
    /// The rest of the text, and why it ends.
    End { choice: usize, text: String, reason: FinishReason },
    /// Nothing more comes.
    Failed(ApiError),
}
