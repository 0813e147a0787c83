//! Comparisons of ints. There Rhai's own signs give the same answer as ours, and do not cost a call: they are kept, where both
//! sides are surely ints. Outside of loops that is not worth reading a text twice.
//!
//! A name is surely of ints where all that the text ever calls so is: each declaration, each assignment, each loop. What a
//! function gets may be anything, and so what a closure captures.

use crate::script::tables::root;
use rhai::{AST, ASTNode, Expr, FnCallExpr, Ident, Position, Stmt};
use std::collections::{HashMap, HashSet};

/// Where the signs are that compare ints, again and again.
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

/// As it is written, or as it runs.
fn is_comparison(call: &FnCallExpr) -> bool {
    call.op_token.is_some() && matches!(call.name.trim_start_matches('_'), "==" | "!=" | "<" | "<=" | ">" | ">=")
}

/// What a text gives names to.
#[derive(Default)]
struct Names {
    values: HashMap<String, Vec<Expr>>,
    /// Those that may be anything.
    others: HashSet<String>,
    /// A function changes what it is called on, whatever that is.
    sets_this: bool,
    /// What verbs are called on.
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

    /// `for i in 0..n` counts; a range is of ints.
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

    /// The names that are surely of ints: those are taken out that depend on others, until none does.
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
