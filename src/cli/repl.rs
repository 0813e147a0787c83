//! `levain repl`: the prompt.

use super::{help, interrupt};
use crate::script::{Cause, Host, Session, registry};
use rhai::{Dynamic, ParseErrorType};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Editor, Helper, Highlighter, Hinter};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

const PROMPT: &str = "» ";

pub fn main() -> u8 {
    let prompt = Prompt { names: Arc::default() };
    let config = Config::builder()
        .max_history_size(10_000)
        .map(|config| config.completion_type(CompletionType::List).auto_add_history(true).build());
    let editor = config.and_then(Editor::<Prompt, DefaultHistory>::with_config);
    let Ok(mut editor) = editor else {
        eprintln!("error: repl: this terminal can't be used");
        return super::FAULT;
    };
    editor.set_helper(Some(prompt));
    let history = history_file();
    if let Some(path) = &history {
        // missing at the first start
        let _ = editor.load_history(path);
    }
    let code = talk(&mut editor);
    if let Some(path) = history {
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = editor.save_history(&path);
    }
    code
}

fn talk(editor: &mut Editor<Prompt, DefaultHistory>) -> u8 {
    let host = Host::new();
    interrupt::stops(&host.cancel);
    println!("levain {} · `? NAME` tells about a verb, Ctrl-D ends", env!("CARGO_PKG_VERSION"));
    for (name, fault) in &host.broken {
        eprint!("stdlib/{name}.rhai is broken: {fault}");
    }
    let mut session = Session::new();
    let functions: Vec<String> = registry::functions(&host, true).into_iter().map(|function| function.name).collect();
    for count in 1.. {
        if let Some(helper) = editor.helper() {
            helper.learn(&functions, &session);
        }
        match editor.readline(PROMPT) {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => {
                answer(&host, &mut session, count, &text);
                host.cancel.clear();
                if let Some(code) = host.run_state.ended() {
                    return code;
                }
            }
            // Ctrl-C at the prompt drops the line
            Err(ReadlineError::Interrupted) => {}
            Err(_) => return 0,
        }
    }
    0
}

/// Runs one input, and shows its value, which is `it` from then on.
fn answer(host: &Host, session: &mut Session, count: usize, text: &str) {
    if let Some(name) = text.trim().strip_prefix('?') {
        let page = match name.trim() {
            "" => Ok(help::overview(host)),
            name => help::about(host, name),
        };
        return match page {
            Ok(page) => println!("{}", page.trim_end()),
            Err(fault) => eprint!("{fault}"),
        };
    }
    let name = format!("input {count}");
    host.sources.add(&name, text);
    match host.guard(&name, || session.run(&host.engine, &name, text)) {
        Ok(value) if value.is_unit() => {}
        Ok(value) => {
            let _ = session.scope.remove::<Dynamic>("it");
            session.scope.push_dynamic("it", value.clone());
            if !text.trim_end().ends_with(';') {
                println!("{}", shown(host, &value));
            }
        }
        Err(fault) if fault.cause == Cause::Interrupted => println!("interrupted"),
        Err(fault) => eprint!("{fault}"),
    }
}

/// As in a list, so that "1" and 1 look different.
fn shown(host: &Host, value: &Dynamic) -> String {
    if value.is_string() { format!("{:?}", value.to_string()) } else { host.show(value) }
}

/// Where a user's state belongs.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    Some(state.or_else(home)?.join("levain/history"))
}

/// What the line editor asks: is the input whole, and how could this word go on?
#[derive(Helper, Highlighter, Hinter)]
struct Prompt {
    names: Arc<Mutex<Vec<String>>>,
}

impl Prompt {
    fn learn(&self, functions: &[String], session: &Session) {
        let mut names = functions.to_vec();
        names.extend(session.scope.iter().map(|(name, ..)| name.to_string()));
        names.sort();
        names.dedup();
        *self.names.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = names;
    }
}

impl Validator for Prompt {
    fn validate(&self, input: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let whole = input.input().trim_start().starts_with('?') || !is_incomplete(input.input());
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Whether the parser stopped for want of more text.
fn is_incomplete(text: &str) -> bool {
    let mut engine = rhai::Engine::new_raw();
    engine.set_max_expr_depths(256, 256);
    let _ = engine.register_custom_operator("@", 180);
    let Err(error) = engine.compile(text) else { return false };
    let open_text = match error.err_type() {
        ParseErrorType::UnexpectedEOF => true,
        ParseErrorType::BadInput(rhai::LexError::UnterminatedString) => {
            let line = error.position().line().and_then(|line| text.lines().nth(line - 1)).unwrap_or_default();
            let column = error.position().position().unwrap_or(1);
            line.chars().nth(column - 1) == Some('`')
        }
        _ => false,
    };
    // past the last character: `fn f() {`, `f(1`, `x.`
    let lines = text.lines().count();
    let last = text.lines().last().map_or(0, |line| line.chars().count());
    let (line, column) = (error.position().line().unwrap_or(0), error.position().position().unwrap_or(0));
    open_text || line > lines || (line == lines && column > last)
}

impl Completer for Prompt {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let part_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let start = line[..at].rfind(|c| !part_of_name(c)).map_or(0, |found| found + 1);
        let start = (start..=at).find(|&start| line.is_char_boundary(start)).unwrap_or(at);
        let word = &line[start..at];
        let names = self.names.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let is_name = |name: &&String| name.starts_with(|c: char| c.is_alphabetic()) && name.starts_with(word);
        Ok((start, names.iter().filter(is_name).cloned().collect()))
    }
}
