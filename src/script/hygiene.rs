//! Functions of a module see their own helpers, whatever the script that calls them has named the same.
//!
//! Rhai 1.27 keeps one cache of resolved names while it goes from a script into a module and back, and looks a name up
//! in everything that is open: a user's `fn line(a, b)` would answer a call of `line(a, b)` inside `vocab::report`, and
//! the other way round. So each module is compiled with names of its own inside: its functions, and calls of them, are
//! `line__of_vocab`, and what others call is there under its plain name too.

use rhai::{AST, ASTNode, Engine, Expr, FnAccess, Module, Position, Scope, Stmt, Token};
use std::cell::RefCell;
use std::collections::HashMap;

const OF: &str = "__of_";

thread_local! {
    /// While a module is compiled: its names for calls, by where they stand, and for definitions.
    static NAMES: RefCell<Option<Names>> = const { RefCell::new(None) };
}

struct Names {
    calls: HashMap<Position, String>,
    defined: HashMap<String, String>,
    /// The last token was `fn`.
    defines: bool,
}

/// Lets the engine compile modules with names of their own.
#[allow(deprecated)] // rhai's word for volatile: its version is pinned, and tests of the host hold what it does
pub fn install(engine: &mut Engine) {
    engine.on_parse_token(|token, position, _| NAMES.with_borrow_mut(|names| renamed(names.as_mut(), token, position)));
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

/// Compiles and runs the module in `text`, whose positions refer to `source`; `label` makes its own names unlike those
/// of other modules. Gives the module, and the tree of what was written.
pub fn module(
    engine: &Engine,
    text: &str,
    source: &str,
    label: &str,
) -> Result<(Module, AST), Box<rhai::EvalAltResult>> {
    let mut written = engine.compile(text)?;
    // imports in it are relative to it
    written.set_source(source);
    let own = {
        let _named = Named::new(&written, label);
        engine.compile(text)?
    };
    let mut functions = Module::new();
    for function in own.iter_fn_def() {
        let name = plain(&function.name);
        if name != function.name.as_str() {
            let mut known = (**function).clone();
            known.name = name.into();
            functions.set_script_fn(known);
        }
        let mut inner = (**function).clone();
        inner.access = FnAccess::Private;
        functions.set_script_fn(inner);
    }
    let own = AST::new_with_source(own.statements().iter().cloned(), functions, source);
    Ok((Module::eval_ast_as_new(Scope::new(), &own, engine)?, written))
}

/// While it lives, what is compiled gets names of its own.
struct Named;

impl Named {
    fn new(written: &AST, label: &str) -> Named {
        let functions: Vec<_> = written.iter_functions().map(|f| (f.name.to_string(), f.params.len())).collect();
        let own = |name: &str| format!("{name}{OF}{label}");
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
