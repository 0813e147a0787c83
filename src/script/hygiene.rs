//! Functions of a module see their own helpers, whatever the script that calls them has named the same, and what the script
//! gives to a module sees the script's.
//!
//! Rhai 1.27 keeps one cache of resolved names while it goes from a script into a module and back, and looks a name up
//! in everything that is open: a user's `fn line(a, b)` would answer a call of `line(a, b)` inside `vocab::report`, and
//! `assert::eq` a user's own `eq(a, b)` in a closure that `assert::throws` calls. So each module is compiled with names of
//! its own inside: its functions, and calls of them, are `line__of_vocab`. The plain name is only there for others, behind
//! the module's: inside it nothing has it.
//!
//! A script's function called as a native one is (`fn options(a, b, c)`, `fn mean(xs)`) would likewise answer inside the standard
//! library, in place of the native and, with a receiver, of a verb. It gets a name of its own too.

use super::compile;
use rhai::{
    AST, ASTNode, Dynamic, EncapsulatedEnviron, Engine, Expr, FnAccess, FuncRegistration, Module, NativeCallContext,
    ParseError, ParseErrorType, Position, RhaiFunc, Scope, ScriptFuncDef, Shared, Stmt, Token,
};
use std::any::TypeId;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

const OF: &str = "__of_";
/// What stands for the module's name in functions of a script.
const SCRIPT: &str = "script";

thread_local! {
    /// While a module is compiled: its names for calls, by where they stand, and for definitions.
    static NAMES: RefCell<Option<Names>> = const { RefCell::new(None) };
    /// What is in sight of a module's functions, when all of the module has run.
    static SIGHT: RefCell<Option<Shared<EncapsulatedEnviron>>> = const { RefCell::new(None) };
}

/// Notes what is in sight where it is called: the last call of a module.
const SEE: &str = "_see";

struct Names {
    calls: HashMap<Position, String>,
    defined: HashMap<String, String>,
    /// The last token was `fn`.
    defines: bool,
}

/// Lets the engine compile modules with names of their own.
#[allow(deprecated)] // rhai's word for volatile: its version is pinned, and tests of the host hold what it does
pub fn install(engine: &mut Engine) {
    engine.on_parse_token(|token, position, _| {
        let token = compile::spoken(token, position);
        NAMES.with_borrow_mut(|names| renamed(names.as_mut(), token, position))
    });
    engine.register_fn(SEE, |ctx: NativeCallContext| SIGHT.set(Some(Shared::new(ctx.global_runtime_state().into()))));
}

fn renamed(names: Option<&mut Names>, token: Token, position: Position) -> Token {
    let Some(names) = names else { return token };
    let defines = std::mem::replace(&mut names.defines, matches!(token, Token::Fn));
    let Token::Identifier(name) = &token else { return token };
    let own = if defines { names.defined.get(name.as_str()) } else { names.calls.get(&position) };
    own.map_or(token, |own| Token::Identifier(Box::new(own.as_str().into())))
}

/// The name that people gave a function.
pub fn plain(name: &str) -> &str {
    name.split_once(OF).map_or(name, |(name, _)| name)
}

/// Compiles and runs the module in `text`, of which `written` is the tree, and whose positions refer to `source`; `label`
/// makes its own names unlike those of other modules. Of the functions in `optional`, name and parameters, the last
/// parameter is options: they get a form without it.
pub fn module(
    engine: &Engine,
    text: &str,
    written: &AST,
    source: &str,
    label: &str,
    optional: &[(String, Vec<String>)],
) -> Result<Module, Box<rhai::EvalAltResult>> {
    let is_open = calls_by_plain_names(written);
    let own = {
        let functions = written.iter_functions().map(|f| (f.name.to_string(), f.params.len()));
        let forms = optional.iter().map(|(name, params)| (name.clone(), params.len() - 1));
        let _named = Named::new(written, &functions.chain(forms).collect::<Vec<_>>(), label);
        let text = if is_open { text.to_string() } else { format!("{text}\n;{SEE}();") };
        compile::compile_written(engine, written, &text)?
    };
    let all = with_forms(engine, &own, optional, label)?;
    let mut functions = Module::new();
    for function in &all {
        if is_open && let Some(known) = by_plain_name(function) {
            functions.set_script_fn(known);
        }
        let mut inner = function.clone();
        inner.access = FnAccess::Private;
        functions.set_script_fn(inner);
    }
    let public = all.iter().filter(|function| function.access == FnAccess::Public);
    let public: Vec<ScriptFuncDef> = public.filter_map(by_plain_name).collect();
    // imports in it are relative to it
    let own = AST::new_with_source(own.statements().iter().cloned(), functions, source);
    let mut module = Module::eval_ast_as_new(Scope::new(), &own, engine)?;
    if let Some(sight) = SIGHT.take().filter(|_| !is_open) {
        for function in public {
            let known = FuncRegistration::new(function.name.as_str()).with_params_info(&function.params);
            let params = vec![TypeId::of::<Dynamic>(); function.params.len()];
            let function = RhaiFunc::Script { fn_def: Shared::new(function), env: Some(sight.clone()) };
            known.set_into_module_raw(&mut module, params, function);
        }
        module.build_index();
    }
    Ok(module)
}

/// All functions of a module, with the forms that leave the options out: `fn f(a, b) { f(a, b, #{}) }`.
fn with_forms(
    engine: &Engine,
    own: &AST,
    optional: &[(String, Vec<String>)],
    label: &str,
) -> Result<Vec<ScriptFuncDef>, Box<rhai::EvalAltResult>> {
    let mut all: Vec<ScriptFuncDef> = own.iter_fn_def().map(|function| (**function).clone()).collect();
    if optional.is_empty() {
        return Ok(all);
    }
    let form = |(name, params): &(String, Vec<String>)| {
        let (name, params) = (own_name(name, label), params[..params.len() - 1].join(", "));
        let comma = if params.is_empty() { "" } else { ", " };
        format!("fn {name}({params}) {{ {name}({params}{comma}#{{}}) }}\n")
    };
    let forms = engine.compile(optional.iter().map(form).collect::<String>())?;
    for function in forms.iter_fn_def() {
        let full = all.iter().find(|full| full.name == function.name && full.params.len() == function.params.len() + 1);
        let comments = full.map(|full| full.comments.clone()).unwrap_or_default();
        all.push(ScriptFuncDef { comments, ..(**function).clone() });
    }
    Ok(all)
}

/// What a module calls its function among those of others.
fn own_name(name: &str, label: &str) -> String {
    format!("{name}{OF}{label}")
}

/// A function of a module under the name that was written.
fn by_plain_name(function: &ScriptFuncDef) -> Option<ScriptFuncDef> {
    let name = plain(&function.name);
    (name != function.name.as_str()).then(|| ScriptFuncDef { name: name.into(), ..function.clone() })
}

/// Whether the module may look for its functions by the names that were written: methods, `Fn("name")`; or ends before its
/// last line.
fn calls_by_plain_names(written: &AST) -> bool {
    let mut found = false;
    // of the module itself: returns of its functions are none of it
    written.clone_statements_only().walk(&mut |path: &[ASTNode]| {
        found |= matches!(path.last(), Some(ASTNode::Stmt(Stmt::Return(..))));
        !found
    });
    written.walk(&mut |path: &[ASTNode]| {
        found |= match path.last() {
            Some(ASTNode::Expr(Expr::ThisPtr(_))) => true,
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                ["Fn", "is_def_fn"].contains(&call.name.as_str())
            }
            _ => false,
        };
        !found
    });
    found
}

/// While it lives, what is compiled gets names of its own.
struct Named;

impl Named {
    fn new(written: &AST, functions: &[(String, usize)], label: &str) -> Named {
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

/// Functions of a script that are called as native ones are, by name and number of parameters. Those that are meant as methods, or
/// looked for by a text, keep their names.
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

/// Functions that are looked for by a text: `Fn("line")`; an empty name for one that is computed.
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

/// The functions of a script, and those of pieces before it, that get names of their own.
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

/// Which of `names` native functions have.
fn natives(engine: &Engine, names: &HashSet<&str>) -> HashSet<String> {
    let among = |info: rhai::FuncInfo| {
        let name = &info.metadata.name;
        names.contains(name.as_str()).then(|| name.to_string())
    };
    engine.collect_fn_metadata(None, among, true).into_iter().collect()
}

/// Compiles a script with names of their own for `functions`.
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

/// What a script's function is called in its tree.
pub fn called(script: &AST, name: &str, count: usize) -> String {
    let own = own_name(name, SCRIPT);
    let has = script.iter_functions().any(|function| function.name == own && function.params.len() == count);
    if has { own } else { name.to_string() }
}
