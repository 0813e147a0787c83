//! Parameters that a function changes for nobody: it gets copies, and what is not returned or used is lost.

use super::{Body, Message};
use crate::script::signatures::Signatures;
use crate::script::tables::{self, Link, links};
use rhai::{AST, ASTNode, Expr, Position, Stmt};
use std::collections::{HashMap, HashSet};

/// Verbs that change a list or a map and return nothing.
const CHANGES: &[&str] = &["push", "insert", "append", "clear", "truncate", "mixin"];
/// Those that change a list and return it too.
const RETURNS: &[&str] = &["sort", "reverse", "dedup"];

/// What to warn of, and where.
pub fn warnings(ast: &AST, bodies: &HashMap<(String, usize), Body>, known: &Signatures) -> Vec<(Message, Position)> {
    let captured = captured(ast);
    let mut named: Vec<_> = bodies.iter().collect();
    named.sort_by_key(|(key, _)| *key);
    let found = named.into_iter().flat_map(|((name, _), body)| {
        // what a closure captures is no copy
        let own = body.params.iter().skip(captured.get(name).copied().unwrap_or(0));
        let own = own.filter(|param| !param.starts_with('_'));
        own.filter_map(|param| Some((told(param, name), lost(param, body, known)?))).collect::<Vec<_>>()
    });
    found.collect()
}

fn told(param: &str, function: &str) -> Message {
    let help = match function.contains('$') {
        true => format!("return it: `{param}` in the last line"),
        false => format!("return it: `{param}` in the last line, `{param} = {function}(…)` in the call"),
    };
    (format!("{param}: is a copy, and the caller's stays as it was"), Some(help))
}

/// How many parameters of each closure stand for captured variables: the first ones.
fn captured(ast: &AST) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) = path.last()
            && call.name == "curry"
            && let [Expr::DynamicConstant(value, _), outer @ ..] = call.args.as_slice()
            && let Some(closure) = value.read_lock::<rhai::FnPtr>()
        {
            found.insert(closure.fn_name().to_string(), outer.len());
        }
        true
    });
    found
}

/// Where the last change of a parameter is, if nobody reads it.
fn lost(name: &str, body: &Body, known: &Signatures) -> Option<Position> {
    let mut last = HashSet::new();
    tails(&body.statements, &mut last);
    let (counted, writes, reads) = Default::default();
    let mut uses = Uses { name, known, last, counted, writes, reads, is_other: false, again: None };
    for statement in &body.statements {
        statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            uses.see(path);
            true
        });
    }
    uses.lost()
}

/// Where the statements are whose value is that of the function.
fn tails(statements: &[Stmt], found: &mut HashSet<Position>) {
    match statements.last() {
        Some(Stmt::If(flow, _)) => {
            tails(flow.body.statements(), found);
            tails(flow.branch.statements(), found);
        }
        Some(Stmt::Block(block)) => tails(block.statements(), found),
        Some(Stmt::Expr(value)) => drop(found.insert(value.start_position())),
        _ => {}
    }
}

/// Where a parameter is changed and read.
struct Uses<'a> {
    name: &'a str,
    known: &'a Signatures,
    /// Statements whose value the function returns.
    last: HashSet<Position>,
    /// Variables that count.
    counted: HashSet<String>,
    writes: Vec<Position>,
    reads: Vec<Position>,
    /// Another variable is called so, or it may be a handle.
    is_other: bool,
    /// Where the first loop begins again in which it is changed.
    again: Option<Position>,
}

impl Uses<'_> {
    fn see(&mut self, path: &[ASTNode]) {
        match path {
            [.., ASTNode::Stmt(Stmt::Var(parts, ..))] => self.is_other |= parts.0.name == self.name,
            [.., ASTNode::Stmt(Stmt::For(parts, _))] => {
                self.declared(&parts.0, parts.1.as_ref(), &parts.2.expr);
            }
            [.., ASTNode::Stmt(Stmt::Assignment(parts))] if self.is(tables::root(&parts.1.lhs)) => {
                let way = links(&parts.1.lhs);
                self.is_other |= self.may_be_handle(&way);
                self.write(tables::root(&parts.1.lhs), path);
            }
            [.., ASTNode::Stmt(Stmt::Expr(value))] if self.changes(value) => self.write(tables::root(value), path),
            [.., ASTNode::Expr(value)] if self.is(value) && !self.feeds_itself(path) => {
                self.reads.push(value.position());
            }
            _ => {}
        }
    }

    fn declared(&mut self, item: &rhai::Ident, counter: Option<&rhai::Ident>, over: &Expr) {
        self.is_other |= item.name == self.name || counter.is_some_and(|counter| counter.name == self.name);
        if is_range(over) {
            self.counted.insert(item.name.to_string());
        }
        self.counted.extend(counter.map(|counter| counter.name.to_string()));
    }

    fn is(&self, value: &Expr) -> bool {
        matches!(value, Expr::Variable(variable, ..) if variable.2.is_empty() && variable.1 == self.name)
    }

    /// `xs.push(1)`, `m.items.push(1)`
    fn changes(&self, value: &Expr) -> bool {
        let way = links(value);
        let Some((Link::Call(verb, _), before)) = way.split_last() else { return false };
        let returned = RETURNS.contains(&verb.name.as_str()) && self.last.contains(&value.start_position());
        self.is(tables::root(value))
            && !before.iter().any(|link| matches!(link, Link::Call(..)))
            && (CHANGES.contains(&verb.name.as_str()) || RETURNS.contains(&verb.name.as_str()) && !returned)
    }

    /// What is assigned to may be a handle's property or weight, which is the caller's too.
    fn may_be_handle(&self, way: &[Link]) -> bool {
        way.iter().any(|link| matches!(link, Link::Call(..)))
            || match way.last() {
                Some(Link::Property(name)) => !self.known.overloads(&format!("set${name}")).is_empty(),
                // names of weights have dots
                Some(Link::Index(Expr::StringConstant(key, _))) => key.contains('.'),
                Some(Link::Index(place)) => !self.is_place(place),
                _ => false,
            }
    }

    /// Whether an index is a number, a range or a list: not a key.
    fn is_place(&self, index: &Expr) -> bool {
        match index {
            Expr::IntegerConstant(..) | Expr::Array(..) => true,
            Expr::Variable(variable, ..) => self.counted.contains(variable.1.as_str()),
            Expr::FnCall(call, _) if call.op_token.is_some() => {
                is_range(index) || call.args.iter().any(|argument| self.is_place(argument))
            }
            _ => false,
        }
    }

    /// `x = x + 1`: what is read for the change itself.
    fn feeds_itself(&self, path: &[ASTNode]) -> bool {
        path.iter().any(|node| match node {
            ASTNode::Stmt(Stmt::Assignment(parts)) => self.is(tables::root(&parts.1.lhs)),
            _ => false,
        })
    }

    fn write(&mut self, value: &Expr, path: &[ASTNode]) {
        self.writes.push(value.position());
        let begins = |node: &ASTNode| match node {
            ASTNode::Stmt(statement @ (Stmt::While(..) | Stmt::Do(..))) => Some(statement.position()),
            // what it goes over is read once
            ASTNode::Stmt(Stmt::For(parts, _)) => Some(parts.2.body.position()),
            _ => None,
        };
        self.again = self.again.or_else(|| path.iter().find_map(begins));
    }

    fn lost(&self) -> Option<Position> {
        let place = |position: &Position| (position.line(), position.position());
        let last = self.writes.iter().max_by_key(|position| place(position))?;
        let since = self.again.iter().chain([last]).map(place).min();
        let mut reads = self.reads.iter().filter(|read| !self.writes.contains(read));
        (!reads.any(|read| Some(place(read)) > since) && !self.is_other).then_some(*last)
    }
}

/// `0..n`
fn is_range(value: &Expr) -> bool {
    matches!(value, Expr::FnCall(call, _) if call.name == ".." || call.name == "..=")
}
