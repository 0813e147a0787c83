//! `levain repl`: the prompt.

mod commands;
mod completer;
mod editor;
mod helper;
mod highlighter;
mod inputs;
mod keys;
mod show;
mod validator;

use super::{FAULT, INTERRUPTED, interrupt};
use crate::script::Notebook;
use crate::script::notebook::{Answer, scan};
use commands::Next;
use editor::Prompt;
use rustyline::error::ReadlineError;
use std::cell::RefCell;
use std::rc::Rc;

/// Shared by the parts of the prompt: the editor's helper reads it while the user types, commands change it.
type Shared = Rc<RefCell<Notebook>>;

pub fn main() -> u8 {
    let notebook: Shared = Rc::new(RefCell::new(Notebook::new()));
    let Ok(mut prompt) = Prompt::new(notebook.clone()) else {
        eprintln!("error: repl: this terminal can't be used");
        return FAULT;
    };
    interrupt::stops(&notebook.borrow().host.cancel);
    println!("{}", show::greeting());
    let mut interrupts = 0;
    loop {
        match prompt.line() {
            Ok(text) => {
                interrupts = 0;
                match commands::all(&mut notebook.borrow_mut(), &text) {
                    Next::End(code) => return code,
                    Next::Stopped => prompt.drop_typed(),
                    Next::Go | Next::Failed => {}
                }
            }
            // drops the line; twice in a row on an empty line, it exits
            Err(ReadlineError::Interrupted) => {
                interrupts = if prompt.was_empty() { interrupts + 1 } else { 0 };
                match interrupts {
                    0 => {}
                    1 => println!("Ctrl-C again or Ctrl-D ends"),
                    _ => return INTERRUPTED,
                }
            }
            Err(_) => return 0,
        }
    }
}

/// Shows the result of an input. Returns the exit code if the script called `exit`.
fn tell(notebook: &Notebook, answer: &Answer, text: &str) -> Next {
    notebook.host.output.end_line();
    if let Some(code) = notebook.host.run_state.ended() {
        return Next::End(code);
    }
    match &answer.result {
        Ok(value) if value.is_unit() || scan::ends_with_semicolon(text) => {}
        Ok(value) => show::value(notebook, value),
        Err(_) if answer.interrupted() => match notebook.can_resume() {
            // overwrites the `^C` that the terminal shows
            true => println!("\rinterrupted; :resume goes on"),
            false => println!("\rinterrupted"),
        },
        Err(fault) => show::fault(fault),
    }
    show::slow(answer.time);
    match &answer.result {
        Ok(_) => Next::Go,
        Err(_) if answer.interrupted() => Next::Stopped,
        Err(_) => Next::Failed,
    }
}
