//! The line editor: its settings, its keys, its history.

use super::Shared;
use super::helper::Helpers;
use super::validator;
use rustyline::history::DefaultHistory;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Editor, Event, EventContext, EventHandler, KeyCode, KeyEvent,
    Modifiers, Movement, RepeatCount,
};
use std::cell::RefCell;
use std::path::PathBuf;

const PROMPT: &str = "» ";

/// The prompt of a terminal.
pub struct Prompt {
    editor: Editor<Helpers, DefaultHistory>,
    history: Option<PathBuf>,
}

impl Prompt {
    pub fn new(notebook: Shared) -> rustyline::Result<Prompt> {
        let config = Config::builder()
            .max_history_size(10_000)?
            .completion_type(CompletionType::List)
            .completion_prompt_limit(200)
            .auto_add_history(true)
            .tab_stop(4)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Helpers { notebook, seen: RefCell::default() }));
        let indents = |key: KeyEvent| (Event::from(key), EventHandler::Conditional(Box::new(Indents)));
        for (event, handler) in [indents(KeyEvent(KeyCode::Enter, Modifiers::NONE)), indents(KeyEvent::ctrl('M'))] {
            editor.bind_sequence(event, handler);
        }
        editor.bind_sequence(KeyEvent::from('}'), EventHandler::Conditional(Box::new(Closes)));
        // a new line, whether the input is whole or not
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
        let history = history_file();
        if let Some(path) = &history {
            let _ = path.parent().map(std::fs::create_dir_all);
            // missing at the first start
            let _ = editor.load_history(path);
        }
        Ok(Prompt { editor, history })
    }

    /// Reads one input, which may have several lines.
    pub fn line(&mut self) -> rustyline::Result<String> {
        if let Some(helpers) = self.editor.helper() {
            helpers.seen.borrow_mut().clear();
        }
        let text = self.editor.readline(PROMPT)?;
        // at once: what runs next may end the process
        if let Some(path) = &self.history {
            let _ = self.editor.append_history(path);
        }
        Ok(text)
    }

    /// Whether nothing was written when the line ended.
    pub fn was_empty(&self) -> bool {
        self.editor.helper().is_none_or(|helpers| helpers.seen.borrow().is_empty())
    }
}

/// Enter: where more has to come, the next line begins as deep as it stands.
struct Indents;

impl ConditionalEventHandler for Indents {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let (text, at) = (context.line(), context.pos());
        let indent = validator::indent(&text[..at]);
        (at == text.len() && indent > 0 && !validator::is_whole(text))
            .then(|| Cmd::Insert(1, format!("\n{}", " ".repeat(indent))))
    }
}

/// A brace that closes a block stands as deep as the line that opened it.
struct Closes;

impl ConditionalEventHandler for Closes {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let before = &context.line()[..context.pos()];
        let (_, line) = before.rsplit_once('\n')?;
        // the whole line: a count would be taken for the key's own
        let brace = || format!("{}}}", " ".repeat(line.len() - 4));
        (line.len() >= 4 && line.trim().is_empty()).then(|| Cmd::Replace(Movement::BeginningOfLine, Some(brace())))
    }
}

/// Where a user's state belongs.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    Some(state.or_else(home)?.join("levain/history"))
}
