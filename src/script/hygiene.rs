//! Functions of a module see their own helpers, whatever the script that calls them has named the same, and what the script
//! gives to a module sees the script's.
//!
//! Rhai 1.27 keeps one cache of resolved names while it goes from a script into a module and back, and looks a name up
//! in everything that is open: a user's `fn line(a, b)` would answer a call of `line(a, b)` inside `vocab::report`, and
//! `assert::eq` a user's own `eq(a, b)` in a closure that `assert::throws` calls. So each module is compiled with names of
//! its own inside: its functions, and calls of them, are `line__of_vocab`. The plain name is only there for others, behind
//! the module's: inside it nothing has it.

use super::compile;
use rhai::{
    AST, ASTNode, Dynamic, EncapsulatedEnviron, Engine, Expr, FnAccess, FuncRegistration, Module, NativeCallContext,
    Position, RhaiFunc, Scope, ScriptFuncDef, Shared, Stmt, Token,
};
use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;

const OF: &str = "__of_";

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
        let _named = Named::new(written, optional, label);
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
    fn new(written: &AST, optional: &[(String, Vec<String>)], label: &str) -> Named {
        let functions = written.iter_functions().map(|f| (f.name.to_string(), f.params.len()));
        let forms = optional.iter().map(|(name, params)| (name.clone(), params.len() - 1));
        let functions: Vec<_> = functions.chain(forms).collect();
        let own = |name: &str| own_name(name, label);
        let mut calls = HashMap::new();
        written.walk(&mut |path: &[ASTNode]| {
            let (call, position) = match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, position))) => (call, position),
                Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => (call, position),
                _ => return true,
            };
            let is_own = functions.iter().any(|(name, count)| *name == call.name.as_str() && *count == call.args.len());
            if call.namespace.is_empty() && is_own {
                calls.insert(*position, own(&call.name));
            }
            true
        });
        let defined =
            functions.iter().filter(|(name, _)| !name.contains('$')).map(|(name, _)| (name.clone(), own(name)));
        NAMES.set(Some(Names { calls, defined: defined.collect(), defines: false }));
        Named
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        NAMES.set(None);
    }
}
