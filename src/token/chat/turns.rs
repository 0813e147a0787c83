//! A chat template as the text around each message: the form of Ollama's templates. It is derived by rendering, and verified with
//! renderings of other conversations.

use super::ChatOptions;
use crate::Result;
use crate::token::Tokenizer;
use serde_json::{Value, json};

/// The text before and after the words of a role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Around {
    pub before: String,
    pub behind: String,
}

/// A chat template that puts each message between two texts that depend only on its role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnForm {
    pub system: Around,
    pub user: Around,
    pub assistant: Around,
    /// The system message used if there is none.
    pub default_system: Option<String>,
}

const SYSTEM: &str = "Sys7tem";
const USER: &str = "Us7er";
const ANSWER: &str = "An7swer";

impl Tokenizer {
    /// This form of its chat template, if it expresses all that the template does. BOS is left to the reader.
    pub fn turn_form(&self) -> Option<TurnForm> {
        let form = self.guessed()?;
        let said = |role: &str, words: &str| json!({ "role": role, "content": words });
        let (system, user, other) = (said("system", "Be brief."), said("user", "One?"), said("user", "Two, three"));
        let answer = said("assistant", "Four.");
        let all = [
            vec![user.clone()],
            vec![system.clone(), user.clone()],
            vec![user.clone(), answer.clone(), other.clone()],
            vec![system, user, answer.clone(), other.clone(), answer, other],
        ];
        let same =
            |messages: &Vec<Value>| self.text_of(messages, true).is_ok_and(|text| text == form.written(messages));
        all.iter().all(same).then_some(form)
    }

    fn text_of(&self, messages: &[Value], open: bool) -> Result<String> {
        let options = ChatOptions { add_generation_prompt: open, ..ChatOptions::default() };
        let text = self.apply_chat_template(messages, &options)?.text;
        // some templates write a BOS that the tokenizer does not add: it belongs to the template
        let adds = |id: &u32| self.ids("a", true).is_ok_and(|ids| ids.first() == Some(id));
        let bos = self.bos().filter(adds).and_then(|id| self.token(id)).filter(|token| !token.is_empty());
        Ok(bos.and_then(|bos| text.strip_prefix(bos)).unwrap_or(&text).to_string())
    }

    fn guessed(&self) -> Option<TurnForm> {
        let said = |role: &str, words: &str| json!({ "role": role, "content": words });
        let (system, user, answer) = (said("system", SYSTEM), said("user", USER), said("assistant", ANSWER));
        let write = |messages: &[&Value], open: bool| {
            self.text_of(&messages.iter().map(|&message| message.clone()).collect::<Vec<_>>(), open).ok()
        };
        let alone = write(&[&user], false)?;
        let open = write(&[&user], true)?;
        let before_answer = open.strip_prefix(alone.as_str())?.to_string();
        let (first, behind_user) = alone.split_once(USER)?;
        let behind_answer = write(&[&user, &answer], false)?.split_once(ANSWER)?.1.to_string();
        let three = write(&[&user, &answer, &user], false)?;
        let before_user = three.split_once(ANSWER)?.1.strip_prefix(&*behind_answer)?.split_once(USER)?.0.to_string();
        let with = write(&[&system, &user], false)?;
        let (before_system, rest) = with.split_once(SYSTEM)?;
        let behind_system = rest.split_once(USER)?.0.strip_suffix(&*before_user)?.to_string();
        let head = first.strip_suffix(&*before_user)?;
        let default_system = match head {
            "" => None,
            head => Some(head.strip_prefix(before_system)?.strip_suffix(&*behind_system)?.to_string()),
        };
        Some(TurnForm {
            system: Around { before: before_system.into(), behind: behind_system },
            user: Around { before: before_user, behind: behind_user.into() },
            assistant: Around { before: before_answer, behind: behind_answer },
            default_system,
        })
    }
}

impl TurnForm {
    fn of(&self, role: &str) -> &Around {
        match role {
            "system" => &self.system,
            "user" => &self.user,
            _ => &self.assistant,
        }
    }

    /// A rendered conversation, up to the words of the assistant's next turn.
    fn written(&self, messages: &[Value]) -> String {
        let mut text = String::new();
        let mut write = |role: &str, words: &str| {
            let Around { before, behind } = self.of(role);
            text += &format!("{before}{words}{behind}");
        };
        if let Some(words) = self.default_system.as_ref().filter(|_| messages[0]["role"] != "system") {
            write("system", words);
        }
        for message in messages {
            write(message["role"].as_str().unwrap_or_default(), message["content"].as_str().unwrap_or_default());
        }
        text + self.assistant.before.as_str()
    }
}
