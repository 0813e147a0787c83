//! What is wrong with a script before it runs: a typo in the last line must not cost two hours of training.
//!
//! Every fault that is found is one: names and argument counts that nothing in the host, the script or what it
//! imports answers to. What only a value can tell (types, keys of maps) is left to the run.

use super::registry::Known;
use super::{Fault, Host, explain, modules, names, stdlib};
use rhai::{AST, ASTNode, Engine, EvalAltResult, Expr, FnCallExpr, Module, OptimizationLevel, Position, Scope, Stmt};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The faults of a script and of the files that it imports; of each misspelt name the first.
pub fn check(host: &mut Host, name: &str, text: &str) -> Vec<Fault> {
    let mut known = None;
    let mut seen = HashSet::new();
    let mut faults = Vec::new();
    let mut files = vec![(name.to_string(), text.to_string())];
    while let Some((name, text)) = files.pop() {
        host.sources.add(&name, &text);
        let mut own = undefined(host, &name, &text);
        let Some(ast) = loosely(&mut host.engine, &text) else {
            faults.extend(own);
            continue;
        };
        let imports = imports(&ast, &name);
        let known = known.get_or_insert_with(|| Known::of(&host.engine));
        own.extend(Check::new(host, known, &name, &text, &imports).run(&ast));
        own.sort_by_key(|fault| fault.place.as_ref().map(|place| (place.line, place.column)));
        faults.extend(own);
        for path in imports.into_values().flatten() {
            if let Ok(text) = super::read_script(&path)
                && seen.insert(path.clone())
            {
                files.push((path.display().to_string(), text));
            }
        }
    }
    faults
}

/// Parse errors and undefined variables.
fn undefined(host: &mut Host, name: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut scope = Scope::new();
    let mut found = HashSet::new();
    while let Err(error) = host.engine.compile_with_scope(&scope, text) {
        use rhai::ParseErrorType as P;
        let undefined = match error.err_type() {
            P::VariableUndefined(name) | P::ModuleUndefined(name) => Some(name.clone()),
            _ => None,
        };
        let is_module = matches!(error.err_type(), P::ModuleUndefined(_));
        // the same again: naming it did not help the parser on
        if undefined.as_ref().is_some_and(|name| !found.insert((name.clone(), is_module))) {
            break;
        }
        faults.push(host.fault(error.into(), name));
        // as if it were there, to see what else is wrong
        match undefined {
            Some(name) if is_module => drop(host.engine.register_static_module(name, Module::new().into())),
            Some(name) => drop(scope.push_constant(name, ())),
            None => break,
        }
    }
    faults
}

/// Without strict variables and without folding constants, so that all that was written is there.
fn loosely(engine: &mut Engine, text: &str) -> Option<AST> {
    let level = engine.optimization_level();
    engine.set_strict_variables(false);
    engine.set_optimization_level(OptimizationLevel::None);
    let ast = engine.compile(text);
    engine.set_optimization_level(level);
    engine.set_strict_variables(true);
    ast.ok()
}

/// What a script imports, by the name it gives it; `None` where the path is computed.
fn imports(ast: &AST, source: &str) -> HashMap<String, Option<PathBuf>> {
    let mut found = HashMap::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = path.last() {
            let file = match &import.0 {
                Expr::StringConstant(path, _) => Some(modules::place(Some(source), path)),
                _ => None,
            };
            found.insert(import.1.name.to_string(), file);
        }
        true
    });
    found
}

/// One file under the glass.
struct Check<'a> {
    host: &'a Host,
    known: &'a Known,
    name: &'a str,
    text: &'a str,
    /// Functions of each imported file, where it can be read.
    imports: HashMap<&'a str, Option<Vec<(String, usize)>>>,
    /// Words that are keys in some map: `m.f(x)` calls a closure that the map holds.
    keys: HashSet<String>,
    faults: Vec<Fault>,
    told: HashSet<String>,
}

impl<'a> Check<'a> {
    fn new(
        host: &'a Host,
        known: &'a Known,
        name: &'a str,
        text: &'a str,
        imports: &'a HashMap<String, Option<PathBuf>>,
    ) -> Check<'a> {
        let read = |path: &Path| super::read_script(path).ok();
        let texts: Vec<Option<String>> = imports.values().map(|path| path.as_deref().and_then(read)).collect();
        let mut keys: HashSet<String> = names::keys(text).into_iter().collect();
        for text in texts.iter().flatten() {
            keys.extend(names::keys(text));
        }
        for (_, text) in stdlib::MODULES {
            keys.extend(names::keys(text));
        }
        let functions = texts.iter().map(|text| text.as_deref().map(names::functions));
        let imports = imports.keys().map(String::as_str).zip(functions).collect();
        Check { host, known, name, text, imports, keys, faults: Vec::new(), told: HashSet::new() }
    }

    fn run(mut self, ast: &AST) -> Vec<Fault> {
        let own: Vec<(String, usize)> =
            ast.iter_functions().map(|function| (function.name.to_string(), function.params.len())).collect();
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => self.call(call, *position, &own, false),
                Some(ASTNode::Expr(Expr::FnCall(call, position))) => self.call(call, *position, &own, false),
                Some(ASTNode::Expr(Expr::MethodCall(call, position))) => self.call(call, *position, &own, true),
                _ => {}
            }
            true
        });
        self.faults
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, own: &[(String, usize)], method: bool) {
        let name = call.name.as_str();
        let arguments = call.args.len();
        if call.op_token.is_some() || !name.starts_with(|c: char| c.is_alphabetic() || c == '_') || name.contains('$') {
            return;
        }
        if !call.namespace.is_empty() {
            return self.member(call, position);
        }
        // by-value functions serve as methods too: the receiver is an argument
        let count = arguments + usize::from(method);
        let in_imports = || {
            self.imports
                .values()
                .any(|functions| functions.as_ref().is_none_or(|f| f.iter().any(|(known, _)| known == name)))
        };
        let own_fits = own.iter().any(|(known, params)| known == name && *params == arguments);
        let closure = method && (self.keys.contains(name) || name == "call" || name == "curry");
        if !(own_fits || closure || self.known.has(name, count) || in_imports()) {
            let told = explain::unknown_call(name, arguments, method, self.text, &self.host.engine);
            self.tell(format!("{name}/{count}"), told, position);
        }
        self.options(name, count, call, method);
    }

    /// `sft::run(…)`, or a function of an imported file.
    fn member(&mut self, call: &FnCallExpr, position: Position) {
        let (name, count) = (call.name.as_str(), call.args.len());
        let root = call.namespace.root().to_string();
        let full = format!("{root}::{name}");
        if call.namespace.path.len() > 1 || root == "global" {
            return;
        }
        if let Some(functions) = self.imports.get(root.as_str()) {
            // one that can't be read is told when it is imported
            let Some(functions) = functions else { return };
            if !functions.iter().any(|(known, params)| known == name && *params == count) {
                let names: Vec<&str> = functions.iter().map(|(name, _)| name.as_str()).collect();
                self.tell(full.clone(), explain::unknown_member(&full, count, &names), position);
            }
            return;
        }
        if stdlib::is_module(&root) && !self.known.has(&full, count) {
            let told = explain::unknown_call(&full, count, false, self.text, &self.host.engine);
            return self.tell(format!("{full}/{count}"), told, position);
        }
        self.options(&full, count, call, false);
    }

    /// The keys of an option map that is written out in the call.
    fn options(&mut self, name: &str, count: usize, call: &FnCallExpr, method: bool) {
        for (index, argument) in call.args.iter().enumerate() {
            let Expr::Map(map, _) = argument else { continue };
            let place = index + usize::from(method);
            let Some(takes) = self.known.keys(self.host, name, count, place) else { continue };
            for (key, _) in &map.0 {
                if !takes.iter().any(|known| *known == key.name.as_str()) {
                    let near = crate::nearest(&key.name, takes.iter().map(String::as_str));
                    let help = match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("it takes {}", takes.join(", ")),
                    };
                    let told = (format!("{name}: there is no option `{}`", key.name), Some(help));
                    self.tell(format!("{name} {}", key.name), told, key.pos);
                }
            }
        }
    }

    fn tell(&mut self, once: String, (message, help): (String, Option<String>), position: Position) {
        if !self.told.insert(once) {
            return;
        }
        let site = EvalAltResult::ErrorFor(position);
        let mut fault = self.host.fault(site.into(), self.name);
        (fault.message, fault.help) = (message, help);
        self.faults.push(fault);
    }
}
