//! Unique names that functions get during compilation, so that no outside call finds them: `line__of_vocab` in the module
//! `vocab`, and `mean__of_script` in a script.
//!
//! A script function with the name of a native one (`fn options(a, b, c)`, `fn mean(xs)`) would also answer calls inside the
//! standard library, in place of the native function and, with a receiver, of a verb: Rhai searches all open scopes, the script's
//! functions first.

use rhai::{AST, ASTNode, Engine, Expr, ParseError, ParseErrorType, Position, Stmt, Token};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

const OF: &str = "__of_";
/// Used instead of a module name in functions of a script.
const SCRIPT: &str = "script";

thread_local! {
    /// During compilation: the new names of calls, by position, and of definitions.
    static NAMES: RefCell<Option<Names>> = const { RefCell::new(None) };
}

struct Names {
    calls: HashMap<Position, String>,
    defined: HashMap<String, String>,
    /// The last token was `fn`.
    defines: bool,
}

/// Replaces a token of the compiled text by its unique name, if it has one.
pub fn renamed(token: Token, position: Position) -> Token {
    NAMES.with_borrow_mut(|names| match names {
        Some(names) => names.token(token, position),
        None => token,
    })
}

impl Names {
    fn token(&mut self, token: Token, position: Position) -> Token {
        let defines = std::mem::replace(&mut self.defines, matches!(token, Token::Fn));
        let Token::Identifier(name) = &token else { return token };
        let own = if defines { self.defined.get(name.as_str()) } else { self.calls.get(&position) };
        own.map_or(token, |own| Token::Identifier(Box::new(own.as_str().into())))
    }
}

/// The original name of a function.
pub fn plain(name: &str) -> &str {
    name.split_once(OF).map_or(name, |(name, _)| name)
}

/// The unique name of a module's function.
pub fn own_name(name: &str, label: &str) -> String {
    format!("{name}{OF}{label}")
}

/// Guard: compilation uses unique names while it exists.
pub struct Named;

impl Named {
    pub fn new(written: &AST, functions: &[(String, usize)], label: &str) -> Named {
        let own = |name: &str| own_name(name, label);
        let names: HashSet<&str> = functions.iter().map(|(name, _)| name.as_str()).collect();
        let declared = variables(written);
        let mut calls = HashMap::new();
        written.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position))) => {
                    let is_own =
                        |(name, count): &(String, usize)| *name == call.name.as_str() && *count == call.args.len();
                    if call.namespace.is_empty() && functions.iter().any(is_own) {
                        calls.insert(*position, own(&call.name));
                    }
                }
                // `xs.map(line)`
                Some(ASTNode::Expr(Expr::Variable(variable, _, position))) => {
                    let name = variable.1.as_str();
                    if variable.2.is_empty() && names.contains(name) && !declared.contains(name) {
                        calls.insert(*position, own(name));
                    }
                }
                _ => {}
            }
            true
        });
        let defined = names.iter().filter(|name| !name.contains('$')).map(|name| (name.to_string(), own(name)));
        NAMES.set(Some(Names { calls, defined: defined.collect(), defines: false }));
        Named
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        NAMES.set(None);
    }
}

/// Names of variables and parameters, wherever they are declared.
fn variables(written: &AST) -> HashSet<String> {
    let mut found: HashSet<String> = HashSet::new();
    for function in written.iter_functions() {
        found.extend(function.params.iter().map(ToString::to_string));
    }
    written.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => drop(found.insert(parts.0.name.to_string())),
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                found.insert(parts.0.name.to_string());
                found.extend(parts.1.iter().map(|counter| counter.name.to_string()));
            }
            Some(ASTNode::Stmt(Stmt::TryCatch(flow, _))) => {
                if let Expr::Variable(error, ..) = &flow.expr {
                    found.insert(error.1.to_string());
                }
            }
            _ => {}
        }
        true
    });
    found
}

/// Functions of a script that share their names with native ones, by name and parameter count. Methods and functions looked up by
/// text keep their names.
pub fn apart(script: &AST, is_native: impl Fn(&str) -> bool) -> Vec<(String, usize)> {
    let mut functions: Vec<(String, usize)> = Vec::new();
    let mut kept: HashSet<String> = HashSet::new();
    for function in script.iter_fn_def().filter(|function| !function.name.contains('$')) {
        let (name, count) = (function.name.to_string(), function.params.len());
        if !is_native(&name) || function.this_type.is_some() || says_this(script, &name, count) {
            kept.insert(name);
        } else {
            functions.push((name, count));
        }
    }
    if !functions.is_empty() {
        kept.extend(pointed(script));
    }
    functions.retain(|(name, _)| !kept.contains(name) && !kept.contains(""));
    functions
}

fn says_this(script: &AST, name: &str, count: usize) -> bool {
    let mut found = false;
    let mut alone = script.clone_functions_only();
    alone.retain_functions(|_, _, other, params| other == name && params == count);
    alone.walk(&mut |path: &[ASTNode]| {
        found |= matches!(path.last(), Some(ASTNode::Expr(Expr::ThisPtr(_))));
        !found
    });
    found
}

/// Functions looked up by text: `Fn("line")`; an empty name for a computed one.
fn pointed(script: &AST) -> Vec<String> {
    let mut found = Vec::new();
    script.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) = path.last()
            && ["Fn", "is_def_fn", "call"].contains(&call.name.as_str())
        {
            match call.args.first() {
                Some(Expr::StringConstant(name, _)) => found.push(name.to_string()),
                Some(_) if call.name != "call" => found.push(String::new()),
                _ => {}
            }
        }
        true
    });
    found
}

/// The functions of a script, and of earlier inputs, that get unique names.
pub fn of_script(engine: &Engine, script: &AST, earlier: &AST) -> Vec<(String, usize)> {
    let own: HashSet<(String, usize)> =
        script.iter_functions().map(|function| (function.name.to_string(), function.params.len())).collect();
    let before = earlier.iter_functions().filter(|function| function.name != plain(function.name));
    let mut found: Vec<(String, usize)> =
        before.map(|function| (plain(function.name).to_string(), function.params.len())).collect();
    found.retain(|function| !own.contains(function));
    let names: HashSet<&str> = own.iter().map(|(name, _)| name.as_str()).filter(|name| !name.contains('$')).collect();
    if !names.is_empty() {
        let native = natives(engine, &names);
        found.extend(apart(script, |name| native.contains(name)));
    }
    found
}

/// The subset of `names` that native functions have.
fn natives(engine: &Engine, names: &HashSet<&str>) -> HashSet<String> {
    let among = |info: rhai::FuncInfo| {
        let name = &info.metadata.name;
        names.contains(name.as_str()).then(|| name.to_string())
    };
    engine.collect_fn_metadata(None, among, true).into_iter().collect()
}

/// Compiles a script with unique names for `functions`.
pub fn script(
    script: &AST,
    functions: &[(String, usize)],
    work: impl Fn() -> Result<AST, ParseError>,
) -> Result<AST, ParseError> {
    let mut functions = functions.to_vec();
    while !functions.is_empty() {
        let named = Named::new(script, &functions, SCRIPT);
        let found = work();
        drop(named);
        match found.as_ref().map_err(|error| error.err_type()) {
            Ok(_) => return found,
            // both a function and, elsewhere, a variable: it keeps its name
            Err(ParseErrorType::VariableUndefined(name)) if functions.iter().any(|(own, _)| own == name) => {
                functions.retain(|(own, _)| own != name);
            }
            Err(_) => break,
        }
    }
    work()
}

/// The name of a script's function in its tree.
pub fn called(script: &AST, name: &str, count: usize) -> String {
    let own = own_name(name, SCRIPT);
    let has = script.iter_functions().any(|function| function.name == own && function.params.len() == count);
    if has { own } else { name.to_string() }
}
