//! Embedding levain: a runtime with limits, its own output, and the program's own functions.
//!
//! ```no_run
//! use levain::{Limits, Runtime};
//!
//! let runtime = Runtime::builder()
//!     .limits(Limits { operations: Some(1_000_000), ..Limits::strict() })
//!     .allow("data")
//!     .print(|line| println!("script: {line}"))
//!     .build()?;
//! let answer: i64 = runtime.run("6 * 7")?.to()?;
//!
//! let mut script = runtime.load("scale", "fn scale(x, by) { x * by }")?;
//! let scaled: f64 = script.call("scale", (1.5, 2.0))?.to()?;
//! # Ok::<(), levain::script::Fault>(())
//! ```

use super::abroad::Abroad;
use super::{Fault, Host, Natives, Res, Value, checker, forms, natives, own_names, sources};
use crate::cancel::Cancel;
use crate::limits::{self, Bounds, Limits, Root};
use crate::progress::Sink;
use crate::rng::{self, RunState};
use crate::{Error, Result};
use rhai::{AST, ASTFlags, CallFnOptions, Dynamic, Engine, Expr, FuncArgs, Module, Scope, Stmt};
use serde::Serialize;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of stack for scripts: deep graphs and deep calls need more than an ordinary thread has.
const STACK: usize = 1 << 29;

/// Runs scripts, one at a time: a second thread that runs one waits until the first is done. A host function called by a script
/// can't use the runtime that runs this script, which is an error; it can use another runtime.
pub struct Runtime {
    host: Host,
    /// Identifies this runtime.
    id: u64,
    /// State of the scripts' random number generator.
    random: Mutex<RunState>,
    /// Maximum time of a host function while another thread waits for this runtime.
    patience: Duration,
    abroad: Abroad,
}

thread_local! {
    /// The runtimes whose scripts led to this thread's current work.
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Receives each line of output or progress of a script.
type Print = Box<dyn FnMut(&str) + Send>;
/// Returns the next line of input for a script; `None` at the end.
type Ask = Box<dyn FnMut() -> Option<String> + Send>;
/// Registers functions of the host application with an engine.
type Register = Box<dyn FnOnce(&mut Natives)>;

/// Configures a [`Runtime`].
#[derive(Default)]
pub struct Builder {
    limits: Limits,
    roots: Option<Vec<Root>>,
    cancel: Cancel,
    print: Option<Print>,
    progress: Option<Print>,
    input: Option<Ask>,
    args: Vec<String>,
    modules: Vec<(String, Module)>,
    natives: Vec<Register>,
    patience: Option<Duration>,
}

/// One minute: more than any host function with waiting callers takes.
const PATIENCE: Duration = Duration::from_secs(60);

impl Builder {
    /// Limits the resources of a script. Default: unlimited, except that calls nest at most 256 deep.
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = limits;
        self
    }

    /// Lets scripts read and write below this folder. Once a folder is allowed, all other files are forbidden. Links are
    /// resolved, and their targets must be inside too.
    pub fn allow(self, path: impl Into<PathBuf>) -> Builder {
        self.root(path.into(), true)
    }

    /// Lets scripts read below this folder. Once a folder is allowed, all other files are forbidden.
    pub fn allow_reading(self, path: impl Into<PathBuf>) -> Builder {
        self.root(path.into(), false)
    }

    /// Forbids all files, except those explicitly allowed.
    pub fn no_files(mut self) -> Builder {
        self.roots.get_or_insert_default();
        self
    }

    fn root(mut self, path: PathBuf, writable: bool) -> Builder {
        self.roots.get_or_insert_default().push(Root { path: std::path::absolute(&path).unwrap_or(path), writable });
        self
    }

    /// Receives each line that scripts print, in order. Default: dropped; the library itself writes nothing to standard output.
    pub fn print(mut self, line: impl FnMut(&str) + Send + 'static) -> Builder {
        self.print = Some(Box::new(line));
        self
    }

    /// Supplies the lines that scripts read with `input`; `None` is the end. Default: there is no input; the library itself reads
    /// nothing from standard input.
    pub fn input(mut self, line: impl FnMut() -> Option<String> + Send + 'static) -> Builder {
        self.input = Some(Box::new(line));
        self
    }

    /// Receives the progress of long work: a line now and then, and one when each operation ends. Default: dropped.
    pub fn progress(mut self, line: impl FnMut(&str) + Send + 'static) -> Builder {
        self.progress = Some(Box::new(line));
        self
    }

    /// Stops a script from another thread: keep a clone of `cancel` and call its `request`. The script ends at its next
    /// operation, or at the next round of its current native loop.
    pub fn cancel(mut self, cancel: &Cancel) -> Builder {
        self.cancel = cancel.clone();
        self
    }

    /// The arguments that scripts see as `args()`: `key=value` words.
    pub fn args(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Builder {
        self.args = words.into_iter().map(Into::into).collect();
        self
    }

    /// Adds functions of the host application, which scripts call as `name::function(…)`.
    pub fn module(mut self, name: impl Into<String>, module: Module) -> Builder {
        self.modules.push((name.into(), module));
        self
    }

    /// Registers types, operators, methods and functions of the host application, as described in the Rhai book. A native loop of
    /// the host is stopped and counted where it calls [`cancel::check`](crate::cancel::check).
    pub fn natives(mut self, register: impl FnOnce(&mut Natives) + 'static) -> Builder {
        self.natives.push(Box::new(register));
        self
    }

    /// Sets how long a thread waits for the runtime while its current script is inside one call of one of `natives`; one minute
    /// by default. After that it is an error: the function may be waiting for this very thread, a deadlock.
    pub fn patience(mut self, time: Duration) -> Builder {
        self.patience = Some(time);
        self
    }

    /// Builds the runtime. It is an error if a module has the name of one in the standard library, a function has the name and
    /// parameter types of one of levain's, a word of `args` is not `key=value`, or this system can't enforce a limit.
    pub fn build(self) -> Result<Runtime> {
        self.limits.enforceable()?;
        let mut host = Host::bounded(Bounds::new(self.limits, self.roots));
        host.run_state.set_args(&self.args)?;
        host.use_cancel(&self.cancel);
        host.progress = match self.progress {
            Some(mut line) => {
                Sink::Lines(Arc::new(Mutex::new(move |text: &str| natives::call("progress", || line(text)))))
            }
            None => Sink::Nowhere,
        };
        let mut print = self.print.unwrap_or_else(|| Box::new(|_| {}));
        host.output.give(move |text| natives::call("print", || print(text)));
        match self.input {
            Some(mut line) => host.input.give(move || natives::call("input", &mut line)),
            None => host.input.close(),
        }
        host.has_guests = !(self.modules.is_empty() && self.natives.is_empty());
        for (name, module) in self.modules {
            if super::stdlib::is_module(&name) {
                return Err(Error::new("module", format!("`{name}` is a module of the standard library"))
                    .help("give it another name"));
            }
            host.engine.register_static_module(name, module.into());
        }
        if !self.natives.is_empty() {
            let before = natives::known(&host.engine);
            let all = |engine: &mut Engine| {
                let mut natives = Natives::new(engine);
                self.natives.into_iter().for_each(|register| register(&mut natives));
            };
            forms::of_host(&mut host.engine, all);
            if let Some(name) = natives::hidden(&before, &host.engine) {
                return Err(Error::new("natives", format!("levain has a `{name}` for the same kinds of arguments"))
                    .help("give yours another name, or put it into a module"));
            }
        }
        Ok(Runtime { patience: self.patience.unwrap_or(PATIENCE), ..Runtime::of(host) })
    }
}

impl Default for Runtime {
    /// A runtime without limits and without output.
    fn default() -> Runtime {
        let mut host = Host::new();
        host.progress = Sink::Nowhere;
        host.output.give(|_| {});
        host.input.close();
        Runtime::of(host)
    }
}

impl Runtime {
    fn of(host: Host) -> Runtime {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (id, random) = (NEXT.fetch_add(1, Ordering::Relaxed), Mutex::new(RunState::new(0)));
        Runtime { host, id, random, patience: PATIENCE, abroad: Abroad::default() }
    }

    /// Returns a builder with the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs a script and returns the value of its last expression.
    pub fn run(&self, text: &str) -> Result<Value, Fault> {
        Ok(self.load("script", text)?.value)
    }

    /// Runs a script file and returns the value of its last expression. Its imports are relative to the file.
    pub fn run_file(&self, path: impl AsRef<Path>) -> Result<Value, Fault> {
        Ok(self.load_file(path)?.value)
    }

    /// Runs a script once and keeps its variables and functions, to read and to call. Faults name the script as `name`.
    pub fn load(&self, name: &str, text: &str) -> Result<Script<'_>, Fault> {
        let ast = self.host.compile(name, text)?;
        let mut scope = Scope::new();
        let value = self.work(name, || self.host.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &ast))?;
        let functions = callable(&ast, &scope, name);
        Ok(Script { runtime: self, name: name.into(), functions, scope, value: Value(value) })
    }

    /// Like [`Runtime::load`], for a file. The path comes from the host application, and is not subject to the scripts' file
    /// limits.
    pub fn load_file(&self, path: impl AsRef<Path>) -> Result<Script<'_>, Fault> {
        let path = path.as_ref();
        self.load(&path.display().to_string(), &sources::read_script(path)?)
    }

    /// Checks a script without running it: returns misspelled names, wrong numbers of arguments, unknown options.
    pub fn check(&mut self, name: &str, text: &str) -> Vec<Fault> {
        let bounds = self.host.bounds.clone();
        limits::within(&bounds, || checker::check(&mut self.host, name, text))
    }

    /// Returns the handle that stops the running script, from any thread.
    pub fn cancel(&self) -> &Cancel {
        &self.host.cancel
    }

    /// Number of operations of the last or current run; counted only under a limit.
    pub fn operations(&self) -> u64 {
        self.host.bounds.operations()
    }

    /// The code with which the last run or call ended itself by `exit(code)`, if it did. A nonzero code is also the cause of its
    /// fault.
    pub fn exit_code(&self) -> Option<u8> {
        self.host.run_state.ended()
    }

    /// The functions that scripts can call, for help and completion.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Runs `work` on a thread with a large stack, whose random numbers continue where the last run ended.
    fn work(&self, name: &str, work: impl FnOnce() -> Res<Dynamic> + Send) -> Result<Dynamic, Fault> {
        let mut inside = INSIDE.with_borrow(Vec::clone);
        if inside.contains(&self.id) {
            let mut fault = Fault::plain("runtime: it is at work already: the script that it runs led here");
            fault.help = Some("a function that scripts call may use another runtime".to_string());
            return Err(fault);
        }
        inside.push(self.id);
        let mut random = match self.host.has_guests {
            true => self.abroad.turn(&self.random, self.patience)?,
            false => self.random.lock().unwrap_or_else(PoisonError::into_inner),
        };
        self.host.run_state.take_ended();
        let start = random.clone();
        let run = || {
            INSIDE.set(inside);
            rng::restore(start);
            let result = self.abroad.followed(|| self.host.value(self.host.guard(name, work)));
            (result, rng::state())
        };
        let builder = std::thread::Builder::new().name("script".into()).stack_size(STACK);
        let done = std::thread::scope(|scope| builder.spawn_scoped(scope, run).map(|thread| thread.join()));
        match done {
            Ok(Ok((result, state))) => {
                *random = state;
                self.ended(result?)
            }
            Ok(Err(_)) => Err(Fault::internal("the script's thread ended")),
            Err(error) => Err(Fault::plain(format!("a thread for the script can't be made: {error}"))),
        }
    }

    /// A script that exited with a nonzero code has failed.
    fn ended(&self, value: Dynamic) -> Result<Dynamic, Fault> {
        match self.exit_code() {
            None | Some(0) => Ok(value),
            Some(code) => Err(Fault::exit(code)),
        }
    }
}

/// A script that has run.
pub struct Script<'a> {
    runtime: &'a Runtime,
    name: String,
    functions: AST,
    scope: Scope<'static>,
    value: Value,
}

impl Script<'_> {
    /// Returns the value of its last expression.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the value of a top-level variable or constant.
    pub fn get(&self, variable: &str) -> Option<Value> {
        self.scope.get_value::<Dynamic>(variable).map(Value)
    }

    /// Calls one of its functions with Rust values: a tuple or a list of anything that implements `Serialize`. `()` means no
    /// arguments.
    pub fn call(&mut self, function: &str, args: impl Serialize) -> Result<Value, Fault> {
        let args = Value::new(args)?.0;
        let args = if args.is_unit() { Vec::new() } else { args.into_array().map_err(not_a_list)? };
        self.call_values(function, args.into_iter().map(Value).collect())
    }

    /// Calls one of its functions with values passed unchanged: tensors, closures, types of the host application.
    pub fn call_values(&mut self, function: &str, args: Vec<Value>) -> Result<Value, Fault> {
        let host = &self.runtime.host;
        let args = Arguments(args.into_iter().map(|value| value.0).collect());
        let functions = &self.functions;
        let function = own_names::called(functions, function, args.0.len());
        let value = self.runtime.work(&self.name, || {
            // imports and constants belong to one run, so each call evaluates them again
            let options = CallFnOptions::new().eval_ast(true).rewind_scope(false);
            host.engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), functions, function, args)
        })?;
        Ok(Value(value))
    }
}

fn not_a_list(kind: &str) -> Fault {
    Fault::plain(format!("call: the arguments are a tuple or a list, not {kind}"))
}

struct Arguments(Vec<Dynamic>);

impl FuncArgs for Arguments {
    fn parse<ARGS: Extend<Dynamic>>(self, args: &mut ARGS) {
        args.extend(self.0);
    }
}

/// A script's functions, with the top-level imports and constants that they may use, and no other statement that a call would
/// repeat.
fn callable(ast: &AST, scope: &Scope, name: &str) -> AST {
    let kept = ast.statements().iter().filter_map(|statement| match statement {
        Stmt::Import(..) => Some(statement.clone()),
        Stmt::Var(variable, flags, position) if flags.contains(ASTFlags::CONSTANT) => {
            let value = scope.get_value::<Dynamic>(&variable.0.name)?;
            let value = Expr::DynamicConstant(value.into(), *position);
            Some(Stmt::Var((variable.0.clone(), value, variable.2).into(), *flags, *position))
        }
        _ => None,
    });
    AST::new_with_source(kept.collect::<Vec<_>>(), ast.shared_lib().clone(), name)
}
