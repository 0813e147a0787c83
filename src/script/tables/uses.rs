//! How functions written in Rhai use their parameters: the defaults merged under them, and the calls they are passed to.

use super::tree::{READS, laid_over, method, root};
use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, ScriptFuncDef, Shared, Stmt};
use std::collections::HashMap;

/// How each function of a text, by name and number of parameters, uses its parameters.
pub struct Uses(pub(super) HashMap<(String, usize), Vec<Use>>);

/// The uses of one parameter.
#[derive(Default)]
pub struct Use {
    name: String,
    /// The defaults that it is merged over.
    pub defaults: Option<Expr>,
    /// Calls that receive it.
    pub handed: Vec<Handed>,
    /// It was changed before.
    pub changed: bool,
}

/// A call that receives a parameter as an argument.
pub struct Handed {
    pub module: String,
    pub name: String,
    pub count: usize,
    pub place: usize,
    /// 1 for a method.
    pub receivers: usize,
}

/// A function with the start and end of its body.
struct Body {
    start: (Option<usize>, Option<usize>),
    end: (Option<usize>, Option<usize>),
    key: (String, usize),
    uses: Vec<Use>,
}

impl Uses {
    /// Collects all uses in one walk.
    pub fn of(ast: &AST) -> Uses {
        let place = |position: Position| (position.line(), position.position());
        let body = |function: &Shared<ScriptFuncDef>| Body {
            start: place(function.body.start_position()),
            end: place(function.body.end_position()),
            key: (function.name.to_string(), function.params.len()),
            uses: function.params.iter().map(|name| Use { name: name.to_string(), ..Use::default() }).collect(),
        };
        let mut bodies: Vec<Body> = ast.iter_fn_def().map(body).collect();
        bodies.sort_by_key(|body| body.start);
        ast.walk(&mut |path: &[ASTNode]| {
            let Some(node) = path.last() else { return true };
            let at = place(node.position());
            let begun = bodies.partition_point(|body| body.start <= at);
            // the innermost: a closure's captures are its own parameters
            if let Some(body) = bodies[..begun].iter_mut().rev().find(|body| at <= body.end) {
                body.uses.iter_mut().for_each(|used| used.note(node));
            }
            true
        });
        Uses(bodies.into_iter().map(|body| (body.key, body.uses)).collect())
    }
}

impl Use {
    fn is(&self, expression: &Expr) -> bool {
        matches!(expression, Expr::Variable(name, ..) if name.2.is_empty() && name.1 == self.name)
    }

    fn note(&mut self, node: &ASTNode) {
        match node {
            ASTNode::Stmt(Stmt::Assignment(parts)) => self.changed |= self.is(root(&parts.1.lhs)),
            ASTNode::Stmt(Stmt::Var(parts, ..)) => self.changed |= parts.0.name == self.name,
            ASTNode::Expr(Expr::Dot(parts, ..)) => {
                self.changed |= self.is(&parts.lhs) && method(&parts.rhs).is_some_and(|name| !READS.contains(&name));
            }
            ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _)) => self.call(call, 0),
            ASTNode::Expr(Expr::MethodCall(call, _)) => self.call(call, 1),
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr, receivers: usize) {
        if let Some((defaults, given)) = laid_over(call) {
            if self.is(given) {
                self.defaults = Some(defaults.clone());
            }
            return;
        }
        let module = if call.namespace.is_empty() { "" } else { call.namespace.root() };
        for place in (0..call.args.len()).filter(|place| self.is(&call.args[*place])).collect::<Vec<_>>() {
            self.handed.push(Handed {
                module: module.to_string(),
                name: call.name.to_string(),
                count: call.args.len(),
                place,
                receivers,
            });
        }
    }
}
