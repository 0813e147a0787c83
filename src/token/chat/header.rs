//! What a template writes before the words of an assistant: it is given to a model, and not written by it.

use crate::token::jinja::Text;
use serde_json::{Value, json};

/// Renders messages, with the start of the assistant's next turn or without.
type Render<'a> = dyn Fn(&[Value], bool) -> Option<Text> + 'a;

pub struct Header<'a> {
    messages: &'a [Value],
    render: Box<Render<'a>>,
    prompt: Option<String>,
    usual: Option<String>,
}

impl<'a> Header<'a> {
    pub fn new(messages: &'a [Value], render: impl Fn(&[Value], bool) -> Option<Text> + 'a) -> Header<'a> {
        Header { messages, render: Box::new(render), prompt: None, usual: None }
    }

    /// The messages before the assistant's first turn; a question where there are none, which templates want.
    fn before(&self) -> Vec<Value> {
        let first = self.messages.iter().position(|message| message["role"] == "assistant");
        match &self.messages[..first.unwrap_or(self.messages.len())] {
            [] => vec![json!({ "role": "user", "content": "x" })],
            before => before.to_vec(),
        }
    }

    /// The generation prompt, if the template has one.
    pub fn prompt(&mut self) -> &str {
        if self.prompt.is_none() {
            let before = self.before();
            let prompt = (self.render)(&before, true).zip((self.render)(&before, false));
            let prompt =
                prompt.and_then(|(open, closed)| open.as_str().strip_prefix(closed.as_str()).map(str::to_string));
            self.prompt = Some(own(prompt.unwrap_or_default()));
        }
        self.prompt.as_deref().unwrap_or_default()
    }

    /// What stands before the words of a turn that has nothing but words.
    pub fn usual(&mut self) -> &str {
        if self.usual.is_none() {
            let before = self.before();
            let number = before.len() as u32;
            let messages: Vec<Value> =
                before.into_iter().chain([json!({ "role": "assistant", "content": "x" })]).collect();
            let usual = (self.render)(&messages, false).and_then(|text| {
                let turn = text.runs().find(|(_, source)| source.turn == Some(number))?.0.start;
                let said = text.runs().find(|(_, source)| source.said == Some(number))?.0.start;
                text.as_str().get(turn..said).map(str::to_string)
            });
            self.usual = Some(own(usual.unwrap_or_default()));
        }
        self.usual.as_deref().unwrap_or_default()
    }
}

/// The header without the beginning of a thought. A template may write it for a model (`<think>`), but thoughts are the
/// model's own, with what opens them: TRL's training templates have it so.
fn own(mut header: String) -> String {
    let mut from = 0;
    while let Some(open) = header[from..].find(['<', '[']).map(|at| from + at) {
        let Some(close) = header[open..].find(['>', ']']).map(|at| open + at) else { break };
        let tag = header[open..close].to_ascii_lowercase();
        if ["think", "thought", "reason"].iter().any(|word| tag.contains(word)) {
            header.truncate(open);
            break;
        }
        from = close;
    }
    header
}
