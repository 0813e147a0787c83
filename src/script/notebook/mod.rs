//! A notebook: inputs that run one after the other in one scope. Both the prompt and a Jupyter kernel are notebooks.

mod complete;
mod inspect;
mod kinds;
mod place;
mod save;
pub mod scan;
mod who;

pub use complete::{Candidate, Completion, paths as complete_path};
pub use who::Variable;

use super::display::Page;
use super::registry::{self, Function};
use super::session::Session;
use super::{Cause, Fault, Host, Needs, modules};
use crate::limits::Bounds;
use crate::resume::{self, Handover};
use crate::rng::{self, RunState};
use crate::{memory, progress};
use rhai::{Dynamic, Module, Position, Shared};
use std::time::{Duration, Instant};

/// Bytes freed by an input above which memory is returned to the system.
const LET_GO: usize = 16 << 20;

/// The inputs so far, and the state they left.
pub struct Notebook {
    pub host: Host,
    state: Session,
    /// Number of inputs.
    pub count: usize,
    /// The inputs that ran, for saving them as a script.
    cells: Vec<Cell>,
    /// User modules, by the name of their import.
    imported: Vec<(String, Shared<Module>)>,
    paused: Option<Paused>,
    catalog: Option<Vec<Function>>,
}

/// An input that ran.
struct Cell {
    /// The source name in positions: `input 3`, or a file.
    name: String,
    text: String,
    /// Whether it had a value, which then became `it`.
    valued: bool,
    /// For an interrupted input: the variables it created or changed.
    left: Option<Vec<save::Left>>,
}

/// An interrupted input: the state before it, and its checkpoint.
struct Paused {
    name: String,
    text: String,
    state: Session,
    rng: RunState,
    handover: Handover,
}

/// The result of an input.
pub struct Answer {
    pub result: Result<Dynamic, Fault>,
    pub time: Duration,
}

impl Answer {
    pub fn interrupted(&self) -> bool {
        matches!(&self.result, Err(fault) if fault.cause == Cause::Interrupted)
    }
}

impl Notebook {
    pub fn new() -> Notebook {
        Notebook {
            host: Host::bare(Bounds::default()),
            state: Session::new(),
            count: 0,
            cells: Vec::new(),
            imported: Vec::new(),
            paused: None,
            catalog: None,
        }
    }

    /// Runs one input. Its value, if any, becomes `it`. After an error, variables, functions and random numbers are restored;
    /// after an interruption they keep their new state.
    pub fn run(&mut self, text: &str) -> Answer {
        self.count += 1;
        let name = format!("input {}", self.count);
        self.run_as(&name, text)
    }

    /// Runs the text of a file as one input: its imports are relative to it.
    pub fn run_as(&mut self, name: &str, text: &str) -> Answer {
        self.paused = None;
        let before = memory::in_use();
        let answer = self.attempt(name.to_string(), text.to_string(), Handover::default());
        // training reuses the memory of its last step, but forgotten values are not reused
        if memory::in_use() + LET_GO < before || memory::kept_small() > LET_GO {
            memory::give_back();
        }
        answer
    }

    /// Evaluates a text without side effects on the session: variables, functions and `it` stay unchanged.
    pub fn look(&mut self, name: &str, text: &str) -> Result<Dynamic, Fault> {
        let (state, random) = (self.state.clone(), rng::state());
        self.host.sources.add_after(name, text, self.state.names());
        self.host.cancel.clear();
        let value = self.evaluate(name, text);
        self.state = state;
        rng::restore(random);
        value
    }

    /// Resumes the interrupted input: re-runs it from its checkpoint, with the state before it.
    pub fn resume(&mut self) -> Result<Answer, Fault> {
        match self.paused.take() {
            Some(paused) if paused.handover.can_resume() => {
                // drops the results of the interrupted run
                self.cells.pop();
                self.state = paused.state;
                rng::restore(paused.rng);
                Ok(self.attempt(paused.name, paused.text, paused.handover))
            }
            Some(paused) => {
                let why = match paused.handover.has_finished() {
                    true => "another training in it had come to its end, and would be done twice",
                    false => "it had left no checkpoint",
                };
                let mut fault = Fault::plain(format!("resume: {} can't go on: {why}", paused.name));
                fault.help =
                    Some("`train::run`, and all that uses it, leaves one: give each run an input of its own".into());
                self.paused = Some(paused);
                Err(fault)
            }
            None => Err(Fault::plain("resume: the last input was not interrupted")),
        }
    }

    fn attempt(&mut self, name: String, text: String, earlier: Handover) -> Answer {
        let start = Instant::now();
        let (state, random) = (self.state.clone(), rng::state());
        self.host.sources.add_after(&name, &text, self.state.names());
        // a cancel request from after the last input is obsolete
        self.host.cancel.clear();
        resume::begin(earlier);
        let result = self.evaluate(&name, &text);
        let handover = resume::end();
        // a bar held by a variable would be redrawn during the next input
        progress::rest();
        match &result {
            Ok(value) => {
                if !value.is_unit() {
                    self.state.set("it", value.clone());
                }
                self.cells.push(Cell { name, text, valued: !value.is_unit(), left: None });
            }
            Err(fault) if fault.cause == Cause::Interrupted => {
                let left = Some(save::left(&state.scope, &self.state.scope));
                self.cells.push(Cell { name: name.clone(), text: text.clone(), valued: false, left });
                self.paused = Some(Paused { name, text, state, rng: random, handover });
            }
            Err(_) => {
                self.state = state;
                rng::restore(random);
            }
        }
        self.host.cancel.clear();
        Answer { result, time: start.elapsed() }
    }

    fn evaluate(&mut self, name: &str, text: &str) -> Result<Dynamic, Fault> {
        self.host.need(name, text)?;
        let Notebook { host, state, .. } = self;
        let value = host.guard(name, || state.run(&host.engine, name, text))?;
        self.keep_imports(name)?;
        Ok(value)
    }

    /// Makes an input's imports available to later inputs, under their names, in functions too.
    fn keep_imports(&mut self, name: &str) -> Result<(), Fault> {
        for (path, alias) in self.state.take_imports() {
            let Notebook { host, .. } = self;
            let resolver = host.engine.module_resolver();
            let module = host.guard(name, || resolver.resolve(&host.engine, Some(name), &path, Position::NONE))?;
            self.host.engine.register_static_module(alias.as_str(), module.clone());
            self.imported.retain(|(known, _)| *known != alias);
            self.imported.push((alias, module));
        }
        Ok(())
    }

    /// Deletes all variables, functions and imports, and reseeds the random numbers.
    pub fn reset(&mut self) {
        self.state = Session::new();
        self.cells.clear();
        self.paused = None;
        for (alias, _) in std::mem::take(&mut self.imported) {
            self.host.engine.register_static_module(alias.as_str(), Module::new().into());
        }
        rng::seed(0);
        memory::give_back();
    }

    /// Deletes a variable, and frees the memory that only it holds; returns the other variables that share a large part of it.
    pub fn forget(&mut self, name: &str) -> Result<Vec<String>, Fault> {
        self.paused = None;
        let holders = self.holders(name);
        if self.state.forget(name) {
            memory::give_back();
            return Ok(holders);
        }
        let mut fault = Fault::plain(format!("forget: there is no variable `{name}`"));
        let names = self.state.scope.iter_raw().map(|(name, ..)| name);
        fault.help = crate::nearest(name, names).map(|near| format!("did you mean `{near}`?"));
        Err(fault)
    }

    /// The requirements of an input, before it runs.
    pub fn needs(&mut self, text: &str) -> Needs {
        Needs::of(&mut self.host.engine, "input", text)
    }

    pub fn is_variable(&self, name: &str) -> bool {
        self.state.scope.contains(name)
    }

    /// Whether there is an interrupted input that `resume` can continue.
    pub fn can_resume(&self) -> bool {
        self.paused.as_ref().is_some_and(|paused| paused.handover.can_resume())
    }

    /// The text of the last input that ran or was interrupted.
    pub fn last_text(&self) -> Option<&str> {
        self.cells.last().map(|cell| cell.text.as_str())
    }

    /// A value for display, in the given number of columns.
    pub fn page(&self, value: &Dynamic, columns: usize) -> Page {
        match self.host.looks.page_of(value, columns) {
            Some(page) => page,
            // quoted, as in a list, to distinguish "1" from 1
            None if value.is_string() => Page::text(crate::text::quoted(&value.to_string())),
            None => Page::text(self.host.show(value)),
        }
    }

    /// All functions, including Rhai's own; loads the whole standard library, which takes a moment the first time.
    pub fn functions(&mut self) -> &[Function] {
        self.host.load_all();
        self.catalog.get_or_insert_with(|| registry::shown(&self.host))
    }

    /// The file that an import of a saved script would read.
    fn file_of(name: &str, path: &str) -> std::path::PathBuf {
        modules::place(Some(name), path)
    }
}

impl Default for Notebook {
    fn default() -> Self {
        Notebook::new()
    }
}
