//! Habits of other languages that run here and do something else: told as warnings.

use super::{Body, Message};
use crate::script::notebook::scan;
use rhai::{AST, ASTNode, Expr, Position, Stmt};
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
            Expr::StringConstant(value, position) => unfilled(value, *position, text)
                .or_else(|| escaped(std::slice::from_ref(expression), *position, text))
                .map(|told| (told, *position)),
            Expr::InterpolatedString(parts, position) => escaped(parts, *position, text).map(|told| (told, *position)),
            _ => None,
        };
        found.extend(told);
        true
    });
    let mut named: Vec<_> = bodies.iter().filter(|((name, _), _)| !name.contains('$')).collect();
    named.sort_by_key(|(key, _)| *key);
    found.extend(named.into_iter().flat_map(|((name, _), body)| copied(name, body)));
    found.extend(commented(text));
    found.dedup_by(|a, b| a.1 == b.1);
    found
}

/// `n // 3`, where what is left of it is a statement.
fn commented(text: &str) -> Vec<(Message, Position)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.contains("//")) {
        let parts = scan::parts(line);
        let Some(at) = parts.iter().position(|part| part.kind == scan::Kind::Comment) else { continue };
        let Some(before) = parts[..at].iter().rfind(|part| part.kind != scan::Kind::Space) else { continue };
        let operand = matches!(before.kind, scan::Kind::Word | scan::Kind::Number) || before.is(")") || before.is("]");
        let Some(by) = parts[at].text.strip_prefix("//").filter(|by| !by.starts_with(['/', '!', '='])) else {
            continue;
        };
        let bare = by.trim().trim_end_matches([';', ')', ',', '}', ' ']);
        let one = !bare.is_empty() && bare.chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
        let is_number = bare.parse::<i64>().is_ok();
        let ends = by.trim_end().ends_with([';', ')']);
        if !(operand && one && (is_number || ends)) {
            continue;
        }
        let column = 1 + line[..parts[at].at].chars().count();
        let position =
            Position::new(u16::try_from(index + 1).unwrap_or(u16::MAX), u16::try_from(column).unwrap_or(u16::MAX));
        let what = format!("`//` begins a comment, and `{bare}` is in it");
        found.push((
            (what, Some(format!("`/` divides ints whole, and `a.floor_divide({bare})` rounds down"))),
            position,
        ));
    }
    found
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
