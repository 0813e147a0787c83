//! Sends an answer: whole, or streamed as server-sent events.

use super::error::{Answer, ApiError, json_response};
use super::job::{Event, FinishReason, TokenChance};
use super::reply::{Choice, Kind, Reply, reason_word};
use super::tools::Watch;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use http_body::Frame;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver};

/// Maximum number of chunks buffered for a slow client.
const AHEAD: usize = 64;

fn lost() -> ApiError {
    ApiError::internal("the answer was lost")
}

/// Waits for all answers.
pub async fn whole(reply: Reply, mut events: UnboundedReceiver<Event>) -> Answer<Response> {
    let mut choices: Vec<Choice> = (0..reply.choices).map(|_| Choice::default()).collect();
    let mut cached_tokens = 0;
    while choices.iter().any(|choice| choice.reason.is_none()) {
        match events.recv().await.ok_or_else(lost)? {
            Event::Read { cached } => cached_tokens += cached,
            Event::Prompt { choices: range, chances } => {
                for choice in &mut choices[range] {
                    (choice.chances, choice.echoed) = (chances.clone(), true);
                }
            }
            Event::Token { choice, text, chance } => {
                let choice = &mut choices[choice];
                choice.text.push_str(&text);
                choice.tokens += 1;
                choice.chances.extend(chance);
            }
            Event::End { choice, text, reason } => {
                choices[choice].text.push_str(&text);
                choices[choice].reason = Some(reason);
            }
            Event::Failed(error) => return Err(error),
        }
    }
    Ok(json_response(StatusCode::OK, &reply.whole(&choices, cached_tokens)))
}

/// The progress of one answer's stream.
#[derive(Default)]
struct Sent {
    begun: bool,
    /// Position in characters.
    at: usize,
    watch: Watch,
    /// Likelihoods of the prompt, until it is echoed.
    prompt: Vec<TokenChance>,
    done: bool,
}

struct Streaming {
    reply: Reply,
    out: Sender<Bytes>,
    sent: Vec<Sent>,
    tokens: usize,
    cached: usize,
}

/// Streams the answers as they are generated.
pub fn events(reply: Reply, mut events: UnboundedReceiver<Event>) -> Response {
    let (out, chunks) = mpsc::channel(AHEAD);
    let sent = (0..reply.choices).map(|_| Sent::default()).collect();
    let mut streaming = Streaming { reply, out, sent, tokens: 0, cached: 0 };
    tokio::spawn(async move {
        loop {
            // also notices a client that disconnects while no event arrives
            let event = tokio::select! {
                event = events.recv() => event,
                () = streaming.out.closed() => return,
            };
            if !matches!(streaming.take(event).await, Some(true)) {
                return;
            }
        }
    });
    let mut response = Response::new(Body::new(Chunks(chunks)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

impl Streaming {
    async fn send(&self, value: &Value) -> Option<()> {
        self.out.send(Bytes::from(format!("data: {value}\n\n"))).await.ok()
    }

    /// Sends on one event; `None` if the client has disconnected, false at the end.
    async fn take(&mut self, event: Option<Event>) -> Option<bool> {
        match event.unwrap_or_else(|| Event::Failed(lost())) {
            Event::Read { cached } => self.cached += cached,
            Event::Prompt { choices, chances } => {
                self.sent[choices].iter_mut().for_each(|sent| sent.prompt.clone_from(&chances));
            }
            Event::Token { choice, text, chance } => {
                self.tokens += 1;
                self.begin(choice).await?;
                let chances: Vec<TokenChance> = chance.into_iter().collect();
                self.words(choice, &text, &chances).await?;
            }
            Event::End { choice, text, reason } => {
                self.begin(choice).await?;
                self.words(choice, &text, &[]).await?;
                self.end(choice, reason).await?;
            }
            Event::Failed(error) => {
                self.send(&error.json()).await?;
                return Some(false);
            }
        }
        if self.sent.iter().any(|sent| !sent.done) {
            return Some(true);
        }
        if self.reply.include_usage {
            let usage = self.reply.usage(self.tokens, self.cached);
            self.send(&self.reply.part(json!([]), usage)).await?;
        }
        self.out.send(Bytes::from_static(b"data: [DONE]\n\n")).await.ok()?;
        Some(false)
    }

    async fn begin(&mut self, choice: usize) -> Option<()> {
        if std::mem::replace(&mut self.sent[choice].begun, true) {
            return Some(());
        }
        if self.reply.kind == Kind::Chat {
            let delta = json!({ "role": "assistant", "content": "" });
            return self.send(&self.reply.chunk(choice, delta, &[], 0, None)).await;
        }
        let echo = self.reply.echo(choice).to_string();
        self.sent[choice].at = echo.chars().count();
        match echo.is_empty() {
            true => Some(()),
            false => {
                let chances = std::mem::take(&mut self.sent[choice].prompt);
                self.send(&self.reply.chunk(choice, json!({ "content": echo }), &chances, 0, None)).await
            }
        }
    }

    async fn words(&mut self, choice: usize, text: &str, chances: &[TokenChance]) -> Option<()> {
        let sent = &mut self.sent[choice];
        let text = if self.reply.tools.is_some() { sent.watch.push(text) } else { text.to_string() };
        if text.is_empty() && chances.is_empty() {
            return Some(());
        }
        let at = sent.at;
        sent.at += text.chars().count();
        self.send(&self.reply.chunk(choice, json!({ "content": text }), chances, at, None)).await
    }

    async fn end(&mut self, choice: usize, reason: FinishReason) -> Option<()> {
        self.sent[choice].done = true;
        let held = std::mem::take(&mut self.sent[choice].watch.held);
        let (words, calls) = self.reply.split(&held);
        let mut word = reason_word(reason);
        if !words.is_empty() {
            self.send(&self.reply.chunk(choice, json!({ "content": words }), &[], 0, None)).await?;
        }
        if !calls.is_empty() {
            word = "tool_calls";
            let delta = json!({ "tool_calls": self.reply.calls(choice, &calls, true) });
            self.send(&self.reply.chunk(choice, delta, &[], 0, None)).await?;
        }
        self.send(&self.reply.chunk(choice, json!({}), &[], 0, Some(word))).await
    }
}

/// A body that ends when its sender does.
struct Chunks(Receiver<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.get_mut().0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
