//! Chat templates: render a conversation as text, and attribute its parts to messages.

mod fault;
mod header;
mod parts;
mod plain;
mod spans;
mod turns;

use crate::token::Tokenizer;
use crate::token::jinja::{Part, Template, Text, Variables};
use crate::{Result, bail, cancel};
use header::Header;
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::sync::Arc;
pub use turns::{Around, TurnForm};

/// A conversation as text, and its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    pub text: String,
    pub spans: Vec<ChatSpan>,
    /// The parts of the text that come from messages, in bytes and in order; the rest is the template's.
    pub said: Vec<Range<usize>>,
}

/// The rendering of a message, in bytes of the text. A message whose turn is in several places has several spans.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatSpan {
    /// Index of the message, from 0.
    pub message: usize,
    pub role: String,
    /// Its content.
    pub content: Range<usize>,
    /// What a model must generate in its turn: reasoning, words, tool calls, and the special token that ends it.
    pub turn: Range<usize>,
}

/// Inputs of a chat template besides the messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatOptions {
    /// Append the start of the assistant's next turn.
    pub add_generation_prompt: bool,
    /// End with the words of the last message, for a model to continue.
    pub continue_final_message: bool,
    /// JSON schemas of the tools, and texts to answer from.
    pub tools: Option<Vec<Value>>,
    pub documents: Option<Vec<Value>>,
    /// Other variables of the template, by name: `enable_thinking`, for example.
    pub variables: Map<String, Value>,
}

/// ChatML, for a tokenizer that has its tokens but no template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + \
                      '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// For any other tokenizer: a turn ends with EOS, so that a model learns to stop.
const PLAIN: &str = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + eos_token + '\\n' }}\
                     {% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";

impl Tokenizer {
    /// The chat template that came with it, or one that fits its special tokens: ChatML if it has `<|im_end|>` (or no EOS),
    /// otherwise `role: words` and EOS.
    pub fn template(&self) -> &str {
        match self.own_template() {
            Some(own) => own,
            None if self.id("<|im_end|>").is_some() || self.eos().is_none() => CHATML,
            None => PLAIN,
        }
    }

    /// Whether its chat template supports tools.
    pub fn takes_tools(&self) -> bool {
        self.template().contains("tools") || self.named_templates().any(|(name, _)| name == "tool_use")
    }

    /// The parsed template, cached. With tools it is the one named `tool_use`, if any.
    fn parsed_template(&self, tools: bool) -> Result<Arc<Template>> {
        let for_tools = self.named_templates().find(|(name, _)| tools && *name == "tool_use");
        let parsed = self.parsed(for_tools.is_some());
        if let Some(known) = parsed.get() {
            return Ok(known.clone());
        }
        let source = for_tools.map_or(self.template(), |(_, template)| template);
        let template = Template::parse(source).map_err(fault::told)?;
        Ok(parsed.get_or_init(|| Arc::new(template)).clone())
    }

    /// Renders messages (maps with `role` and `content`) by the tokenizer's chat template.
    pub fn apply_chat_template(&self, messages: &[Value], options: &ChatOptions) -> Result<Chat> {
        parts::check(messages)?;
        if options.continue_final_message && options.add_generation_prompt {
            bail!(
                "apply_chat_template",
                "`add_generation_prompt` begins a turn, where `continue_final_message` goes on with one"
            );
        }
        let writer = ChatWriter::new(self, options)?;
        let text = writer.render(messages, options.add_generation_prompt)?;
        let said = text.runs().filter(|(_, source)| source.said.is_some()).map(|(range, _)| range).collect();
        let mut chat = Chat { text: text.as_str().to_string(), spans: writer.spans(messages, &text), said };
        if options.continue_final_message {
            cut(&mut chat, &text, messages.len() - 1)?;
        }
        Ok(chat)
    }
}

/// Truncates a chat after the words of its last message.
fn cut(chat: &mut Chat, text: &Text, last: usize) -> Result<()> {
    let said = |source: crate::token::jinja::Source| source.said == Some(last as u32) && source.part == Part::Content;
    let Some(end) = text.runs().filter(|(_, source)| said(*source)).map(|(range, _)| range.end).last() else {
        bail!("apply_chat_template", "the template writes no words of the last message, which was to be continued");
    };
    chat.text.truncate(end);
    chat.spans.retain(|span| span.turn.start < end);
    chat.said.retain(|said| said.start < end);
    for span in &mut chat.spans {
        span.turn.end = span.turn.end.min(end);
        span.content = span.content.start.min(end)..span.content.end.min(end);
    }
    Ok(())
}

/// A template with its inputs, to render various messages.
struct ChatWriter<'a> {
    tokenizer: &'a Tokenizer,
    template: Arc<Template>,
    variables: Map<String, Value>,
    /// Bytes of its inputs besides messages.
    bytes: u64,
}

impl ChatWriter<'_> {
    fn new<'a>(tokenizer: &'a Tokenizer, options: &ChatOptions) -> Result<ChatWriter<'a>> {
        let template = tokenizer.parsed_template(options.tools.is_some())?;
        // explicit variables take precedence over special tokens, as in transformers
        let names = super::SPECIALS.iter().filter_map(|name| {
            let token = tokenizer.token(tokenizer.special(name)?)?;
            Some((format!("{name}_token"), json!(token)))
        });
        let mut variables: Map<String, Value> = names.collect();
        for (name, list) in [("tools", &options.tools), ("documents", &options.documents)] {
            if let Some(list) = list {
                variables.insert(name.into(), Value::Array(list.clone()));
            }
        }
        variables.extend(options.variables.clone());
        let bytes = variables.values().map(|value| value.to_string().len() as u64).sum();
        Ok(ChatWriter { tokenizer, template, variables, bytes })
    }

    fn render(&self, messages: &[Value], add_generation_prompt: bool) -> Result<Text> {
        cancel::check()?;
        let bytes = self.bytes + messages.iter().map(|message| message.to_string().len() as u64).sum::<u64>();
        let variables = Variables { messages, add_generation_prompt, more: &self.variables };
        self.template.render(&variables, steps(messages.len(), bytes)).map_err(fault::told)
    }

    fn spans(&self, messages: &[Value], text: &Text) -> Vec<ChatSpan> {
        let specials: Vec<&str> = self
            .tokenizer
            .specials()
            .into_iter()
            .filter_map(|id| self.tokenizer.token(id))
            .chain(["<|im_end|>"])
            .collect();
        // with thinking disabled a prompt may contain an empty thought, and more text that a model would generate itself
        let mut variables = self.variables.clone();
        variables.retain(|name, _| name != "enable_thinking");
        let plain = ChatWriter { template: self.template.clone(), variables, ..*self };
        let mut header = Header::new(messages, move |messages, open| plain.render(messages, open).ok());
        let end = self.tokenizer.eos().and_then(|id| self.tokenizer.token(id)).unwrap_or_default();
        spans::spans(messages, text, self.template.generates, (&specials, end), &mut header)
    }
}

/// The maximum steps of a rendering: templates of well-known models take some hundred per message, and read each text a few
/// times.
fn steps(messages: usize, bytes: u64) -> u64 {
    1_000_000 + 10_000 * messages as u64 + 2 * bytes
}
