//! The engine factory: one way to make an engine, for the command line, the prompt and the tests.

use super::api::Run;
use super::look::Looks;
use super::modules::Modules;
use super::sources::Sources;
use super::{Fault, Kind, Opt, Output, api, check, hygiene, stdlib};
use crate::cancel::{self, Cancel};
use crate::limits::{self, Bounds};
use crate::plot::progress::{self, Sink};
use rhai::{AST, Dynamic, Engine, Module, Scope, Shared};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// What is being put together: the engine, and what the registry knows beside the engine's own metadata.
pub struct Host {
    pub engine: Engine,
    pub sources: Sources,
    /// Where `print` goes.
    pub output: Output,
    /// Where progress goes.
    pub progress: Sink,
    /// What the run was given, and how it asked to end.
    pub run_state: Run,
    /// Stops what runs.
    pub cancel: Cancel,
    /// What the script may take.
    pub bounds: Bounds,
    /// Modules of the standard library that don't compile, with the reason.
    pub broken: Vec<(String, Fault)>,
    /// The modules of the standard library that are loaded.
    scripts: Vec<(&'static str, AST)>,
    options: Vec<(&'static str, &'static [Opt])>,
    /// How values of the nouns' types are shown and weighed.
    pub looks: Looks,
    /// Which noun registered which functions, and the one that registers now.
    nouns: Vec<(&'static str, Shared<Module>)>,
    registering: &'static str,
}

impl Host {
    /// An engine with everything.
    pub fn new() -> Host {
        Host::bounded(Bounds::default())
    }

    /// An engine with everything, for scripts that may take so much.
    pub fn bounded(bounds: Bounds) -> Host {
        let mut host = Host::bare(bounds);
        host.load(&stdlib::MODULES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        host
    }

    /// An engine with the modules of the standard library that `script` needs.
    pub fn for_script(script: &str) -> Host {
        Host::for_script_within(script, Bounds::default())
    }

    /// [`Host::for_script`], for a script that may take so much.
    pub fn for_script_within(script: &str, bounds: Bounds) -> Host {
        // what it imports may name others
        if script.contains("import") {
            return Host::bounded(bounds);
        }
        let mut host = Host::bare(bounds);
        host.load(&stdlib::needed(script));
        host
    }

    /// An engine without the standard library: [`Host::need`] brings it in piece by piece.
    pub fn bare(bounds: Bounds) -> Host {
        let (output, sources, cancel) = (Output::default(), Sources::default(), Cancel::default());
        let mut host = Host {
            engine: engine(&output, &sources, &cancel, &bounds),
            sources,
            output,
            progress: Sink::default(),
            run_state: Run::default(),
            cancel,
            bounds,
            broken: Vec::new(),
            scripts: Vec::new(),
            options: Vec::new(),
            looks: Looks::default(),
            nouns: Vec::new(),
            registering: "script",
        };
        host.noun("script", api::register);
        host.noun("script", check::register);
        host.noun("tensor", crate::tensor::api::register);
        host.noun("token", crate::token::api::register);
        host.noun("data", crate::data::api::register);
        host.noun("model", crate::model::api::register);
        host.noun("train", crate::train::api::register);
        host.noun("measure", crate::measure::api::register);
        host.noun("retrieve", crate::retrieve::api::register);
        host.noun("plot", crate::plot::api::register);
        stdlib::announce(&mut host.engine);
        host
    }

    /// Lets `cancel` stop what runs, in place of a handle of its own.
    pub fn use_cancel(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
        stops(&mut self.engine, cancel, &self.bounds);
    }

    fn load(&mut self, names: &[&str]) {
        let loaded = stdlib::load(&mut self.engine, &self.sources, names);
        self.broken.extend(loaded.broken);
        self.scripts.extend(loaded.scripts);
    }

    /// Loads the modules of the standard library that a text needs and that are not there yet.
    pub fn need(&mut self, text: &str) -> Result<(), Fault> {
        let needed = match text.contains("import") {
            // what it imports may name others
            true => stdlib::MODULES.iter().map(|(name, _)| *name).collect(),
            false => stdlib::needed(text),
        };
        self.load_missing(&needed);
        match self.broken.iter().find(|(module, _)| needed.contains(&module.as_str())) {
            Some((_, fault)) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// Loads what is missing of the standard library.
    pub fn load_all(&mut self) {
        self.load_missing(&stdlib::MODULES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    fn load_missing(&mut self, names: &[&'static str]) {
        let known = |name: &&&str| {
            self.scripts.iter().any(|(known, _)| known == *name) || self.broken.iter().any(|(known, _)| known == **name)
        };
        let missing: Vec<&str> = names.iter().filter(|name| !known(name)).copied().collect();
        self.load(&missing);
    }

    fn noun(&mut self, name: &'static str, register: impl FnOnce(&mut Host)) {
        self.registering = name;
        register(self);
    }

    /// Shows a noun's functions to scripts.
    pub fn module(&mut self, module: Module) {
        let module: Shared<Module> = module.into();
        self.nouns.push((self.registering, module.clone()));
        self.engine.register_global_module(module);
    }

    /// Which noun registered which functions.
    pub fn nouns(&self) -> &[(&'static str, Shared<Module>)] {
        &self.nouns
    }

    /// The options that verbs take.
    pub fn option_tables(&self) -> &[(&'static str, &'static [Opt])] {
        &self.options
    }

    /// Tells which options a verb takes.
    pub fn options(&mut self, verb: &'static str, table: &'static [Opt]) {
        self.options.push((verb, table));
    }

    /// The options that a function of the standard library takes in its parameter at `place`, where it tells.
    pub fn stdlib_options(&self, function: &str, count: usize, place: usize) -> Option<Vec<(String, Kind)>> {
        let (module, function) = function.split_once("::")?;
        let (_, ast) = self.scripts.iter().find(|(name, _)| *name == module)?;
        stdlib::option_keys(ast, function, count, place)
    }

    /// Compiles a script; positions in it refer to `name`.
    pub fn compile(&self, name: &str, text: &str) -> Result<AST, Fault> {
        self.sources.add(name, text);
        if let Some((_, fault)) = self.broken.iter().find(|(module, _)| stdlib::needed(text).contains(&module.as_str()))
        {
            return Err(fault.clone());
        }
        let mut ast = self.engine.compile(text).map_err(|error| self.fault(error.into(), name))?;
        ast.set_source(name);
        Ok(ast)
    }

    /// Runs a script that is given as text.
    pub fn run(&self, name: &str, text: &str) -> Result<Dynamic, Fault> {
        let ast = self.compile(name, text)?;
        self.guard(name, || self.engine.eval_ast_with_scope(&mut Scope::new(), &ast))
    }

    /// Runs `work` on scripts: what it throws, and a panic too, comes back as a fault.
    pub fn guard<T>(&self, name: &str, work: impl FnOnce() -> super::Res<T>) -> Result<T, Fault> {
        self.bounds.begin();
        let work = || progress::shown_by(&self.progress, || limits::within(&self.bounds, work));
        match catch_unwind(AssertUnwindSafe(|| cancel::under(&self.cancel, work))) {
            Ok(result) => result.map_err(|error| self.fault(error, name)),
            Err(panic) => Err(Fault::internal(&panic_text(&*panic))),
        }
    }

    pub fn fault(&self, error: Box<rhai::EvalAltResult>, name: &str) -> Fault {
        Fault::new(&error, name, &self.sources, &self.engine)
    }

    /// What `print` shows of a value.
    pub fn show(&self, value: &Dynamic) -> String {
        let shown = self.engine.eval_fn_call::<rhai::ImmutableString>("to_string", None, (value.clone(),));
        shown.map_or_else(|_| value.to_string(), |text| text.to_string())
    }
}

impl Default for Host {
    fn default() -> Self {
        Host::new()
    }
}

/// The language as levain speaks it: strict, and with the same limits in every build.
fn engine(output: &Output, sources: &Sources, cancel: &Cancel, bounds: &Bounds) -> Engine {
    let mut engine = Engine::new();
    let out = output.clone();
    engine.on_print(move |text| out.line(text));
    stops(&mut engine, cancel, bounds);
    engine.set_module_resolver(Modules::new(sources.clone()));
    engine.set_strict_variables(true);
    engine.set_fail_on_invalid_map_property(true);
    engine.on_map_missing_property(|map, name, _| Err(missing_property(map, name)));
    let limits = bounds.limits();
    engine.set_max_call_levels(limits.calls);
    engine.set_max_string_size(limits.text.unwrap_or(0));
    engine.set_max_array_size(limits.list.unwrap_or(0));
    engine.set_max_map_size(limits.map.unwrap_or(0));
    engine.set_max_expr_depths(256, 256);
    engine.disable_symbol("eval");
    hygiene::install(&mut engine);
    // above `*`, as in Python
    let _ = engine.register_custom_operator("@", 180);
    engine
}

/// What ends a script at its next operation: a request, or the end of what it may take.
fn stops(engine: &mut Engine, cancel: &Cancel, bounds: &Bounds) {
    let (cancel, bounds) = (cancel.clone(), bounds.clone());
    engine.on_progress(move |_| match cancel.is_requested() {
        true => Some(crate::error::INTERRUPTED.into()),
        false => bounds.charge(1).err().map(|error| super::fault::fields(&error).into()),
    });
}

/// A map is read strictly: a misspelt key would else be a silent `()`.
fn missing_property(map: &rhai::Map, name: &str) -> Box<rhai::EvalAltResult> {
    let keys = || map.keys().map(|key| key.as_str());
    let error = crate::Error::new(name, "the map has no such key");
    let held = if map.is_empty() { "the map is empty".to_string() } else { format!("it has {}", list(keys())) };
    error.meant(name, keys()).or_help(format!("{held}; `map.get(\"key\")` returns `()` for a missing key")).into()
}

/// The first few names, and how many more there are.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(12).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 12 { format!("{shown} and {} more", names.len() - 12) } else { shown }
}

/// Reads a script; not UTF-8 is an error that names the line.
pub fn read_script(path: &Path) -> crate::Result<String> {
    crate::files::text("script", path)
}

thread_local! {
    static PANIC: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Keeps what a panic says of itself, with its place, for the fault that tells it.
pub fn note_panic(text: &str) {
    PANIC.with(|noted| noted.replace(Some(text.to_string())));
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let noted = PANIC.with(|noted| noted.take());
    let text = noted.unwrap_or_else(|| text.unwrap_or("no message").to_string());
    text.trim_start_matches("panicked at ").replace(":\n", ": ")
}
