//! What keys do beside editing: indentation, for who types and for what is pasted key by key; Ctrl-Z; the end.

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

/// What the keys know of the line that is written.
#[derive(Clone, Default)]
pub struct Keys(Arc<Known>);

#[derive(Default)]
struct Known {
    /// A script asks for a line, which is no script.
    asked: AtomicBool,
    /// Spaces at the beginning of a line that were typed where the line has been indented already.
    typed: AtomicUsize,
    stopped: AtomicBool,
    /// Ctrl-C dropped the line.
    dropped: AtomicBool,
    /// Where the cursor was when it was stopped.
    cursor: AtomicUsize,
    /// What takes the place of the text from a place up to the cursor.
    instead: Mutex<Option<(usize, String)>>,
}

impl Known {
    /// The editor's own replacement leaves the cursor before the text; a completion leaves it behind.
    fn replace(&self, start: usize, text: String) -> Cmd {
        *unpoisoned(self.instead.lock()) = Some((start, text));
        Cmd::Complete
    }
}

impl Keys {
    /// A new line is written: an input, or an answer to a script.
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

    /// Where the cursor was, if Ctrl-Z ended the line.
    pub fn suspended(&self) -> Option<usize> {
        self.0.stopped.load(Relaxed).then(|| self.0.cursor.load(Relaxed))
    }

    /// What a key has put in the place of the text before the cursor: from where on, and what.
    pub fn instead(&self) -> Option<(usize, String)> {
        unpoisoned(self.0.instead.lock()).take()
    }

    pub fn bind<H: Helper, I: History>(&self, editor: &mut Editor<H, I>) {
        let mut bind = |key: KeyEvent, act: Act, in_answers: bool| {
            let handler = Handler { keys: self.clone(), act, in_answers };
            editor.bind_sequence(Event::from(key), EventHandler::Conditional(Box::new(handler)));
        };
        // a line feed is what a terminal makes of Enter while something runs, and what programs type
        for key in [KeyEvent(KeyCode::Enter, Modifiers::NONE), KeyEvent::ctrl('M'), KeyEvent::ctrl('J')] {
            bind(key, enter, false);
        }
        bind(KeyEvent::from(' '), space, false);
        bind(KeyEvent(KeyCode::Tab, Modifiers::NONE), tab, false);
        bind(KeyEvent::from('}'), |known, text, at| closing(known, text, at, '}'), false);
        bind(KeyEvent::from(']'), |known, text, at| closing(known, text, at, ']'), false);
        bind(KeyEvent::from(')'), |known, text, at| closing(known, text, at, ')'), false);
        // what a terminal makes of Ctrl-D while something runs
        bind(KeyEvent::ctrl('@'), end, true);
        bind(KeyEvent::ctrl('C'), abandon, true);
        if cfg!(unix) {
            bind(KeyEvent::ctrl('Z'), stop, true);
        }
        // a new line, whether the input is whole or not
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
    }
}

/// What a key does with a text and a cursor in it; `None` is what the editor would do.
type Act = fn(&Known, &str, usize) -> Option<Cmd>;

struct Handler {
    keys: Keys,
    act: Act,
    /// It does so in an answer to a script too.
    in_answers: bool,
}

impl ConditionalEventHandler for Handler {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let acts = self.in_answers || !self.keys.0.asked.load(Relaxed);
        acts.then(|| (self.act)(&self.keys.0, context.line(), context.pos())).flatten()
    }
}

/// Enter: where more has to come, the next line begins as deep as it stands.
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

/// A space where the line is indented already: what is pasted key by key brings its own.
fn space(known: &Known, text: &str, at: usize) -> Option<Cmd> {
    indented(known, text, at, 1)
}

/// Tab completes what is begun; before that it indents.
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

/// A bracket that closes stands as deep as the line that opened it.
fn closing(known: &Known, text: &str, at: usize, bracket: char) -> Option<Cmd> {
    let line = last_line(&text[..at]).filter(|line| line.len() >= 4 && line.trim().is_empty())?;
    Some(known.replace(at - line.len(), format!("{}{bracket}", &line[4..])))
}

fn end(_: &Known, text: &str, _: usize) -> Option<Cmd> {
    Some(if text.is_empty() { Cmd::EndOfFile } else { Cmd::Noop })
}

/// Drops the line. The editor's own way forgets what has been typed behind it, too.
fn abandon(known: &Known, _: &str, _: usize) -> Option<Cmd> {
    known.dropped.store(true, Relaxed);
    Some(Cmd::AcceptLine)
}

/// Ends the line, for the prompt to stop the process and to begin it again below what the shell has written meanwhile.
fn stop(known: &Known, _: &str, at: usize) -> Option<Cmd> {
    known.stopped.store(true, Relaxed);
    known.cursor.store(at, Relaxed);
    Some(Cmd::AcceptLine)
}

/// The last line of several.
fn last_line(text: &str) -> Option<&str> {
    text.rsplit_once('\n').map(|(_, line)| line)
}
