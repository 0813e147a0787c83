//! Responses in the formats of OpenAI's two endpoints, whole and in chunks.

use super::job::{FinishReason, TokenChance};
use super::tools::{Call, Tools};
use crate::token::{Tokenizer, digits};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Chat,
    Completion,
}

/// The shared fields of all parts of one response.
pub struct Reply {
    pub kind: Kind,
    pub id: String,
    pub model: String,
    pub created: u64,
    pub tok: Tokenizer,
    pub tools: Option<Tools>,
    pub logprobs: bool,
    pub include_usage: bool,
    pub prompt_tokens: usize,
    /// Text before each answer: the prompt, if echoed.
    pub echo: Vec<String>,
    /// Omit special tokens from texts.
    pub skip_special: bool,
    pub choices: usize,
}

/// One growing answer.
#[derive(Default)]
pub struct Choice {
    pub text: String,
    pub tokens: usize,
    pub chances: Vec<TokenChance>,
    /// Whether the likelihoods begin with those of the prompt.
    pub echoed: bool,
    pub reason: Option<FinishReason>,
}

pub fn reason_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    }
}

impl Reply {
    fn frame(&self, object: &str, choices: Value) -> Map<String, Value> {
        let mut made = Map::new();
        made.insert("id".into(), json!(self.id));
        made.insert("object".into(), json!(object));
        made.insert("created".into(), json!(self.created));
        made.insert("model".into(), json!(self.model));
        made.insert("system_fingerprint".into(), json!(concat!("levain-", env!("CARGO_PKG_VERSION"))));
        made.insert("choices".into(), choices);
        made
    }

    pub fn usage(&self, completion: usize, cached: usize) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": { "cached_tokens": cached },
        })
    }

    /// The whole response.
    pub fn whole(&self, choices: &[Choice], cached: usize) -> Value {
        let list: Vec<Value> = choices.iter().enumerate().map(|(index, choice)| self.choice(index, choice)).collect();
        let object = if self.kind == Kind::Chat { "chat.completion" } else { "text_completion" };
        let mut made = self.frame(object, list.into());
        made.insert("usage".into(), self.usage(choices.iter().map(|choice| choice.tokens).sum(), cached));
        Value::Object(made)
    }

    fn choice(&self, index: usize, choice: &Choice) -> Value {
        let mut reason = choice.reason.map(reason_word);
        if self.kind == Kind::Completion {
            let echo = self.echo(index);
            // with an echo, the prompt's tokens come first
            let start = if choice.echoed { 0 } else { echo.chars().count() };
            let logprobs = self.logprobs.then(|| self.legacy(&choice.chances, start));
            let text = format!("{echo}{}", choice.text);
            return json!({ "index": index, "text": text, "logprobs": logprobs, "finish_reason": reason });
        }
        let (words, calls) = self.split(&choice.text);
        let mut message = json!({ "role": "assistant", "content": words, "refusal": null });
        if !calls.is_empty() {
            reason = Some("tool_calls");
            message["tool_calls"] = self.calls(index, &calls, false);
            if words.is_empty() {
                message["content"] = Value::Null;
            }
        }
        let logprobs = self.logprobs.then(|| json!({ "content": self.chances(&choice.chances), "refusal": null }));
        json!({ "index": index, "message": message, "logprobs": logprobs, "finish_reason": reason })
    }

    pub fn echo(&self, index: usize) -> &str {
        let each = self.choices / self.echo.len().max(1);
        self.echo.get(index / each.max(1)).map_or("", String::as_str)
    }

    pub fn split(&self, text: &str) -> (String, Vec<Call>) {
        match &self.tools {
            Some(tools) => tools.split(text),
            None => (text.to_string(), Vec::new()),
        }
    }

    pub fn calls(&self, choice: usize, calls: &[Call], chunk: bool) -> Value {
        let one = |(at, call): (usize, &Call)| {
            let function = json!({ "name": call.name, "arguments": digits::written(&call.arguments) });
            let id = format!("call_{}_{choice}_{at}", self.id.rsplit('-').next().unwrap_or_default());
            let mut made = json!({ "id": id, "type": "function", "function": function });
            if chunk {
                made["index"] = json!(at);
            }
            made
        };
        calls.iter().enumerate().map(one).collect::<Vec<_>>().into()
    }

    /// A part of one answer.
    pub fn chunk(&self, index: usize, delta: Value, chances: &[TokenChance], at: usize, reason: Option<&str>) -> Value {
        let choice = match self.kind {
            Kind::Chat => {
                let some = self.logprobs && !chances.is_empty();
                let logprobs = some.then(|| json!({ "content": self.chances(chances), "refusal": null }));
                json!({ "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason })
            }
            Kind::Completion => {
                let logprobs = (self.logprobs && !chances.is_empty()).then(|| self.legacy(chances, at));
                let text = delta.get("content").cloned().unwrap_or_else(|| json!(""));
                json!({ "index": index, "text": text, "logprobs": logprobs, "finish_reason": reason })
            }
        };
        self.part(json!([choice]), Value::Null)
    }

    /// A chunk with these choices.
    pub fn part(&self, choices: Value, usage: Value) -> Value {
        let object = if self.kind == Kind::Chat { "chat.completion.chunk" } else { "text_completion" };
        let mut made = self.frame(object, choices);
        if self.include_usage {
            made.insert("usage".into(), usage);
        }
        Value::Object(made)
    }

    fn token(&self, id: u32) -> (String, Vec<u8>) {
        let bytes = self.tok.token_bytes(id);
        (String::from_utf8_lossy(&bytes).into_owned(), bytes)
    }

    /// The format of chats. `id` is an addition to OpenAI's.
    fn chances(&self, chances: &[TokenChance]) -> Value {
        let one = |id: u32, logprob: Option<f64>| {
            let (token, bytes) = self.token(id);
            json!({ "token": token, "logprob": logprob, "bytes": bytes, "id": id })
        };
        let list = chances.iter().map(|chance| {
            let mut made = one(chance.id, chance.logprob);
            let top: Vec<Value> = chance.top.iter().map(|(id, logprob)| one(*id, Some(*logprob))).collect();
            made["top_logprobs"] = top.into();
            made
        });
        list.collect::<Vec<_>>().into()
    }

    /// The format of completions. `start` is the offset of the first token in the text.
    fn legacy(&self, chances: &[TokenChance], start: usize) -> Value {
        let (mut tokens, mut offsets, mut top, mut at) = (Vec::new(), Vec::new(), Vec::new(), start);
        for chance in chances {
            let (token, _) = self.token(chance.id);
            offsets.push(at);
            let hidden = self.skip_special && self.tok.is_special(chance.id);
            at += if hidden { 0 } else { token.chars().count() };
            tokens.push(token);
            let pairs = chance.top.iter().map(|(id, logprob)| (self.token(*id).0, json!(logprob)));
            top.push(if chance.logprob.is_some() { Value::Object(pairs.collect()) } else { Value::Null });
        }
        let logprobs: Vec<Option<f64>> = chances.iter().map(|chance| chance.logprob).collect();
        json!({ "tokens": tokens, "token_logprobs": logprobs, "top_logprobs": top, "text_offset": offsets })
    }
}
