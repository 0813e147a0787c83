//! Decides whether a closure may run on several threads: its result depends only on its arguments, and it changes nothing else.
//!
//! The analysis of its syntax tree is conservative: anything not known to be pure counts as impure.

use super::registry::function::known;
use super::tables::{method, root};
use rhai::{AST, ASTNode, Dynamic, Engine, Expr, FnCallExpr, FnPtr, Module, ScriptFuncDef, Shared, Stmt};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::{LazyLock, OnceLock};

/// A closure's possible side effect, in words; `None` for a pure closure.
pub type Purity = Option<String>;

/// Verbs that do not change a list, a map or a text.
const READS: &[&str] = &[
    "get",
    "keys",
    "values",
    "len",
    "contains",
    "is_empty",
    "to_json",
    "to_string",
    "starts_with",
    "ends_with",
    "index_of",
    "sub_string",
    "split",
    "to_upper",
    "to_lower",
    "call",
    "chars",
    "bytes",
    "all",
    "some",
    "find",
    "map",
    "filter",
    "reduce",
    "percent",
    "digits",
    "grouped",
    "matches",
    "is_match",
];
/// Impure functions of the language: they print, read the clock, end the script, or run unchecked code.
const EFFECTS: &[&str] = &["print", "debug", "timestamp", "exit", "eval", "Fn"];
/// Built-in functions of the language, which are not registered.
const BUILT_IN: &[&str] = &["call", "curry", "type_of", "is_shared", "is_def_fn", "is_def_var"];

/// The functions that the nouns have registered.
static NOUNS: OnceLock<Vec<Shared<Module>>> = OnceLock::new();

/// Names of functions that only return a value of their arguments: those of the nouns and of the language without a line `effect`
/// in their docs. Functions of a host application are excluded: their effects are unknown.
static PURE: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut engine = Engine::new();
    for module in NOUNS.get().into_iter().flatten() {
        engine.register_global_module(module.clone());
    }
    let functions = known(&engine);
    let effects: HashSet<&str> =
        functions.iter().filter(|function| function.has_effect).map(|function| function.name.as_str()).collect();
    let pure = functions.iter().map(|function| function.name.as_str()).chain(BUILT_IN.iter().copied());
    pure.filter(|name| !effects.contains(name) && !EFFECTS.contains(name)).map(str::to_string).collect()
});

/// Stores the functions of the nouns, which are the same for all engines.
pub fn know(nouns: &[(&'static str, Shared<Module>)]) {
    NOUNS.get_or_init(|| nouns.iter().map(|(_, module)| module.clone()).collect());
}

/// Whether a function of this name only returns a value of its arguments.
pub fn is_pure(name: &str) -> bool {
    PURE.contains(name)
}

/// Analyzes `closure`, whose functions are in `lib`. `is_value` recognizes types whose verbs never change the value.
pub fn purity(closure: &FnPtr, lib: &[Shared<Module>], is_value: &dyn Fn(&Dynamic) -> bool) -> Purity {
    let look = Look { lib, is_value, seen: RefCell::default() };
    look.closure(closure, closure.curry()).err()
}

struct Look<'a> {
    lib: &'a [Shared<Module>],
    is_value: &'a dyn Fn(&Dynamic) -> bool,
    /// Functions already analyzed, or being analyzed.
    seen: RefCell<HashSet<String>>,
}

/// A captured variable: its name, and whether verbs not known to be read-only may be called on it.
struct Captured {
    name: String,
    is_value: bool,
}

impl Look<'_> {
    fn closure(&self, closure: &FnPtr, captured: &[Dynamic]) -> Result<(), String> {
        let Some(function) = self.function(closure.fn_name(), None) else {
            return Err(format!("it calls `{}`, which is not a function of this script", closure.fn_name()));
        };
        let names = function.params.iter().map(ToString::to_string);
        let mut outer = Vec::new();
        for (name, value) in names.zip(captured) {
            let value = value.flatten_clone();
            self.value(&name, &value)?;
            outer.push(Captured { name, is_value: (self.is_value)(&value) });
        }
        self.body(&function, &outer)
    }

    /// An error for a captured value that others may change concurrently.
    fn value(&self, name: &str, value: &Dynamic) -> Result<(), String> {
        if let Ok(items) = value.as_array_ref() {
            return items.iter().try_for_each(|item| self.value(name, &item.flatten_clone()));
        }
        if let Ok(items) = value.as_map_ref() {
            return items.values().try_for_each(|item| self.value(name, &item.flatten_clone()));
        }
        if let Some(closure) = value.read_lock::<FnPtr>() {
            return self.closure(&closure, closure.curry());
        }
        let is_plain = value.is_unit() || value.is_bool() || value.is_int() || value.is_float();
        if is_plain || value.is_string() || value.is_char() || (self.is_value)(value) {
            return Ok(());
        }
        let kind = value.type_name().rsplit("::").next().unwrap_or_default().to_lowercase();
        Err(format!("it uses `{name}`, a {kind} from outside"))
    }

    fn function(&self, name: &str, params: Option<usize>) -> Option<Shared<ScriptFuncDef>> {
        let functions = self.lib.iter().flat_map(|module| module.iter_script_fn_info());
        let mut named =
            functions.filter(|(_, _, known, count, _)| *known == name && params.is_none_or(|n| n == *count));
        named.next().map(|(.., function)| function.clone())
    }

    fn body(&self, function: &Shared<ScriptFuncDef>, captured: &[Captured]) -> Result<(), String> {
        // functions can only be walked as part of a tree
        let mut alone = Module::new();
        alone.set_script_fn(function.clone());
        let mut fault = Ok(());
        AST::new_from_module(alone).walk(&mut |path: &[ASTNode]| {
            if let Some(node) = path.last() {
                fault = self.node(node, captured);
            }
            fault.is_ok()
        });
        fault
    }

    fn node(&self, node: &ASTNode, captured: &[Captured]) -> Result<(), String> {
        match node {
            ASTNode::Stmt(Stmt::Assignment(parts)) => match held(root(&parts.1.lhs), captured) {
                Some(variable) => Err(format!("it changes `{}` from outside", variable.name)),
                None => Ok(()),
            },
            ASTNode::Stmt(Stmt::Import(..)) => Err("it imports a script".into()),
            ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _)) => self.call(call, captured),
            ASTNode::Expr(Expr::MethodCall(call, _)) => match self.function(&call.name, None) {
                Some(_) => self.once(&call.name, &[]),
                None if PURE.contains(call.name.as_str()) => Ok(()),
                None => Err(format!("it calls `{}`", call.name)),
            },
            ASTNode::Expr(chain @ Expr::Dot(parts, ..)) => match (held(root(chain), captured), method(&parts.rhs)) {
                (Some(variable), Some(verb)) if !variable.is_value && !READS.contains(&verb) => {
                    Err(format!("it calls `{verb}` of `{}` from outside", variable.name))
                }
                _ => Ok(()),
            },
            ASTNode::Expr(Expr::DynamicConstant(value, _)) => match value.read_lock::<FnPtr>() {
                Some(inner) => self.once(inner.fn_name(), &[]),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn call(&self, call: &FnCallExpr, captured: &[Captured]) -> Result<(), String> {
        let name = call.name.as_str();
        if !call.namespace.is_empty() {
            return Err(format!("it calls `{}::{name}`", call.namespace));
        }
        if let ("curry", [Expr::DynamicConstant(value, _), given @ ..]) = (name, call.args.as_slice())
            && let Some(inner) = value.read_lock::<FnPtr>()
        {
            // captured variables that an inner closure captures again
            let theirs = given.iter().filter_map(|given| held(given, captured));
            let theirs: Vec<Captured> =
                theirs.map(|held| Captured { name: held.name.clone(), is_value: held.is_value }).collect();
            return self.once(inner.fn_name(), &theirs);
        }
        if self.function(name, Some(call.args.len())).is_some() {
            return self.once(name, &[]);
        }
        if call.op_token.is_none() && !PURE.contains(name) {
            return Err(format!("it calls `{name}`"));
        }
        match call.args.first().and_then(|first| held(first, captured)) {
            Some(variable) if call.op_token.is_none() && !variable.is_value && !READS.contains(&name) => {
                Err(format!("it calls `{name}` of `{}` from outside", variable.name))
            }
            _ => Ok(()),
        }
    }

    /// Analyzes a function once.
    fn once(&self, name: &str, captured: &[Captured]) -> Result<(), String> {
        if !self.seen.borrow_mut().insert(name.to_string()) {
            return Ok(());
        }
        match self.function(name, None) {
            Some(function) => self.body(&function, captured),
            None => Ok(()),
        }
    }
}

fn held<'c>(value: &Expr, captured: &'c [Captured]) -> Option<&'c Captured> {
    let Expr::Variable(variable, ..) = value else { return None };
    captured.iter().find(|captured| captured.name == variable.1.as_str())
}
