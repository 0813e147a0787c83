//! A notebook: inputs that are run one after the other in one scope. The prompt is one, a Jupyter kernel is one.

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

/// So many bytes that an input leaves unused are worth the time that it takes to give them back.
const LET_GO: usize = 16 << 20;

/// Inputs so far, and what they left behind.
pub struct Notebook {
    pub host: Host,
    state: Session,
    /// How many inputs there were.
    pub count: usize,
    /// The inputs that ran, for a script of them.
    cells: Vec<Cell>,
    /// User modules, by the name that they were imported as.
    imported: Vec<(String, Shared<Module>)>,
    paused: Option<Paused>,
    catalog: Option<Vec<Function>>,
}

/// An input that ran.
struct Cell {
    /// What positions in it refer to: `input 3`, or a file.
    name: String,
    text: String,
    /// Whether it had a value, which was `it` from then on.
    valued: bool,
    /// Of one that was interrupted: the variables that it made or changed.
    left: Option<Vec<save::Left>>,
}

/// An input that was interrupted: how all was before it, and what it left.
struct Paused {
    name: String,
    text: String,
    state: Session,
    rng: RunState,
    handover: Handover,
}

/// What came of an input.
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

    /// Runs one input. Its value, if it has one, is `it` from then on. An error leaves variables, functions and random
    /// numbers as they were; an interruption leaves them as they have become.
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
        // a training wants back what its last step let go, but nobody what is forgotten
        if memory::in_use() + LET_GO < before || memory::kept_small() > LET_GO {
            memory::give_back();
        }
        answer
    }

    /// The value of a text that leaves nothing behind: no variable, no function, not `it`.
    pub fn look(&mut self, name: &str, text: &str) -> Result<Dynamic, Fault> {
        let (state, random) = (self.state.clone(), rng::state());
        self.host.sources.add_after(name, text, self.state.names());
        self.host.cancel.clear();
        let value = self.evaluate(name, text);
        self.state = state;
        rng::restore(random);
        value
    }

    /// Goes on with the input that was interrupted: runs it again, with all as it was before it, from its checkpoint.
    pub fn resume(&mut self) -> Result<Answer, Fault> {
        match self.paused.take() {
            Some(paused) if paused.handover.can_resume() => {
                // what it left then is nothing that stays
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
        // a request that came after the last input is about nothing now
        self.host.cancel.clear();
        resume::begin(earlier);
        let result = self.evaluate(&name, &text);
        let handover = resume::end();
        // one that a variable holds would be drawn again in the middle of what comes now
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

    /// What an input imported is there for those after it, under its name, in functions too.
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

    /// Forgets all variables, functions and imports, and starts the random numbers anew.
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

    /// Forgets a variable, and so frees what it alone held; tells which others still hold something large of it.
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

    /// What an input asks for, before it runs.
    pub fn needs(&mut self, text: &str) -> Needs {
        Needs::of(&mut self.host.engine, "input", text)
    }

    pub fn is_variable(&self, name: &str) -> bool {
        self.state.scope.contains(name)
    }

    /// Whether an input was interrupted that `resume` can go on with.
    pub fn can_resume(&self) -> bool {
        self.paused.as_ref().is_some_and(|paused| paused.handover.can_resume())
    }

    /// The text of the last input that ran or was interrupted.
    pub fn last_text(&self) -> Option<&str> {
        self.cells.last().map(|cell| cell.text.as_str())
    }

    /// A value as people see it, in so many columns.
    pub fn page(&self, value: &Dynamic, columns: usize) -> Page {
        match self.host.looks.page_of(value, columns) {
            Some(page) => page,
            // as in a list, so that "1" and 1 look different
            None if value.is_string() => Page::text(crate::text::quoted(&value.to_string())),
            None => Page::text(self.host.show(value)),
        }
    }

    /// All functions, Rhai's own too; loads the whole standard library, which takes a moment the first time.
    pub fn functions(&mut self) -> &[Function] {
        self.host.load_all();
        self.catalog.get_or_insert_with(|| registry::shown(&self.host))
    }

    /// Where an import of a saved script would look.
    fn file_of(name: &str, path: &str) -> std::path::PathBuf {
        modules::place(Some(name), path)
    }
}

impl Default for Notebook {
    fn default() -> Self {
        Notebook::new()
    }
}
