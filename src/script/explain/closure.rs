//! Calls of closures with a wrong number of arguments. The engine's name for a closure does not appear in the script.

use super::spot::Spot;
use super::{Message, bare, counted};
use crate::script::compile::as_written;
use rhai::{AST, ASTNode, Engine, Expr, FnPtr, Position};

pub fn is_name(name: &str) -> bool {
    name.starts_with("anon$")
}

/// The closure that the engine calls `name` was called at `position` of `text` with this number of values, including captured
/// ones.
pub fn miscalled(name: &str, values: usize, text: &str, position: Position, engine: &Engine) -> Message {
    let spot = Spot::new(text, position);
    let is_call = spot.word(0) == "call" && spot.word(-1) == ".";
    let who = if is_call { spot.word(-2) } else { "" };
    let who = if who.chars().all(|c| c.is_alphanumeric() || c == '_') && !who.is_empty() { who } else { "closure" };
    let Some((params, captured)) = as_written(engine, text).ok().and_then(|ast| parameters(&ast, name)) else {
        return bare(format!("{who}: does not take {}", counted(values)));
    };
    bare(format!("{who}: takes {}, not {}", counted(params - captured), values.saturating_sub(captured)))
}

/// Number of parameters of a closure, and number of captured variables among them.
fn parameters(ast: &AST, name: &str) -> Option<(usize, usize)> {
    let params = ast.iter_functions().find(|function| function.name == name)?.params.len();
    let mut captured = 0;
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, _))) = path.last()
            && let ("curry", [Expr::DynamicConstant(value, _), rest @ ..]) = (call.name.as_str(), call.args.as_slice())
            && value.read_lock::<FnPtr>().is_some_and(|closure| closure.fn_name() == name)
        {
            captured = rest.len();
        }
        true
    });
    Some((params, captured.min(params)))
}
