//! Chat templates: the text that a conversation becomes, and where in it who said what.

use crate::token::Tokenizer;
use crate::{Error, Result, bail, cancel, limits};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, State};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A conversation as text, and its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    pub text: String,
    pub spans: Vec<ChatSpan>,
}

/// What one message became, in bytes of the text.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatSpan {
    /// Which message, from 0.
    pub message: usize,
    pub role: String,
    /// The words themselves.
    pub content: Range<usize>,
    /// The words and the special token that ends the turn: what a model has to write when it is its turn.
    pub turn: Range<usize>,
}

/// ChatML, for a tokenizer that has its tokens and brings no template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + \
                      '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// For any other: a turn ends with the token that ends a text, so that a model learns to stop.
const PLAIN: &str = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + eos_token + '\\n' }}\
                     {% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";

/// Templates that print the date get this one (Llama 3's own default), so that the same chat is the same text.
const DATE: (&str, &str, &str) = ("2024", "07", "26");

impl Tokenizer {
    /// The chat template that came with it, or the one that fits its special tokens: ChatML where it has
    /// `<|im_end|>` (or nothing that ends a text), else `role: words` and the token that ends a text.
    pub fn template(&self) -> &str {
        match self.own_template() {
            Some(own) => own,
            None if self.id("<|im_end|>").is_some() || self.eos().is_none() => CHATML,
            None => PLAIN,
        }
    }

    /// Writes messages (maps with `role` and `content`) by the tokenizer's chat template.
    /// `open` begins the assistant's next turn.
    pub fn apply_chat_template(&self, messages: &[Value], open: bool) -> Result<Chat> {
        if messages.is_empty() {
            bail!("apply_chat_template", "there are no messages");
        }
        for (at, message) in messages.iter().enumerate() {
            if !message["role"].is_string() {
                bail!("apply_chat_template", "message {at} has no `role`: {message}");
            }
        }
        let mut template = Template::new(self)?;
        let text = template.render(messages, open)?;
        let contents = match template.marked(messages, open, &text)? {
            Some(contents) => contents,
            None => template.searched(messages, &text)?,
        };
        let spans = self.spans(messages, &contents, &text);
        Ok(Chat { text, spans })
    }

    /// A turn reaches from the first word to the special token that ends it, if one comes before the next message.
    fn spans(&self, messages: &[Value], contents: &[Option<Range<usize>>], text: &str) -> Vec<ChatSpan> {
        let specials: Vec<&str> = self.specials().into_iter().filter_map(|id| self.token(id)).collect();
        let mut spans = Vec::new();
        for (at, content) in contents.iter().enumerate() {
            let Some(content) = content.clone() else { continue };
            let limit = contents[at + 1..].iter().flatten().map(|next| next.start).next().unwrap_or(text.len());
            let after = &text[content.end..limit];
            let end = first_special(after, &specials).map_or(content.end, |end| content.end + end);
            let role = messages[at]["role"].as_str().unwrap_or_default().to_string();
            spans.push(ChatSpan { message: at, role, turn: content.start..end, content });
        }
        spans
    }
}

/// Where the first special token of `after` ends. Without a special token of its own, ChatML's mark counts.
fn first_special(after: &str, specials: &[&str]) -> Option<usize> {
    let known = specials.iter().copied().chain(["<|im_end|>"]);
    known
        .filter(|token| !token.is_empty())
        .filter_map(|token| after.find(token).map(|start| (start, std::cmp::Reverse(token.len()))))
        .min()
        .map(|(start, length)| start + length.0)
}

struct Template {
    environment: Environment<'static>,
    /// What the last rendering took.
    burnt: Arc<AtomicU64>,
    /// Names of special tokens, as templates ask for them.
    names: Vec<(String, String)>,
}

/// Around the words of a message while we look for them: private characters that no text holds.
const MARKS: [char; 2] = ['\u{10fff0}', '\u{10fff1}'];

impl Template {
    fn new(tokenizer: &Tokenizer) -> Result<Template> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(told)?;
        environment.set_syntax(syntax);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        let burnt = Arc::new(AtomicU64::new(0));
        let spent = burnt.clone();
        environment.add_function(
            "raise_exception",
            move |state: &State, message: String| -> Result<String, minijinja::Error> {
                note(&spent, state);
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment.add_function("strftime_now", |format: String| date(&format));
        // Hugging Face's own tag for training masks; we find the turns ourselves
        let source = tokenizer.template();
        let source = source.replace("{% generation %}", "").replace("{% endgeneration %}", "");
        let source = source.replace("{%- generation -%}", "").replace("{%- endgeneration -%}", "");
        let source = source.replace("{%- generation %}", "").replace("{%- endgeneration %}", "");
        environment.add_template_owned("chat", source).map_err(told)?;
        let names = super::SPECIALS.iter().filter_map(|name| {
            let token = tokenizer.token(tokenizer.special(name)?)?;
            Some((format!("{name}_token"), token.to_string()))
        });
        Ok(Template { names: names.collect(), environment, burnt })
    }

    /// A template is a program, perhaps a stranger's: it may do only so much, which counts as operations of the script.
    fn render(&mut self, messages: &[Value], open: bool) -> Result<String> {
        cancel::check()?;
        let fuel = fuel(messages);
        self.environment.set_fuel(Some(fuel));
        // unless it tells better
        self.burnt.store(fuel, Ordering::Relaxed);
        let rendered = self.rendered(messages, open);
        limits::current().charge(self.burnt.load(Ordering::Relaxed))?;
        rendered.map_err(told)
    }

    fn rendered(&self, messages: &[Value], open: bool) -> Result<String, minijinja::Error> {
        let names = self.names.iter().map(|(name, token)| (name.as_str(), minijinja::Value::from(token.as_str())));
        let asked = [("messages", jinja(&json!(messages))), ("add_generation_prompt", open.into())];
        let template = self.environment.get_template("chat")?;
        let rendered = template.render_captured(minijinja::Value::from_pairs(names.chain(asked)))?;
        note(&self.burnt, rendered.state());
        Ok(rendered.into_output())
    }

    /// Renders once more with marks around every content. `None` where the template looks into its messages,
    /// so that marks would change what it writes.
    fn marked(&mut self, messages: &[Value], open: bool, text: &str) -> Result<Option<Vec<Option<Range<usize>>>>> {
        if text.contains(MARKS) {
            bail!("apply_chat_template", "a message holds the private character U+10FFF0 or U+10FFF1");
        }
        let marked: Vec<Value> = messages.iter().map(mark).collect();
        let Ok(rendered) = self.render(&marked, open) else { return Ok(None) };
        let mut plain = String::with_capacity(text.len());
        let mut marks = Vec::new();
        for character in rendered.chars() {
            match MARKS.iter().position(|mark| *mark == character) {
                Some(which) => marks.push((which, plain.len())),
                None => plain.push(character),
            }
        }
        let with_words = messages.iter().filter(|message| words(message).is_some()).count();
        let paired = marks.len() == 2 * with_words && marks.iter().enumerate().all(|(at, (which, _))| at % 2 == *which);
        if plain != text || !paired {
            return Ok(None);
        }
        let mut ranges = marks.chunks(2).map(|pair| pair[0].1..pair[1].1);
        // a template that reorders its messages would make the pairs lie
        let contents: Vec<_> = messages.iter().map(|message| words(message).and_then(|_| ranges.next())).collect();
        let honest = messages.iter().zip(&contents).all(|(message, range)| match (words(message), range) {
            (Some(words), Some(range)) => text[range.clone()] == *words,
            (None, None) => true,
            _ => false,
        });
        Ok(honest.then_some(contents))
    }

    /// Finds each content after what the messages before it wrote.
    fn searched(&mut self, messages: &[Value], text: &str) -> Result<Vec<Option<Range<usize>>>> {
        let mut contents = Vec::with_capacity(messages.len());
        let mut from = 0;
        for (at, message) in messages.iter().enumerate() {
            let Some(words) = words(message) else {
                contents.push(None);
                continue;
            };
            let role = message["role"].as_str().unwrap_or_default();
            // the header may hold the words too ("user"): skip it where the template can show it alone
            let header = if role == "assistant" && at > 0 { self.render(&messages[..at], true).ok() } else { None };
            let start =
                header.filter(|header| text.starts_with(header.as_str())).map_or(from, |header| header.len().max(from));
            let Some(found) = text[start..].find(words) else {
                return Err(Error::new(
                    "apply_chat_template",
                    format!("the template does not write the words of message {at} ({role}) as they are"),
                )
                .help("who said what cannot be told; take the text of another template"));
            };
            contents.push(Some(start + found..start + found + words.len()));
            from = start + found + words.len();
        }
        Ok(contents)
    }
}

/// What a rendering may take, in minijinja's fuel: an instruction is one, and so are 64 bytes of text. Templates of
/// well-known models take some hundred for a message, and read each text a few times.
fn fuel(messages: &[Value]) -> u64 {
    let bytes = messages.iter().map(|message| message.to_string().len() as u64).sum::<u64>();
    1_000_000 + 10_000 * messages.len() as u64 + 2 * bytes
}

fn note(burnt: &AtomicU64, state: &State) {
    if let Some((used, _)) = state.fuel_levels() {
        burnt.store(used, Ordering::Relaxed);
    }
}

/// The words of a message, without the white space around them, which many templates cut off.
fn words(message: &Value) -> Option<&str> {
    message["content"].as_str().map(str::trim)
}

fn mark(message: &Value) -> Value {
    let Some(content) = message["content"].as_str() else { return message.clone() };
    let start = content.len() - content.trim_start().len();
    let end = start + content.trim().len();
    let mut marked = message.clone();
    let (before, core, after) = (&content[..start], &content[start..end], &content[end..]);
    marked["content"] = json!(format!("{before}{}{core}{}{after}", MARKS[0], MARKS[1]));
    marked
}

fn jinja(value: &Value) -> minijinja::Value {
    match value {
        Value::Null => ().into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(list) => list.iter().map(jinja).collect(),
        Value::Object(fields) => {
            minijinja::Value::from_pairs(fields.iter().map(|(key, value)| (key.as_str(), jinja(value))))
        }
    }
}

fn date(format: &str) -> String {
    let (year, month, day) = DATE;
    format.replace("%Y", year).replace("%m", month).replace("%d", day).replace("%B", "July").replace("%b", "Jul")
}

fn told(error: minijinja::Error) -> Error {
    if error.kind() == ErrorKind::OutOfFuel {
        return Error::new(
            "apply_chat_template",
            "the template does not end, or does far more than such messages need",
        )
        .help("take the template of another tokenizer");
    }
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
    match error.line() {
        Some(line) => Error::new("apply_chat_template", format!("the template fails at its line {line}: {detail}")),
        None => Error::new("apply_chat_template", format!("the template fails: {detail}")),
    }
}
