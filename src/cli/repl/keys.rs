//! Keys other than plain editing: indentation, for typing and for text pasted key by key; Ctrl-Z; the end.

use super::inputs::is_whole;
use crate::script::notebook::scan;
use crate::sync::unpoisoned;
use rustyline::history::History;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, Helper, KeyCode, KeyEvent, Modifiers,
    RepeatCount,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// The state of the current line.
#[derive(Clone, Default)]
pub struct Keys(Arc<Known>);

#[derive(Default)]
struct Known {
    /// A script requested this line, which is not a script itself.
    asked: AtomicBool,
    /// Spaces typed at the start of an already indented line.
    typed: AtomicUsize,
    stopped: AtomicBool,
    /// Ctrl-C dropped the line.
    dropped: AtomicBool,
    /// Cursor position at Ctrl-Z.
    cursor: AtomicUsize,
    /// Replacement for the text from a position up to the cursor.
    instead: Mutex<Option<(usize, String)>>,
}

impl Known {
    /// The editor's own replacement leaves the cursor before the text; a completion leaves it after.
    fn replace(&self, start: usize, text: String) -> Cmd {
        *unpoisoned(self.instead.lock()) = Some((start, text));
        Cmd::Complete
    }
}

impl Keys {
    /// Starts a new line: an input, or an answer to a script.
    pub fn begin(&self, asked: bool) {
        self.0.asked.store(asked, Relaxed);
        self.0.typed.store(0, Relaxed);
        self.0.stopped.store(false, Relaxed);
        self.0.dropped.store(false, Relaxed);
    }

    /// Whether Ctrl-C ended the line.
    pub fn is_dropped(&self) -> bool {
        self.0.dropped.load(Relaxed)
    }

    /// Cursor position, if Ctrl-Z ended the line.
    pub fn suspended(&self) -> Option<usize> {
        self.0.stopped.load(Relaxed).then(|| self.0.cursor.load(Relaxed))
    }

    /// A key's replacement for the text before the cursor: its start, and the text.
    pub fn instead(&self) -> Option<(usize, String)> {
        unpoisoned(self.0.instead.lock()).take()
    }

    pub fn bind<H: Helper, I: History>(&self, editor: &mut Editor<H, I>) {
        let mut bind = |key: KeyEvent, act: Act, in_answers: bool| {
            let handler = Handler { keys: self.clone(), act, in_answers };
            editor.bind_sequence(Event::from(key), EventHandler::Conditional(Box::new(handler)));
        };
        // a terminal sends a line feed for Enter while something runs, and so do programs
        for key in [KeyEvent(KeyCode::Enter, Modifiers::NONE), KeyEvent::ctrl('M'), KeyEvent::ctrl('J')] {
            bind(key, enter, false);
        }
        bind(KeyEvent::from(' '), space, false);
        bind(KeyEvent(KeyCode::Tab, Modifiers::NONE), tab, false);
        bind(KeyEvent::from('}'), |known, text, at| closing(known, text, at, '}'), false);
        bind(KeyEvent::from(']'), |known, text, at| closing(known, text, at, ']'), false);
        bind(KeyEvent::from(')'), |known, text, at| closing(known, text, at, ')'), false);
        // a terminal's translation of Ctrl-D while something runs
        bind(KeyEvent::ctrl('@'), end, true);
        bind(KeyEvent::ctrl('C'), abandon, true);
        if cfg!(unix) {
            bind(KeyEvent::ctrl('Z'), stop, true);
        }
        // a new line, whether or not the input is complete
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
    }
}

/// A key's action for a text and a cursor in it; `None` is the editor's default.
type Act = fn(&Known, &str, usize) -> Option<Cmd>;

struct Handler {
    keys: Keys,
    act: Act,
    /// Also applies in answers to scripts.
    in_answers: bool,
}

impl ConditionalEventHandler for Handler {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let acts = self.in_answers || !self.keys.0.asked.load(Relaxed);
        acts.then(|| (self.act)(&self.keys.0, context.line(), context.pos())).flatten()
    }
}

/// Enter: if the input is incomplete, the next line gets the same indentation.
fn enter(known: &Known, text: &str, at: usize) -> Option<Cmd> {
    known.typed.store(0, Relaxed);
    let indent = scan::indent(&text[..at]);
    if at < text.len() || indent == 0 || is_whole(text) {
        return None;
    }
    let next = format!("\n{}", " ".repeat(indent));
    // an empty line has no spaces
    match last_line(text) {
        Some(line) if !line.is_empty() && line.trim().is_empty() => Some(known.replace(text.len() - line.len(), next)),
        _ => Some(Cmd::Insert(1, next)),
    }
}

/// A space on an already indented line: text pasted key by key brings its own indentation.
fn space(known: &Known, text: &str, at: usize) -> Option<Cmd> {
    indented(known, text, at, 1)
}

/// Tab completes a word; before any word it indents.
fn tab(known: &Known, text: &str, at: usize) -> Option<Cmd> {
    let before = text[..at].rsplit('\n').next().unwrap_or_default();
    if !before.trim().is_empty() || (text.is_empty() && before.is_empty()) {
        return None;
    }
    indented(known, text, at, 4).or_else(|| Some(Cmd::Insert(1, " ".repeat(4))))
}

fn indented(known: &Known, text: &str, at: usize, spaces: usize) -> Option<Cmd> {
    let line = last_line(text).filter(|line| at == text.len() && line.trim().is_empty())?;
    let typed = known.typed.load(Relaxed) + spaces;
    let own = scan::indent(&text[..text.len() - line.len()]);
    if line.len() != own || typed > own {
        return None;
    }
    known.typed.store(typed, Relaxed);
    Some(Cmd::Noop)
}

/// A closing bracket gets the indentation of its opening line.
fn closing(known: &Known, text: &str, at: usize, bracket: char) -> Option<Cmd> {
    let line = last_line(&text[..at]).filter(|line| line.len() >= 4 && line.trim().is_empty())?;
    Some(known.replace(at - line.len(), format!("{}{bracket}", &line[4..])))
}

fn end(_: &Known, text: &str, _: usize) -> Option<Cmd> {
    Some(if text.is_empty() { Cmd::EndOfFile } else { Cmd::Noop })
}

/// Drops the line. The editor's own command would also drop the type-ahead.
fn abandon(known: &Known, _: &str, _: usize) -> Option<Cmd> {
    known.dropped.store(true, Relaxed);
    Some(Cmd::AcceptLine)
}

/// Ends the line, so that the prompt can suspend the process, and restore the line below the shell's output.
fn stop(known: &Known, _: &str, at: usize) -> Option<Cmd> {
    known.stopped.store(true, Relaxed);
    known.cursor.store(at, Relaxed);
    Some(Cmd::AcceptLine)
}

/// The last line of a multi-line text.
fn last_line(text: &str) -> Option<&str> {
    text.rsplit_once('\n').map(|(_, line)| line)
}
