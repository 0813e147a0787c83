//! Functions of a module see their own helpers, even if the calling script defines functions of the same names; closures that the
//! script passes to a module see the script's functions.
//!
//! Rhai 1.27 keeps one cache of resolved names across calls from a script into a module and back, and looks a name up in
//! all open scopes: a user's `fn line(a, b)` would answer a call of `line(a, b)` inside `vocab::report`, and
//! `assert::eq` a user's own `eq(a, b)` in a closure that `assert::throws` calls. Therefore each module is compiled with
//! unique inner names: its functions, and calls of them, are `line__of_vocab`. The plain name exists only for outside
//! callers, qualified by the module; no code inside the module uses it.

use super::compile;
use super::own_names::{self, Named, own_name, plain};
use rhai::{
    AST, ASTNode, Dynamic, EncapsulatedEnviron, Engine, Expr, FnAccess, FuncRegistration, Module, NativeCallContext,
    RhaiFunc, Scope, ScriptFuncDef, Shared, Stmt,
};
use std::any::TypeId;
use std::cell::RefCell;

thread_local! {
    /// The scope of a module's functions, after the whole module has run.
    static SIGHT: RefCell<Option<Shared<EncapsulatedEnviron>>> = const { RefCell::new(None) };
}

/// Captures the current scope: the last call of a module.
const SEE: &str = "_see";

/// Lets the engine compile modules with unique inner names.
#[allow(deprecated)] // rhai's word for volatile: its version is pinned, and tests of the host hold what it does
pub fn install(engine: &mut Engine) {
    engine.on_parse_token(|token, position, _| {
        let token = compile::spoken(token, position);
        own_names::renamed(token, position)
    });
    engine.register_fn(SEE, |ctx: NativeCallContext| SIGHT.set(Some(Shared::new(ctx.global_runtime_state().into()))));
}

/// Compiles and runs the module in `text`, with the tree `written`; its positions refer to `source`, and `label` makes its inner
/// names unique among modules. For the functions in `optional` (name and parameters), whose last parameter is options, it adds a
/// form without options.
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
    // its imports are relative to it
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

/// All functions of a module, with the forms without options: `fn f(a, b) { f(a, b, #{}) }`.
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

/// A function of a module under its written name.
fn by_plain_name(function: &ScriptFuncDef) -> Option<ScriptFuncDef> {
    let name = plain(&function.name);
    (name != function.name.as_str()).then(|| ScriptFuncDef { name: name.into(), ..function.clone() })
}

/// Whether the module may look up its functions by their written names (methods, `Fn("name")`), or returns before its last line.
fn calls_by_plain_names(written: &AST) -> bool {
    let mut found = false;
    // returns of the module itself, not of its functions
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
