//! The engine factory: the same engine for the command line, the prompt and the tests.

use super::api::Run;
use super::display::Looks;
use super::language::{self, Pairs};
use super::modules::Modules;
use super::sources::Sources;
use super::tables::{self, Known, OptionKey, Reader, Source};
use super::{
    Cause, Fault, Input, Needs, Opt, Output, api, compile, current, explain, fault, forms, hygiene, library, natives,
    needs, purity, stdlib,
};
use crate::cancel::{self, Cancel};
use crate::limits::{self, Bounds};
use crate::progress::{self, Sink};
use rhai::{AST, Dynamic, Engine, FnAccess, Module, OptimizationLevel, Scope, Shared};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A noun: its folder, and the function that registers it.
pub type Noun = (&'static str, fn(&mut Host));

/// An engine under construction, and the registry's additions to the engine's own metadata.
#[doc(hidden)]
pub struct Host {
    pub engine: Engine,
    pub sources: Sources,
    /// Destination of `print`.
    pub output: Output,
    /// Source of `input`.
    pub input: Input,
    /// Destination of progress.
    pub progress: Sink,
    /// The arguments of the run, and its exit code.
    pub run_state: Run,
    /// Stops the running script.
    pub cancel: Cancel,
    /// The limits of the script.
    pub bounds: Bounds,
    /// Whether a host application has registered functions.
    pub has_guests: bool,
    /// Modules of the standard library that don't compile, with the reason.
    pub broken: Vec<(&'static str, Fault)>,
    /// The modules needed by the script that this engine was made for.
    pub needs: Needs,
    /// The loaded modules of the standard library.
    scripts: Vec<library::Script>,
    options: Vec<(&'static str, &'static [Opt])>,
    verbs: forms::Verbs,
    /// Types that nouns compare with other types.
    pairs: Pairs,
    /// Display and size of values of the nouns' types.
    pub looks: Looks,
    /// The functions that each noun registered.
    nouns: Vec<(&'static str, Shared<Module>)>,
    /// Functions of the noun that is being registered.
    registering: Module,
}

impl Host {
    /// An engine with these nouns and without the standard library, whose modules [`Host::need`] loads on demand.
    pub fn with(bounds: Bounds, nouns: &[Noun]) -> Host {
        let (output, sources, cancel) = (Output::default(), Sources::default(), Cancel::default());
        let pairs = Pairs::default();
        let mut host = Host {
            engine: engine(&output, &sources, &cancel, &bounds, &pairs),
            sources,
            output,
            input: Input::default(),
            progress: Sink::default(),
            run_state: Run::default(),
            cancel,
            bounds,
            has_guests: false,
            broken: Vec::new(),
            needs: Needs::default(),
            scripts: Vec::new(),
            options: Vec::new(),
            verbs: forms::Verbs::new(),
            pairs,
            looks: Looks::default(),
            nouns: Vec::new(),
            registering: Module::new(),
        };
        host.output.stops(&host.cancel);
        host.noun("script", api::register);
        for (name, register) in nouns {
            host.noun(name, register);
        }
        purity::know(&host.nouns);
        library::announce(&mut host.engine);
        host
    }

    /// Lets `cancel` stop the script, instead of the host's own handle.
    pub fn use_cancel(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
        self.output.stops(cancel);
        stops(&mut self.engine, cancel, &self.bounds);
    }

    /// Loads the modules `names` of the standard library, and their dependencies, unless already loaded.
    pub fn load(&mut self, names: &[&'static str]) {
        let scripts = self.scripts.iter().map(|script| script.name);
        let known: Vec<&str> = scripts.chain(self.broken.iter().map(|(name, _)| *name)).collect();
        let read = library::read(&mut self.engine, &self.sources, names, &known);
        self.broken.extend(read.broken);
        let new: Vec<&str> = read.scripts.iter().map(|script| script.name).collect();
        self.scripts.extend(read.scripts);
        for name in new {
            let Some(source) = self.module_source(name) else { continue };
            match library::module(&self.engine, &self.sources, name, source.ast, &self.optional(source)) {
                Ok(module) => drop(self.engine.register_static_module(name, module.into())),
                Err(fault) => {
                    self.scripts.retain(|script| script.name != name);
                    self.broken.push((name, *fault));
                }
            }
        }
    }

    /// Functions of a module whose last parameter is an optional map of options: name and all parameters.
    pub fn optional(&self, source: Source) -> Vec<(String, Vec<String>)> {
        let reader = Reader::new(self, |_| None);
        let functions: Vec<_> = source.ast.iter_functions().filter(|f| f.access == FnAccess::Public).collect();
        let has = |name: &str, count: usize| functions.iter().any(|f| f.name == name && f.params.len() == count);
        let optional = functions.iter().filter(|function| {
            let count = function.params.len();
            count > 0
                && !has(function.name, count - 1)
                && reader.taken(source, function.name, count, count - 1).is_some()
        });
        let named =
            |f: &rhai::ScriptFnMetadata| (f.name.to_string(), f.params.iter().map(ToString::to_string).collect());
        optional.map(named).collect()
    }

    /// Loads the modules of the standard library that a text needs.
    pub fn need(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        let needs = Needs::of(&mut self.engine, name, text);
        self.load(&needs.modules);
        self.intact(needs.modules)
    }

    /// Loads all of the standard library.
    pub fn load_all(&mut self) {
        self.load(&stdlib::MODULES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    /// The fault of a module that does not compile, among `names` and their dependencies.
    fn intact(&self, mut names: Vec<&'static str>) -> Result<(), Fault> {
        let mut next = 0;
        while let Some(name) = names.get(next).copied().filter(|_| !self.broken.is_empty()) {
            next += 1;
            if let Some((_, fault)) = self.broken.iter().find(|(broken, _)| *broken == name) {
                return Err(fault.clone());
            }
            let named = self.module_source(name).map(|source| needs::modules_of(source.ast)).unwrap_or_default();
            names.extend(named.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
        }
        Ok(())
    }

    /// Registers a noun as one module: the engine asks every module for each function that it looks up.
    fn noun(&mut self, name: &'static str, register: impl FnOnce(&mut Host)) {
        register(self);
        let module: Shared<Module> = std::mem::take(&mut self.registering).into();
        self.nouns.push((name, module.clone()));
        self.engine.register_global_module(module);
    }

    /// Registers functions of a noun; those with options also without them. Only the engine knows a type's name
    /// (`register_type_with_name`): combining modules loses it.
    pub fn module(&mut self, module: Module) {
        let module = forms::without_options(module, &mut self.verbs, &self.pairs);
        self.registering.combine_flatten(module);
    }

    /// The functions that each noun registered.
    pub fn nouns(&self) -> &[(&'static str, Shared<Module>)] {
        &self.nouns
    }

    /// Declares the options of a verb.
    pub fn options(&mut self, verb: &'static str, table: &'static [Opt]) {
        self.options.push((verb, table));
    }

    /// The option keys of a verb, by its name in help: native, or `module::function`.
    pub fn option_keys(&self, verb: &str) -> Vec<OptionKey> {
        let reader = Reader::new(self, |_| None).told();
        let Some((module, function)) = verb.split_once("::") else { return reader.native(verb).unwrap_or_default() };
        let Some(source) = self.module_source(module) else { return Vec::new() };
        let counts = source.ast.iter_functions().filter(|f| f.name == function).map(|f| f.params.len());
        let tables = counts.flat_map(|count| (0..count).rev().map(move |place| (count, place)));
        tables.filter_map(|(count, place)| reader.taken(source, function, count, place)).next().unwrap_or_default()
    }

    /// Every call of `options(…)` in the standard library, as `stdlib/sft.rhai:25`, with the keys that it reads.
    pub fn option_calls(&self) -> Vec<(String, Option<Vec<OptionKey>>)> {
        let mut found = Vec::new();
        for script in &self.scripts {
            let Some(source) = self.module_source(script.name) else { continue };
            for (defaults, position) in tables::defaults(&script.ast) {
                let at = format!("{}:{}", stdlib::source_name(script.name), position.line().unwrap_or(0));
                found.push((at, Reader::new(self, |_| None).keys(source, &defaults)));
            }
        }
        found
    }

    /// Compiles a script; positions in it refer to `name`.
    pub fn compile(&self, name: &str, text: &str) -> Result<AST, Fault> {
        self.sources.add(name, text);
        let compiled = compile::compile(&self.engine, &Scope::new(), text, &AST::empty());
        let mut ast = compiled.map_err(|error| self.fault(error.into(), name))?;
        self.intact(needs::modules_of(&ast))?;
        ast.set_source(name);
        Ok(ast)
    }

    /// Runs a script.
    pub fn run(&self, name: &str, text: &str) -> Result<Dynamic, Fault> {
        let ast = self.compile(name, text)?;
        self.value(self.guard(name, || self.engine.eval_ast_with_scope(&mut Scope::new(), &ast)))
    }

    /// Runs `work` on scripts; an error or a panic is returned as a fault.
    pub fn guard<T>(&self, name: &str, work: impl FnOnce() -> super::Res<T>) -> Result<T, Fault> {
        self.bounds.begin();
        self.cancel.end_after(self.bounds.limits().time);
        let work = || progress::shown_by(&self.progress, || limits::within(&self.bounds, work));
        let work = || current::within(&self.engine, || cancel::under(&self.cancel, work));
        match catch_unwind(AssertUnwindSafe(work)) {
            // no operation follows a script's last verb, and other verbs may have failed because of the damage
            Ok(result) => match self.cancel.fault() {
                Some(fault) => Err(fault.into()),
                None => result.map_err(|error| self.fault(error, name)),
            },
            Err(panic) => Err(match cancel::stopped(panic) {
                Ok(error) => error.into(),
                Err(panic) => self.panic(&*panic),
            }),
        }
    }

    /// The result of a script that exited is `()`; its code is in the run state.
    pub fn value(&self, result: Result<Dynamic, Fault>) -> Result<Dynamic, Fault> {
        match result {
            Err(fault) if matches!(fault.cause, Cause::Exit(_)) => Ok(Dynamic::UNIT),
            other => other,
        }
    }

    /// Attributes a panic to the host application or to levain.
    fn panic(&self, panic: &(dyn std::any::Any + Send)) -> Fault {
        match natives::blamed() {
            Some((what, text)) => Fault::of_host(what, &text),
            None if self.has_guests => Fault::unclear(&panic_text(panic)),
            None => Fault::internal(&panic_text(panic)),
        }
    }

    pub fn fault(&self, error: Box<rhai::EvalAltResult>, name: &str) -> Fault {
        match fault::is_exit(&error) {
            true => Fault::exit(self.run_state.ended().unwrap_or(0)),
            false => explain::fault(&error, name, &self.sources, &self.engine),
        }
    }

    /// The text that `print` shows for a value.
    pub fn show(&self, value: &Dynamic) -> String {
        let shown = self.engine.eval_fn_call::<rhai::ImmutableString>("to_string", None, (value.clone(),));
        shown.map_or_else(|_| value.to_string(), |text| text.to_string())
    }
}

impl tables::Known for Host {
    fn option_tables(&self) -> &[(&'static str, &'static [Opt])] {
        &self.options
    }

    fn ends_with_options(&self, verb: &str, count: usize) -> bool {
        self.verbs.get(&(verb.to_string(), count)).copied().unwrap_or(false)
    }

    fn module_source(&self, module: &str) -> Option<Source<'_>> {
        let script = self.scripts.iter().find(|script| script.name == module)?;
        Some(Source { text: stdlib::text(module), ast: &script.ast, uses: &script.uses })
    }
}

/// levain's dialect of the language: strict, and with the same limits in every build.
fn engine(output: &Output, sources: &Sources, cancel: &Cancel, bounds: &Bounds, pairs: &Pairs) -> Engine {
    let mut engine = Engine::new();
    let out = output.clone();
    engine.on_print(move |text| out.line(text));
    stops(&mut engine, cancel, bounds);
    engine.set_module_resolver(Modules::new(sources.clone()));
    engine.set_strict_variables(true);
    // a text is parsed as written, and folded after the check
    engine.set_optimization_level(OptimizationLevel::None);
    let limits = bounds.limits();
    engine.set_max_call_levels(limits.calls);
    engine.set_max_string_size(limits.text.unwrap_or(0));
    engine.set_max_array_size(limits.list.unwrap_or(0));
    engine.set_max_map_size(limits.map.unwrap_or(0));
    engine.set_max_expr_depths(256, 256);
    engine.disable_symbol("eval");
    hygiene::install(&mut engine);
    language::install(&mut engine, pairs);
    // above `*`, as in Python
    let _ = engine.register_custom_operator("@", 180);
    engine
}

/// Ends a script at its next operation: on request, or at a limit.
fn stops(engine: &mut Engine, cancel: &Cancel, bounds: &Bounds) {
    let (cancel, bounds) = (cancel.clone(), bounds.clone());
    engine.on_progress(move |_| match bounds.charge(1) {
        Err(error) => Some(crate::thrown::fields(&error).into()),
        Ok(()) => cancel.is_requested().then(|| crate::thrown::fields(&cancel.error()).into()),
    });
}

thread_local! {
    static PANIC: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Fixes the seed of Rhai's hashes, before the first engine is made: the identity of a closure (`identity`) is then the same in
/// every process, so that an interrupted run can resume. Only for the binary, since the seed is process-wide.
pub fn fix_hashes() {
    // if already set, it is not random either
    let _ = rhai::config::hashing::set_hashing_seed(Some([0x6c65_7661, 0x696e, 1, 2]));
}

/// Keeps the text of a panic, with its place, for the fault that reports it.
pub fn note_panic(text: &str) {
    PANIC.with(|noted| noted.replace(Some(text.to_string())));
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = PANIC.with(|noted| noted.take()).unwrap_or_else(|| natives::text(panic));
    text.trim_start_matches("panicked at ").replace(":\n", ": ")
}
