//! Habits of other languages that run here and do something else: told as warnings.

use super::{Body, Message};
use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use std::collections::HashMap;

/// What to warn of, and where.
pub fn warnings(ast: &AST, text: &str, bodies: &HashMap<(String, usize), Body>) -> Vec<(Message, Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        let expression = match path.last() {
            Some(ASTNode::Expr(expression)) => *expression,
            Some(ASTNode::Stmt(Stmt::Expr(expression))) => expression.as_ref(),
            _ => return true,
        };
        let told = match expression {
            Expr::FnCall(call, position) => chained(call).map(|told| (told, *position)),
            Expr::StringConstant(value, position) => unfilled(value, *position, text).map(|told| (told, *position)),
            Expr::InterpolatedString(parts, position) => escaped(parts, *position, text).map(|told| (told, *position)),
            _ => None,
        };
        found.extend(told);
        true
    });
    let mut named: Vec<_> = bodies.iter().filter(|((name, _), _)| !name.contains('$')).collect();
    named.sort_by_key(|(key, _)| *key);
    found.extend(named.into_iter().flat_map(|((name, _), body)| copied(name, body)));
    found.dedup_by(|a, b| a.1 == b.1);
    found
}

/// `1 < x < 3` compares `true` with 3.
fn chained(call: &FnCallExpr) -> Option<Message> {
    let compares = |name: &str| ["<", ">", "<=", ">="].contains(&name);
    let inner = |argument: &Expr| matches!(argument, Expr::FnCall(call, _) if compares(&call.name));
    (compares(&call.name) && call.args.iter().any(inner)).then_some(())?;
    Some((format!("{}: compares true or false with a number", call.name), Some("write `a < x && x < b`".to_string())))
}

/// `"x is ${x}"`
fn unfilled(value: &str, position: Position, text: &str) -> Option<Message> {
    let at = value.find("${")?;
    let name: String = value[at + 2..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let is_whole = !name.is_empty() && value[at + 2 + name.len()..].starts_with(['}', '.', '[', '(']);
    (is_whole && letter(position, text)? == '"').then_some(())?;
    Some((
        format!("`${{{name}}}` stays as it is in double quotes"),
        Some("a text in backticks takes values".to_string()),
    ))
}

/// `` `${x}\n` ``
fn escaped(parts: &[Expr], position: Position, text: &str) -> Option<Message> {
    let has =
        |part: &Expr| matches!(part, Expr::StringConstant(value, _) if value.contains("\\n") || value.contains("\\t"));
    (letter(position, text)? == '`' && parts.iter().any(has)).then_some(())?;
    Some((
        "`\\n` in backticks is two letters".to_string(),
        Some("a text in backticks goes over several lines as it is written; `\"\\n\"` is a line's end".to_string()),
    ))
}

fn letter(position: Position, text: &str) -> Option<char> {
    let line = text.lines().nth(position.line()?.checked_sub(1)?)?;
    line.chars().nth(position.position()?.checked_sub(1)?)
}

/// Verbs that change a list or a map and return nothing.
const CHANGES: &[&str] = &["push", "insert", "append", "sort", "reverse", "clear", "truncate", "dedup", "mixin"];

/// `fn add(xs) { xs.push(1); }`: the caller's list stays as it is.
fn copied(function: &str, body: &Body) -> Vec<(Message, Position)> {
    let lost = |name: &str| {
        let mut uses = Uses { name, writes: Vec::new(), reads: Vec::new(), is_again: false, in_loop: false };
        for statement in &body.statements {
            statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
                uses.see(path);
                true
            });
        }
        uses.lost()
    };
    let params = body.params.iter().filter(|name| !name.starts_with('_'));
    let found = params.filter_map(|name| Some((name, lost(name)?))).map(|(name, position)| {
        let what = format!("{name}: is a copy, and the caller's stays as it was");
        let help = format!("return it: `{name}` in the last line, `{name} = {function}(…)` in the call");
        ((what, Some(help)), position)
    });
    found.collect()
}

/// Where a parameter is changed and read.
struct Uses<'a> {
    name: &'a str,
    writes: Vec<Position>,
    reads: Vec<Position>,
    /// Another variable is called so.
    is_again: bool,
    in_loop: bool,
}

impl Uses<'_> {
    fn see(&mut self, path: &[ASTNode]) {
        match path {
            [.., ASTNode::Stmt(Stmt::Var(parts, ..))] => self.is_again |= parts.0.name == self.name,
            [.., ASTNode::Stmt(Stmt::For(parts, _))] => {
                self.is_again |= parts.0.name == self.name || parts.1.as_ref().is_some_and(|c| c.name == self.name);
            }
            [.., ASTNode::Stmt(Stmt::Assignment(parts))] if self.is(&parts.1.lhs) => self.write(&parts.1.lhs, path),
            [.., ASTNode::Stmt(Stmt::Expr(value))] => {
                if let Expr::Dot(parts, ..) = value.as_ref()
                    && self.is(&parts.lhs)
                    && matches!(&parts.rhs, Expr::MethodCall(call, _) if CHANGES.contains(&call.name.as_str()))
                {
                    self.write(&parts.lhs, path);
                }
            }
            [.., ASTNode::Expr(value)] if self.is(value) => self.reads.push(value.position()),
            _ => {}
        }
    }

    fn is(&self, value: &Expr) -> bool {
        matches!(value, Expr::Variable(variable, ..) if variable.2.is_empty() && variable.1 == self.name)
    }

    fn write(&mut self, value: &Expr, path: &[ASTNode]) {
        self.writes.push(value.position());
        let is_loop = |node: &ASTNode| matches!(node, ASTNode::Stmt(Stmt::While(..) | Stmt::Do(..) | Stmt::For(..)));
        self.in_loop |= path.iter().any(is_loop);
    }

    /// Where the last change is, if nobody reads it.
    fn lost(&self) -> Option<Position> {
        let place = |position: &Position| (position.line(), position.position());
        let last = self.writes.iter().max_by_key(|position| place(position))?;
        let reads = self.reads.iter().filter(|read| !self.writes.contains(read));
        let read =
            if self.in_loop { reads.count() > 0 } else { reads.into_iter().any(|read| place(read) > place(last)) };
        (!read && !self.is_again).then_some(*last)
    }
}
