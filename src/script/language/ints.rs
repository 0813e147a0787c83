//! Comparisons of ints. Rhai's own operators return the same result as levain's without the cost of a call: they are kept if both
//! sides are certainly ints. Outside of loops the second parse is not worth it.
//!
//! A name is certainly an int if everything that the text binds to it is: each declaration, each assignment, each loop. A
//! function's parameters and a closure's captures may have any type.

use crate::script::tables::root;
use rhai::{AST, ASTNode, Expr, FnCallExpr, Ident, Position, Stmt};
use std::collections::{HashMap, HashSet};

/// Positions of the comparisons of ints inside of loops.
pub fn comparisons(ast: &AST) -> HashSet<Position> {
    let mut calls = Vec::new();
    let mut names = Names::default();
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(statement)) => names.note(statement),
            Some(ASTNode::Expr(Expr::FnCall(call, position))) if is_comparison(call) && path.iter().any(is_loop) => {
                calls.push((call.args.to_vec(), *position));
            }
            Some(ASTNode::Expr(chain @ Expr::Dot(..))) => names.called(chain),
            _ => {}
        }
        true
    });
    for function in ast.iter_fn_def() {
        names.others.extend(function.params.iter().map(ToString::to_string));
    }
    let sure = names.sure();
    let both = calls.into_iter().filter(|(sides, _)| sides.iter().all(|side| is_int(side, &sure)));
    both.map(|(_, position)| position).collect()
}

fn is_loop(node: &ASTNode) -> bool {
    matches!(node, ASTNode::Stmt(Stmt::While(..) | Stmt::Do(..) | Stmt::For(..)))
}

/// As written or as executed.
fn is_comparison(call: &FnCallExpr) -> bool {
    call.op_token.is_some() && matches!(call.name.trim_start_matches('_'), "==" | "!=" | "<" | "<=" | ">" | ">=")
}

/// What a text binds to names.
#[derive(Default)]
struct Names {
    values: HashMap<String, Vec<Expr>>,
    /// Names that may have any type.
    others: HashSet<String>,
    /// A function changes its receiver, which may be any variable.
    sets_this: bool,
    /// The receivers of verbs.
    receivers: HashSet<String>,
}

impl Names {
    fn note(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Var(parts, ..) => self.give(&parts.0.name, &parts.1),
            Stmt::Assignment(parts) => match &parts.1.lhs {
                Expr::Variable(variable, ..) if variable.2.is_empty() => {
                    let keeps = |operator: &str| ["+", "-", "*", "/", "%"].contains(&operator);
                    match parts.0.get_op_assignment_info() {
                        Some((.., operator)) if !keeps(operator) => self.other(&variable.1),
                        _ => self.give(&variable.1, &parts.1.rhs),
                    }
                }
                other => self.changed(root(other)),
            },
            Stmt::For(parts, _) => self.looped(&parts.0, parts.1.as_ref(), &parts.2.expr),
            Stmt::TryCatch(flow, _) => self.changed(&flow.expr),
            Stmt::Share(names) => self.others.extend(names.iter().map(|(ident, _)| ident.name.to_string())),
            _ => {}
        }
    }

    fn give(&mut self, name: &str, value: &Expr) {
        self.values.entry(name.to_string()).or_default().push(value.clone());
    }

    fn other(&mut self, name: &str) {
        self.others.insert(name.to_string());
    }

    fn changed(&mut self, value: &Expr) {
        match value {
            Expr::Variable(variable, ..) => self.other(&variable.1),
            Expr::ThisPtr(_) => self.sets_this = true,
            _ => {}
        }
    }

    fn called(&mut self, chain: &Expr) {
        if let Expr::Variable(variable, ..) = root(chain) {
            self.receivers.insert(variable.1.to_string());
        }
    }

    /// `for i in 0..n`: the item of a range is an int, as is the counter.
    fn looped(&mut self, item: &Ident, counter: Option<&Ident>, over: &Expr) {
        let number = || Expr::IntegerConstant(0, Position::NONE);
        match over {
            Expr::FnCall(call, _) if call.name == ".." || call.name == "..=" => self.give(&item.name, &number()),
            _ => self.other(&item.name),
        }
        if let Some(counter) = counter {
            self.give(&counter.name, &number());
        }
    }

    /// The names that are certainly ints: repeatedly drops names that depend on other types, until none is left.
    fn sure(self) -> HashSet<String> {
        let may_change = |name: &String| self.sets_this && self.receivers.contains(name);
        let mut sure: HashSet<String> = self.values.keys().cloned().collect();
        sure.retain(|name| !self.others.contains(name) && !may_change(name));
        loop {
            let kept: HashSet<String> = sure
                .iter()
                .filter(|name| self.values[*name].iter().all(|value| is_int(value, &sure)))
                .cloned()
                .collect();
            if kept.len() == sure.len() {
                return sure;
            }
            sure = kept;
        }
    }
}

fn is_int(value: &Expr, sure: &HashSet<String>) -> bool {
    match value {
        Expr::IntegerConstant(..) => true,
        Expr::Variable(variable, ..) => variable.2.is_empty() && sure.contains(variable.1.as_str()),
        Expr::FnCall(call, _) if call.op_token.is_some() && ["+", "-", "*", "/", "%"].contains(&call.name.as_str()) => {
            call.args.iter().all(|side| is_int(side, sure))
        }
        _ => false,
    }
}
