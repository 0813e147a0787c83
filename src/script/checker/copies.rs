//! Lost changes of copies: of a parameter, a loop variable, or a variable that holds a part of something.

use super::{Body, Check, Kind, Message};
use crate::script::explain::article;
use crate::script::signatures::{Signatures, kind_of};
use crate::script::tables::{self, Link, links};
use rhai::{AST, ASTFlags, ASTNode, Array, Blob, Expr, ImmutableString, Map, Position, Stmt};
use std::collections::{HashMap, HashSet};

type Warning = (Message, Position);

/// Verbs that change a list or a map and return nothing.
const CHANGES: &[&str] = &["push", "insert", "append", "clear", "truncate", "mixin"];
/// Verbs that change a list and also return it.
const RETURNS: &[&str] = &["sort", "reverse", "dedup"];

/// Warnings about a script, with their positions.
pub fn warnings(ast: &AST, bodies: &HashMap<(String, usize), Body>, known: &Signatures) -> Vec<Warning> {
    let captured = captured(ast);
    let mut named: Vec<_> = bodies.iter().collect();
    named.sort_by_key(|(key, _)| *key);
    let mut found = Vec::new();
    variables(ast.statements(), known, &mut found);
    for ((name, _), Body { params, statements }) in named {
        // a captured variable is not a copy
        let own = params.iter().skip(captured.get(name).copied().unwrap_or(0));
        for param in own.filter(|param| !param.starts_with('_')) {
            let place = lost(param, statements, tails(statements), known);
            found.extend(place.map(|place| (told(param, name), place)));
        }
        variables(statements, known, &mut found);
    }
    found
}

/// Adds warnings about variables of loops and of `let`, in statements and all nested blocks.
fn variables(statements: &[Stmt], known: &Signatures, found: &mut Vec<Warning>) {
    parts(statements, known, found);
    for statement in statements {
        statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            for block in path.last().map(blocks).unwrap_or_default() {
                parts(block, known, found);
            }
            if let Some(ASTNode::Stmt(Stmt::For(flow, _))) = path.last() {
                found.extend(item(&flow.0.name, &flow.2.expr, flow.2.body.statements(), known));
            }
            true
        });
    }
}

/// The statement lists that a node holds.
fn blocks<'n>(node: &ASTNode<'n>) -> Vec<&'n [Stmt]> {
    match node {
        ASTNode::Stmt(Stmt::If(flow, _) | Stmt::TryCatch(flow, _)) => {
            vec![flow.body.statements(), flow.branch.statements()]
        }
        ASTNode::Stmt(Stmt::While(flow, _) | Stmt::Do(flow, ..)) => vec![flow.body.statements()],
        ASTNode::Stmt(Stmt::For(flow, _)) => vec![flow.2.body.statements()],
        ASTNode::Stmt(Stmt::Block(block)) => vec![block.statements()],
        ASTNode::Expr(Expr::Stmt(block)) => vec![block.statements()],
        _ => Vec::new(),
    }
}

/// A loop variable changed at the end of an iteration.
fn item(name: &str, over: &Expr, body: &[Stmt], known: &Signatures) -> Option<Warning> {
    let place = lost(name, body, HashSet::new(), known).filter(|_| !name.starts_with('_'))?;
    if is_range(over) {
        let help = "a step is `for i in range(from, to, step)`, and a loop of any steps `while`".to_string();
        return Some(((format!("{name}: is a copy, and the loop continues with the next number"), Some(help)), place));
    }
    let of = variable(over).unwrap_or("xs");
    let help = format!(
        "a new list is `{of} = {of}.map(|{name}| {{ …; {name} }})`; in place, `for i in 0..{of}.len() {{ {of}[i] = … }}`"
    );
    Some(((format!("{name}: is a copy, and {} stays as it was", source(over)), Some(help)), place))
}

/// Variables that a `let` of this list sets to another variable or a part of one, and that are changed at its end.
fn parts(statements: &[Stmt], known: &Signatures, found: &mut Vec<Warning>) {
    for (at, statement) in statements.iter().enumerate() {
        let Stmt::Var(declared, flags, _) = statement else { continue };
        let (name, value) = (declared.0.name.as_str(), &declared.1);
        let is_part =
            variable(tables::root(value)).is_some() && !links(value).iter().any(|link| matches!(link, Link::Call(..)));
        if !is_part || name.starts_with('_') || flags.intersects(ASTFlags::EXPORTED) {
            continue;
        }
        let rest = &statements[at + 1..];
        if let Some(place) = lost(name, rest, tails(rest), known) {
            let of = source(tables::root(value));
            let help = format!("an assignment copies: change {of} itself, or put `{name}` back into it");
            found.push(((format!("{name}: is a copy, and {of} stays as it was"), Some(help)), place));
        }
    }
}

fn variable(value: &Expr) -> Option<&str> {
    match value {
        Expr::Variable(variable, ..) if variable.2.is_empty() => Some(variable.1.as_str()),
        _ => None,
    }
}

/// The source of a copy, for a message.
fn source(value: &Expr) -> String {
    variable(value).map_or("what it was taken from".to_string(), |name| format!("`{name}`"))
}

fn told(param: &str, function: &str) -> Message {
    let help = match function.contains('$') {
        true => format!("return it: `{param}` in the last line"),
        false => format!("return it: `{param}` in the last line, `{param} = {function}(…)` in the call"),
    };
    (format!("{param}: is a copy, and the caller's stays as it was"), Some(help))
}

impl Check<'_> {
    /// Checks a property of a native type in the middle of a chain: a list or a map without a setter is a copy.
    pub fn part(&mut self, receiver: Kind, link: &Expr, part: Kind, sets: bool) {
        let (Some(of), Expr::Property(names, position)) = (receiver, link) else { return };
        let name = names.2.as_str();
        let is_set = self.known.overloads(&format!("set${name}")).iter().any(|overload| overload.answers(of, 1));
        if !is_value(part) || is_plain(receiver) || is_set {
            return;
        }
        self.copied.insert(*position);
        if sets {
            let of = self.known.name(of);
            let what = format!("{name}: {} returns a copy, so this change is lost", article(of));
            let help = format!("it is read-only; change a copy that you keep: `let {name} = x.{name};`");
            self.tell(format!("{of}.{name} changed"), |_| (what, Some(help)), *position);
        }
    }

    /// Checks an element of a native type in the middle of a chain: an element without a setter is a copy.
    pub fn element(&mut self, receiver: Kind, element: Kind, position: Position, sets: bool) {
        let Some(of) = receiver.filter(|_| sets && !is_plain(receiver)) else { return };
        let has = |form: &str| self.known.overloads(form).iter().any(|overload| overload.params[0] == of);
        if !has("index$get$") || has("index$set$") || !(element.is_none() || is_value(element)) {
            return;
        }
        let of = self.known.name(of);
        let what = format!("[]: {} returns a copy of an element, so this change is lost", article(of));
        let help = match of {
            "Dataset" => "a new one is `data = data.map(|row| { …; row })`",
            _ => "change a copy that you keep: `let part = x[0];`",
        };
        self.tell(format!("{of}[] changed"), |_| (what, Some(help.to_string())), position);
    }
}

fn is_value(kind: Kind) -> bool {
    [kind_of::<Array>(), kind_of::<Map>()].contains(&kind)
}

/// Values of the language itself, whose parts are assignable.
fn is_plain(kind: Kind) -> bool {
    is_value(kind) || [kind_of::<ImmutableString>(), kind_of::<Blob>()].contains(&kind)
}

/// Number of leading parameters of each closure that hold captured variables.
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

/// Position of the last change of a variable, if these statements do not read it afterwards; `last` are those whose value is
/// used.
fn lost(name: &str, statements: &[Stmt], last: HashSet<Position>, known: &Signatures) -> Option<Position> {
    let (counted, writes, reads) = Default::default();
    let mut uses = Uses { name, known, last, counted, writes, reads, is_other: false, again: None };
    for statement in statements {
        statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            uses.see(path);
            true
        });
    }
    uses.lost()
}

/// Positions of the statements whose value is the value of the list.
fn tails(statements: &[Stmt]) -> HashSet<Position> {
    let mut found = HashSet::new();
    add_tails(statements, &mut found);
    found
}

fn add_tails(statements: &[Stmt], found: &mut HashSet<Position>) {
    match statements.last() {
        Some(Stmt::If(flow, _)) => {
            add_tails(flow.body.statements(), found);
            add_tails(flow.branch.statements(), found);
        }
        Some(Stmt::Block(block)) => add_tails(block.statements(), found),
        Some(Stmt::Expr(value)) => drop(found.insert(value.start_position())),
        _ => {}
    }
}

/// Positions where a parameter is changed and read.
struct Uses<'a> {
    name: &'a str,
    known: &'a Signatures,
    /// Statements whose value the function returns.
    last: HashSet<Position>,
    /// Variables used as counters.
    counted: HashSet<String>,
    writes: Vec<Position>,
    reads: Vec<Position>,
    /// Another variable has this name, or it may be a handle.
    is_other: bool,
    /// Re-entry position of the first loop that changes it.
    again: Option<Position>,
}

impl Uses<'_> {
    fn see(&mut self, path: &[ASTNode]) {
        match path {
            [.., ASTNode::Stmt(Stmt::Var(parts, ..))] => self.is_other |= parts.0.name == self.name,
            // a closure shares it
            [.., ASTNode::Stmt(Stmt::Share(names))] => {
                self.is_other |= names.iter().any(|(name, _)| name.name == self.name)
            }
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

    /// Whether the target of an assignment may be a handle's property or weight, which the caller shares.
    fn may_be_handle(&self, way: &[Link]) -> bool {
        way.iter().any(|link| matches!(link, Link::Call(..)))
            || match way.last() {
                Some(Link::Property(name)) => !self.known.overloads(&format!("set${name}")).is_empty(),
                // names of weights contain dots
                Some(Link::Index(Expr::StringConstant(key, _))) => key.contains('.'),
                Some(Link::Index(place)) => !self.is_place(place),
                _ => false,
            }
    }

    /// Whether an index is a number, a range or a list, and not a key.
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

    /// `x = x + 1`: a read for the change itself.
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
            // the iterated value is read once
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
