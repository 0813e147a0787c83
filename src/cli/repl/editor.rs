//! The line editor: its settings, its history, and input requested by scripts.

use super::Shared;
use super::helper::Helpers;
use super::keys::Keys;
use crate::{Error, Result};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, Editor};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

const PROMPT: &str = "» ";

type LineEditor = Editor<Helpers, DefaultHistory>;

thread_local! {
    /// The editor, for scripts that request input: the prompt and its scripts run on one thread.
    static TYPED: RefCell<Option<Rc<RefCell<Typed>>>> = const { RefCell::new(None) };
}

/// The prompt of a terminal.
pub struct Prompt {
    typed: Rc<RefCell<Typed>>,
    notebook: Shared,
    history: Option<PathBuf>,
}

impl Prompt {
    pub fn new(notebook: Shared) -> rustyline::Result<Prompt> {
        notebook.borrow().host.input.edit(ask);
        let history = history_file();
        if let Some(path) = &history {
            let _ = path.parent().map(std::fs::create_dir_all);
        }
        let typed = Rc::new(RefCell::new(Typed::new(&notebook, &history)?));
        TYPED.set(Some(typed.clone()));
        Ok(Prompt { typed, notebook, history })
    }

    /// Reads one input, which may span several lines.
    pub fn line(&mut self) -> rustyline::Result<String> {
        let mut typed = self.typed.borrow_mut();
        let text = typed.read(PROMPT, false)?;
        let editor = &mut typed.editor;
        // at once: the input may end the process
        if editor.add_history_entry(text.as_str())?
            && let Some(path) = &self.history
        {
            let _ = editor.append_history(path);
        }
        Ok(text)
    }

    /// Drops type-ahead: after Ctrl-C, no queued input runs.
    pub fn drop_typed(&mut self) {
        // the old editor has buffered it, and offers no access
        if let Ok(new) = Typed::new(&self.notebook, &self.history) {
            self.typed.replace(new);
        }
    }

    /// Whether the line was empty when it ended.
    pub fn was_empty(&self) -> bool {
        self.typed.borrow().editor.helper().is_none_or(|helpers| helpers.seen.borrow().is_empty())
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        TYPED.set(None);
    }
}

/// The terminal's input.
struct Typed {
    editor: LineEditor,
    keys: Keys,
}

impl Typed {
    fn new(notebook: &Shared, history: &Option<PathBuf>) -> rustyline::Result<Typed> {
        let config = Config::builder()
            .max_history_size(10_000)?
            .completion_type(CompletionType::List)
            .completion_prompt_limit(200)
            .tab_stop(4)
            .build();
        let mut editor = Editor::with_config(config)?;
        let keys = Keys::default();
        editor.set_helper(Some(Helpers::new(notebook.clone(), &keys)));
        keys.bind(&mut editor);
        if let Some(path) = history {
            // missing at the first start
            let _ = editor.load_history(path);
        }
        Ok(Typed { editor, keys })
    }

    /// Reads an input, or a line requested by a script.
    fn read(&mut self, prompt: &str, asked: bool) -> rustyline::Result<String> {
        let mut initial = (String::new(), String::new());
        loop {
            if let Some(helpers) = self.editor.helper() {
                helpers.begin(asked);
            }
            self.keys.begin(asked);
            let text = self.editor.readline_with_initial(prompt, (&initial.0, &initial.1))?;
            if self.keys.is_dropped() {
                return Err(ReadlineError::Interrupted);
            }
            let Some(at) = self.keys.suspended() else { return Ok(text) };
            suspend();
            // continues here
            let (left, right) = text.split_at(at.min(text.len()));
            initial = (left.to_string(), right.to_string());
        }
    }
}

/// Reads a line for a script; `before` is the script's text on that line.
fn ask(before: &str) -> Result<Option<String>> {
    let typed = TYPED.with_borrow(Clone::clone);
    let Some(typed) = typed else { return Ok(None) };
    let read = typed.borrow_mut().read(before, true);
    match read {
        Ok(line) => Ok(Some(line)),
        Err(ReadlineError::Interrupted) => Err(Error::interrupted()),
        Err(_) => Ok(None),
    }
}

/// Suspends the process like any terminal program; returns when it is continued.
#[cfg(unix)]
fn suspend() {
    use nix::sys::signal::{Signal, kill};
    // the whole process group, so that a pipeline stops together
    let _ = kill(nix::unistd::Pid::from_raw(0), Signal::SIGTSTP);
    // another thread handles the stop: nothing may be drawn before it
    std::thread::sleep(Duration::from_millis(100));
}

#[cfg(not(unix))]
fn suspend() {}

/// The history file in the user's state folder.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    Some(state.or_else(home)?.join("levain/history"))
}
