//! Checks a script before it runs: a typo in the last line must not cost two hours of training.
//!
//! Reports only certain faults: a name, an argument count, a verb of a type or an option that does not exist in the host, the
//! script or its imports. Types are followed forward from the expression that makes a value to its uses; a value of unknown type
//! is not checked.

mod calls;
mod copies;
mod given;
mod habits;
mod vain;
mod walk;

use super::explain::Message;
use super::registry::{self, Function};
use super::signatures::{Kind, Signatures};
use super::tables::{Source, Uses};
use super::{Fault, Host, compile, declared, explain, modules, own_names, stdlib};
use crate::files;
use given::Given;
use rhai::{AST, ASTNode, EvalAltResult, ImmutableString, Module, Position, Scope, Stmt};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A finding in a script.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The script runs anyway.
    pub is_warning: bool,
    pub fault: Fault,
}

impl Finding {
    pub fn level(&self) -> &'static str {
        if self.is_warning { "warning" } else { "error" }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.write(self.level(), f)
    }
}

/// The faults of a script and its imported files; only the first for each misspelled name.
pub fn check(host: &mut Host, name: &str, text: &str) -> Vec<Fault> {
    look(host, name, text).into_iter().filter(|finding| !finding.is_warning).map(|finding| finding.fault).collect()
}

/// Faults and warnings of a script and its imported files.
pub fn look(host: &mut Host, name: &str, text: &str) -> Vec<Finding> {
    let functions = OnceCell::new();
    let mut seen: HashSet<PathBuf> = files::full(Path::new(name)).into_iter().collect();
    let mut findings = Vec::new();
    let mut files = vec![(name.to_string(), text.to_string())];
    while let Some((name, text)) = files.pop() {
        host.sources.add(&name, &text);
        let known = Signatures::of(&host.engine, &text);
        let mut own: Vec<Finding> = undefined(host, &name, &text);
        let Some(ast) = compile::loosely(&mut host.engine, &text) else {
            findings.extend(own);
            continue;
        };
        let imports = declared::imports(&ast, &name);
        own.extend({
            let read: HashMap<&str, Option<Imported>> =
                imports.iter().map(|(alias, path)| (alias.as_str(), imported(host, path.as_deref()))).collect();
            let uses = Uses::of(&ast);
            let source = Source { text: &text, ast: &ast, uses: &uses };
            let mut found = Check::new(host, &known, &functions, &name, source, &read).run();
            // members of another library's name belong to that library
            let line = |finding: &Finding| finding.fault.place.as_ref().map(|place| place.line);
            let is_foreign = |finding: &&Finding| explain::is_foreign(&finding.fault.message);
            let foreign: HashSet<_> = own.iter().filter(is_foreign).map(line).collect();
            found.retain(|finding| finding.is_warning || !foreign.contains(&line(finding)));
            found
        });
        own.sort_by_key(|finding| finding.fault.place.as_ref().map(|place| (place.line, place.column)));
        findings.extend(own);
        for path in imports.into_values().flatten() {
            if let Ok(text) = super::read_script(&path)
                && seen.insert(files::full(&path).unwrap_or(path.clone()))
            {
                files.push((path.display().to_string(), text));
            }
        }
    }
    findings
}

/// An imported file.
struct Imported {
    text: String,
    ast: AST,
    uses: Uses,
}

impl Imported {
    fn source(&self) -> Source<'_> {
        Source { text: &self.text, ast: &self.ast, uses: &self.uses }
    }
}

fn imported(host: &mut Host, path: Option<&Path>) -> Option<Imported> {
    let text = super::read_script(path?).ok()?;
    let ast = compile::loosely(&mut host.engine, &text)?;
    Some(Imported { uses: Uses::of(&ast), ast, text })
}

/// Parse errors and undefined variables.
fn undefined(host: &mut Host, name: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut scope = Scope::new();
    let mut found = HashSet::new();
    while let Err(error) = compile::parsed(&host.engine, &scope, text) {
        use rhai::ParseErrorType as P;
        let undefined = match error.err_type() {
            P::VariableUndefined(name) | P::ModuleUndefined(name) => Some(name.clone()),
            _ => None,
        };
        let is_module = matches!(error.err_type(), P::ModuleUndefined(_));
        // the same name again: declaring it did not help the parser
        if undefined.as_ref().is_some_and(|name| !found.insert((name.clone(), is_module))) {
            break;
        }
        let ends = undefined.as_ref().is_some_and(|name| explain::is_grammar(name, error.position(), text));
        findings.push(Finding { is_warning: false, fault: host.fault(error.into(), name) });
        // text after a word of another language can't be parsed
        if ends {
            break;
        }
        // declares it, to find further faults
        match undefined {
            Some(name) if is_module => drop(host.engine.register_static_module(name, Module::new().into())),
            Some(name) => drop(scope.push(name, ())),
            None => break,
        }
    }
    findings
}

/// A function of the script: its parameters and body.
struct Body {
    params: Vec<ImmutableString>,
    statements: Vec<Stmt>,
}

/// The functions of a script by name and parameter count, including closures.
fn bodies(ast: &AST) -> HashMap<(String, usize), Body> {
    let mut found = HashMap::new();
    for function in ast.iter_fn_def() {
        let (name, count) = (function.name.as_str(), function.params.len());
        // not `clone_functions_only_filtered`: in rhai 1.27 it keeps all of them
        let mut alone = ast.clone_functions_only();
        alone.retain_functions(|_, _, other, params| other == name && params == count);
        let mut statements = Vec::new();
        alone.walk(&mut |path: &[ASTNode]| {
            if let [ASTNode::Stmt(statement)] = path {
                statements.push((*statement).clone());
            }
            true
        });
        let params = function.params.iter().cloned().collect();
        let body = Body { params, statements };
        found.insert((name.to_string(), count), body);
    }
    found
}

/// A variable in scope.
struct Var {
    name: ImmutableString,
    kind: Kind,
    /// Position of its declaration: a captured variable keeps its original one.
    made: Position,
    used: bool,
    /// Whether to warn if it is unused.
    told: bool,
    /// The keys of a map that is never changed.
    given: Vec<Given>,
}

/// The check of one file.
struct Check<'a> {
    host: &'a Host,
    known: &'a Signatures,
    /// For messages; computed on first use.
    functions: &'a OnceCell<Vec<Function>>,
    name: &'a str,
    text: &'a str,
    ast: &'a AST,
    source: Source<'a>,
    /// Without those being checked now.
    bodies: HashMap<(String, usize), Body>,
    own: HashSet<(String, usize)>,
    /// Own functions that natives answer for after a dot.
    apart: Vec<(String, usize)>,
    /// Each imported file, if readable.
    imports: &'a HashMap<&'a str, Option<Imported>>,
    /// Names that are keys of some map: `m.f(x)` calls a closure held by the map.
    keys: OnceCell<HashSet<String>>,
    scope: Vec<Var>,
    /// Declarations whose variable is later assigned a value of another type.
    varied: HashSet<Position>,
    /// Declarations of maps that are later changed.
    changed: HashSet<Position>,
    /// Properties of native types that are copies.
    copied: HashSet<Position>,
    /// Constants that functions read as `global::NAME`, and names under which imports are used.
    globals: HashSet<String>,
    aliases: HashSet<String>,
    imported: Vec<(ImmutableString, Position)>,
    /// Inside `assert::throws(…)`, where faults are intended.
    fails: bool,
    /// The last verb checked.
    ended: Option<vain::Ended>,
    /// The next block is a loop body: its last value is dropped too.
    is_loop: bool,
    /// Number of enclosing `try` blocks: a fault there may be intended.
    tries: usize,
    /// Number of enclosing indices and ranges, where integer division is intended.
    whole: usize,
    findings: Vec<Finding>,
    told: HashSet<String>,
}

impl<'a> Check<'a> {
    fn new(
        host: &'a Host,
        known: &'a Signatures,
        functions: &'a OnceCell<Vec<Function>>,
        name: &'a str,
        source: Source<'a>,
        imports: &'a HashMap<&'a str, Option<Imported>>,
    ) -> Check<'a> {
        let Source { text, ast, .. } = source;
        let bodies = bodies(ast);
        let mut own: HashSet<(String, usize)> = bodies.keys().cloned().collect();
        if stdlib::is_source_name(name) {
            let optional = host.optional(source);
            own.extend(optional.into_iter().map(|(name, params)| (name, params.len() - 1)));
        }
        Check {
            host,
            known,
            functions,
            name,
            text,
            ast,
            source,
            own,
            apart: own_names::apart(ast, |name| !known.overloads(name).is_empty()),
            bodies,
            imports,
            keys: OnceCell::new(),
            scope: Vec::new(),
            varied: HashSet::new(),
            changed: HashSet::new(),
            copied: HashSet::new(),
            globals: HashSet::new(),
            aliases: HashSet::new(),
            imported: Vec::new(),
            fails: false,
            ended: None,
            is_loop: false,
            tries: 0,
            whole: 0,
            findings: Vec::new(),
            told: HashSet::new(),
        }
    }

    /// Repeats the walk until no further variable turns out to change its type.
    fn run(mut self) -> Vec<Finding> {
        loop {
            let varied = self.varied.len() + self.changed.len();
            self.findings.clear();
            self.told.clear();
            self.imported.clear();
            self.program();
            if self.varied.len() + self.changed.len() == varied {
                let habits = habits::warnings(self.ast, self.text);
                for (told, position) in habits.into_iter().chain(copies::warnings(self.ast, &self.bodies, self.known)) {
                    self.warn(told, position);
                }
                return self.findings;
            }
        }
    }

    /// Whether a map literal has this key, in this file, its imports or the standard library.
    fn is_key(&self, name: &str) -> bool {
        static LIBRARY: LazyLock<HashSet<String>> =
            LazyLock::new(|| stdlib::MODULES.iter().flat_map(|(_, text)| declared::keys(text)).collect());
        let own = self.keys.get_or_init(|| {
            let imported = self.imports.values().flatten().map(|file| file.text.as_str());
            [self.text].into_iter().chain(imported).flat_map(declared::keys).collect()
        });
        own.contains(name) || LIBRARY.contains(name)
    }

    fn functions(&self) -> &'a [Function] {
        self.functions.get_or_init(|| registry::known(&self.host.engine))
    }

    fn has_own(&self, name: &str, params: usize) -> bool {
        self.own.contains(&(name.to_string(), params))
    }

    /// Whether `x.name(…)` is a function of the script.
    fn answers_dots(&self, name: &str, params: usize) -> bool {
        self.has_own(name, params) && !self.apart.iter().any(|(own, count)| own == name && *count == params)
    }

    /// Adds a finding unless it was reported before; builds the message only then.
    fn tell(&mut self, once: String, told: impl FnOnce(&Self) -> Message, position: Position) {
        self.find(once, told, position, false);
    }

    fn warn(&mut self, told: Message, position: Position) {
        self.find(format!("{position:?}"), |_| told, position, true);
    }

    fn find(&mut self, once: String, told: impl FnOnce(&Self) -> Message, position: Position, is_warning: bool) {
        if self.fails || !self.told.insert(once) {
            return;
        }
        let (message, help) = told(self);
        let site = EvalAltResult::ErrorFor(position);
        let mut fault = self.host.fault(site.into(), self.name);
        (fault.message, fault.help) = (message, help);
        self.findings.push(Finding { is_warning, fault });
    }
}
