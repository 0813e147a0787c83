//! Rows of messages, in the tokenizer's chat template: a conversation, or a prompt with its completion.

use super::source::{InLoss, JOINED, LossOn, Source};
use super::{Cell, Dataset};
use crate::token::{ChatOptions, Tokenizer, digits};
use crate::{Error, Result, bail, progress};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};

const WHO: &str = "encode";

pub fn is_list(data: &Dataset, field: usize, at: usize) -> bool {
    matches!(data.cell(field, at), Cell::Json(json) if json.starts_with('['))
}

/// The messages of a row.
pub fn messages(data: &Dataset, field: usize, at: usize) -> Result<Vec<Value>> {
    let name = &data.fields()[field];
    let Cell::Json(json) = data.cell(field, at) else {
        bail!(WHO, "row {at}, field `{name}`: {}, not a list of messages", data.cell(field, at).kind());
    };
    match digits::parse(json) {
        Ok(Value::Array(messages)) => Ok(messages),
        _ => bail!(WHO, "row {at}, field `{name}`: {}, not a list of messages", Cell::Json(json).kind()),
    }
}

fn rendered(tokenizer: &Tokenizer, messages: &[Value], options: &ChatOptions, at: usize) -> Result<crate::token::Chat> {
    let chat = tokenizer.apply_chat_template(messages, options);
    chat.map_err(|error| error.attributed_to(WHO).at(format!("row {at}")))
}

/// Messages in the tokenizer's chat template. The generated parts of a role's turns are in the loss.
pub fn chat(
    tokenizer: &Tokenizer,
    messages: &[Value],
    options: &ChatOptions,
    loss_on: &LossOn,
    at: usize,
) -> Result<Source> {
    let chat = rendered(tokenizer, messages, options, at)?;
    let in_loss = match loss_on {
        LossOn::All => InLoss::All,
        LossOn::Role(role) => {
            InLoss::Ranges(chat.spans.into_iter().filter(|span| span.role == *role).map(|span| span.turn).collect())
        }
    };
    Ok(Source { text: chat.text, in_loss, special: false, start: None, eos: false })
}

/// Returns an error for messages with a template that joins texts.
pub fn check_dialog(template: Option<&str>) -> Result<()> {
    match template {
        None | Some(JOINED) => Ok(()),
        Some(template) => {
            Err(Error::new(WHO, format!("the template `{template}` joins texts, and these are messages"))
                .help("without `template` lists of messages are written by the tokenizer's chat template"))
        }
    }
}

/// A prompt and a completion that are lists of messages, as in TRL: the loss covers the template's output for both, after its
/// output for the prompt with a generation prompt. `is_drawn`: tokens differ between encodings.
pub fn dialog(
    tokenizer: &Tokenizer,
    fields: [usize; 2],
    data: &Dataset,
    options: &ChatOptions,
    is_drawn: bool,
    at: usize,
) -> Result<Source> {
    let [mut all, completion] = [messages(data, fields[0], at)?, messages(data, fields[1], at)?];
    let opened = ChatOptions { add_generation_prompt: true, ..options.clone() };
    let prompt = rendered(tokenizer, &all, &opened, at)?.text;
    if completion.is_empty() {
        bail!(WHO, "row {at}, field `{}`: there are no messages", data.fields()[fields[1]]);
    }
    all.extend(completion);
    let text = rendered(tokenizer, &all, options, at)?.text;
    if !text.starts_with(&prompt) {
        tell_of_another_prompt();
    }
    let in_loss = if !is_drawn {
        InLoss::After(tokenizer.ids(&prompt, false).map_err(|error| error.at(format!("row {at}")))?)
    } else {
        // tokens are random, characters are not
        let shared = text.char_indices().zip(prompt.chars()).take_while(|((_, one), two)| one == two).last();
        let from = shared.map_or(0, |((place, letter), _)| place + letter.len_utf8());
        InLoss::Ranges(std::iter::once(from..text.len()).collect())
    };
    Ok(Source { text, in_loss, special: false, start: None, eos: false })
}

fn tell_of_another_prompt() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        progress::warn(
            WHO,
            "the chat template writes a prompt alone in another way than before its completion, which begins where they differ: \
             the model is trained after another prompt than it will see",
        );
    }
}
