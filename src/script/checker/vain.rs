//! Code without effect: unreachable lines, unused results, and `()` used as a value.

use super::walk::begin;
use super::{Check, Kind, Message};
use crate::script::explain::article;
use crate::script::signatures::kind_of;
use crate::script::tables;
use rhai::{ASTNode, Array, Expr, FLOAT, FnCallExpr, FnPtr, INT, ImmutableString, Map, Position, Stmt};

/// The last verb of a chain, its receiver and its arguments.
pub struct Ended {
    receiver: Kind,
    name: ImmutableString,
    arguments: usize,
    position: Position,
}

/// Verbs of values that sound like in-place changes, as some of them are in other languages.
#[rustfmt::skip]
const CHANGES: &[&str] = &[
    "trim", "replace", "to_upper", "to_lower",
    "reshape", "transpose", "t", "permute", "squeeze", "unsqueeze", "flatten", "expand", "roll", "flip", "to", "detach",
    "clamp", "round", "floor", "ceil", "abs", "sqrt", "square", "relu", "softmax", "masked_fill", "nan_to_num", "scatter",
    "scatter_add", "index_add", "dropout", "clip",
    "shuffle", "filter", "map", "rename", "drop", "select", "sort", "extend", "unique", "with_chat_template", "retrain",
    "order", "order_by", "order_desc", "extract",
];
/// Verbs that leave a list unchanged.
const OF_LISTS: &[&str] = &["order", "order_by", "order_desc", "extract"];
/// Verbs that only read their receiver.
const READS: &[&str] = &[
    "len",
    "get",
    "contains",
    "is_empty",
    "to_string",
    "to_int",
    "to_float",
    "starts_with",
    "ends_with",
    "split",
    "index_of",
];
/// Verbs that change a list, a map, a text or a blob in place.
#[rustfmt::skip]
const IN_PLACE: &[&str] = &[
    "push", "append", "insert", "pop", "shift", "remove", "clear", "sort", "sort_by", "sort_desc", "reverse", "dedup", "retain",
    "drain", "truncate", "pad", "chop", "crop", "splice", "set", "mixin", "make_upper", "make_lower",
];
const SIGNS: &[&str] = &["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "**"];
const ORDERS: &[&str] = &["<", "<=", ">", ">="];
/// Names of success counts, which are divided to get a share.
const COUNTERS: &[&str] = &["correct", "right", "hits", "matches", "matched", "wins", "passed", "true_positives"];

/// The message for an unused result.
fn unused(chain: &Expr, name: &str, of: &str) -> Message {
    let root = match tables::root(chain) {
        Expr::Variable(variable, ..) if variable.2.is_empty() => variable.1.as_str(),
        _ => "x",
    };
    let what = format!("{name}: its result is dropped, and the {of} stays as it is");
    (what, Some(format!("keep it: `{root} = {root}.{name}(…)`")))
}

impl Check<'_> {
    pub fn unreachable(&mut self, statements: &[Stmt]) {
        let Some(end) = statements.iter().position(|statement| self.ends(statement)) else { return };
        if let Some(after) = statements[end + 1..].iter().find(|statement| !statement.is_noop()) {
            self.warn(("this is never reached: what stands before it ends here".to_string(), None), begin(after));
        }
    }

    /// Whether the statements after this one are unreachable.
    fn ends(&self, statement: &Stmt) -> bool {
        let within = |statements: &[Stmt]| statements.iter().any(|statement| self.ends(statement));
        match statement {
            Stmt::Return(..) | Stmt::BreakLoop(..) => true,
            Stmt::FnCall(call, _) => self.exits(call),
            Stmt::Expr(value) => matches!(value.as_ref(), Expr::FnCall(call, _) if self.exits(call)),
            Stmt::Block(block) => within(block.statements()),
            Stmt::If(flow, _) => within(flow.body.statements()) && within(flow.branch.statements()),
            _ => false,
        }
    }

    fn exits(&self, call: &FnCallExpr) -> bool {
        call.name == "exit" && call.namespace.is_empty() && !self.has_own("exit", call.args.len())
    }

    /// Stores the last verb checked.
    pub fn note_end(&mut self, receiver: Kind, call: &FnCallExpr, position: Position) {
        self.ended = Some(Ended { receiver, name: call.name.clone(), arguments: call.args.len(), position });
    }

    /// Checks a statement whose value is dropped.
    pub fn dropped(&mut self, statement: &Stmt) {
        if self.tries > 0 {
            return;
        }
        let (call, position) = match statement {
            Stmt::FnCall(call, position) => (call, *position),
            Stmt::Expr(value) => match value.as_ref() {
                Expr::FnCall(call, position) => (call, *position),
                chain @ Expr::Dot(..) => return self.dropped_verb(chain),
                _ => return,
            },
            _ => return,
        };
        if call.op_token.is_some() && SIGNS.contains(&call.name.as_str()) && call.args.len() == 2 {
            let help = if call.name == "==" { "an assignment is `x = …`" } else { "keep it: `let y = …`" };
            let told = (format!("{}: its result is dropped", call.name), Some(help.to_string()));
            // an example shows its last line this way, and a prompt every line
            self.warn(told, position);
        }
    }

    fn dropped_verb(&mut self, chain: &Expr) {
        let Some(ended) = self.ended.take().filter(|ended| last(chain) == Some(ended.position)) else { return };
        let (name, arguments) = (ended.name.as_str(), ended.arguments);
        // the verb may change a value of unknown type
        let Some(receiver) = ended.receiver else { return };
        if self.has_own(name, arguments) || self.in_imports(name) {
            return;
        }
        let values = [kind_of::<Array>(), kind_of::<Map>(), kind_of::<ImmutableString>()];
        if IN_PLACE.contains(&name)
            && values.contains(&Some(receiver))
            && (is_returned(chain, ended.position) || self.is_copied(chain, ended.position))
        {
            let what = format!("{name}: it changes {}, which nobody gets", article(self.known.name(receiver)));
            let help = "what a verb or function returns is a copy: keep it first, `let ys = …;`".to_string();
            return self.tell(format!("{:?}", ended.position), |_| (what, Some(help)), ended.position);
        }
        if !CHANGES.contains(&name) {
            return;
        }
        let answers = |overload: &&crate::script::signatures::Overload| overload.answers(receiver, arguments);
        let known = self.known;
        let found: Vec<_> = known.overloads(name).iter().filter(answers).collect();
        if !found.is_empty() && (name == "filter" || name == "map" && self.only_computes(chain)) {
            let told = unused(chain, name, known.name(receiver));
            return self.warn(told, ended.position);
        }
        let is_value = |overload: &&crate::script::signatures::Overload| {
            let list = Some(overload.params[0]) == kind_of::<Array>();
            let map = Some(overload.params[0]) == kind_of::<Map>();
            overload.returns == Some(overload.params[0])
                && !overload.params.contains(&std::any::TypeId::of::<FnPtr>())
                && !map
                && (!list || OF_LISTS.contains(&name))
        };
        if found.is_empty() || !found.iter().all(is_value) {
            return;
        }
        let told = unused(chain, name, known.name(found[0].params[0]));
        self.tell(format!("{:?}", ended.position), |_| told, ended.position);
    }

    /// Whether the verb at this position is called on a property that is a copy.
    fn is_copied(&self, chain: &Expr, verb: Position) -> bool {
        let mut copied = false;
        let mut rest = chain;
        while let Expr::Dot(parts, ..) = rest {
            match (&parts.lhs, &parts.rhs) {
                (_, Expr::MethodCall(_, position)) if *position == verb => {
                    return copied || matches!(&parts.lhs, Expr::Property(_, place) if self.copied.contains(place));
                }
                _ => {}
            }
            copied = matches!(&parts.lhs, Expr::Property(_, place) if self.copied.contains(place));
            rest = &parts.rhs;
        }
        false
    }

    /// Whether the closure of a chain's last verb only returns a value: no assignments, and no calls but operators and verbs of
    /// values.
    fn only_computes(&self, chain: &Expr) -> bool {
        let Some(tables::Link::Call(call, _)) = tables::links(chain).pop() else { return false };
        let [Expr::DynamicConstant(value, _)] = call.args.as_slice() else { return false };
        let Some(closure) = value.read_lock::<FnPtr>() else { return false };
        let bodies: Vec<_> = self.bodies.iter().filter(|((name, _), _)| name == closure.fn_name()).collect();
        let [(_, body)] = bodies.as_slice() else { return false };
        let mut only = true;
        for statement in &body.statements {
            statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
                only &= match path.last() {
                    Some(ASTNode::Stmt(Stmt::Assignment(_) | Stmt::Return(..))) => false,
                    Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                        call.op_token.is_some()
                    }
                    Some(ASTNode::Expr(Expr::MethodCall(call, _))) => {
                        CHANGES.contains(&call.name.as_str()) || READS.contains(&call.name.as_str())
                    }
                    _ => true,
                };
                only
            });
        }
        only
    }

    /// Checks a used value that is `()`: the result of a call that returns nothing.
    pub fn used(&mut self, value: &Expr, kind: Kind) {
        if kind != kind_of::<()>() {
            return;
        }
        let (name, position) = match value {
            Expr::FnCall(call, position) if call.namespace.is_empty() => (call.name.to_string(), *position),
            chain @ Expr::Dot(..) => match &self.ended {
                Some(ended) if last(chain) == Some(ended.position) => (ended.name.to_string(), ended.position),
                _ => return,
            },
            _ => return,
        };
        let told = (
            format!("{name}: returns nothing"),
            Some("it changes what it is called on, or shows something: call it alone".to_string()),
        );
        self.tell(format!("{position:?}"), |_| told, position);
    }

    /// `1 < x < 3`, `"a" < 1`, `correct / n`.
    pub fn operated(&mut self, call: &FnCallExpr, given: &[Kind], position: Position) {
        let [left, right] = given else { return };
        let name = call.name.as_str();
        if ORDERS.contains(&name) {
            let compares =
                |value: &Expr| matches!(value, Expr::FnCall(call, _) if ORDERS.contains(&call.name.as_str()));
            if call.args.iter().any(compares) {
                let what = format!("{name}: compares true or false with a number");
                let told = (what, Some("write `a < x && x < b`".to_string()));
                return self.tell(format!("{position:?}"), |_| told, position);
            }
        }
        if ORDERS.contains(&name) || name == "==" || name == "!=" {
            self.compared(name, *left, *right, position);
        }
        if name == "/" {
            self.divided(call, *left, *right, position);
        }
    }

    fn compared(&mut self, name: &str, left: Kind, right: Kind, position: Position) {
        let core = [kind_of::<bool>(), kind_of::<ImmutableString>(), kind_of::<Array>(), kind_of::<Map>()];
        let number = |kind: Kind| kind == kind_of::<INT>() || kind == kind_of::<FLOAT>();
        let plain = |kind: Kind| number(kind) || core.contains(&kind);
        let (Some(a), Some(b)) = (left, right) else { return };
        if !plain(left) || !plain(right) || left == right || number(left) && number(right) {
            return;
        }
        let (a, b) = (self.known.name(a), self.known.name(b));
        if ORDERS.contains(&name) {
            let what = format!("{name}: not for {} and {}", article(a), article(b));
            let told = (what, crate::script::language::advice(a, b).map(str::to_string));
            self.tell(format!("{position:?}"), |_| told, position);
        } else {
            let told = format!("{name}: {} is never {}", article(a), article(b));
            self.warn(
                (told, Some("`x.to_string()` is a number as a text, `parse_int(text)` a text as a number".to_string())),
                position,
            );
        }
    }

    fn divided(&mut self, call: &FnCallExpr, left: Kind, right: Kind, position: Position) {
        if self.whole > 0 {
            return;
        }
        let int = kind_of::<INT>();
        let counter = matches!(&call.args[0], Expr::Variable(variable, ..) if COUNTERS.contains(&variable.1.as_str()));
        let may_be = |kind: Kind| kind.is_none() || kind == int;
        let is_share = match (&call.args[0], &call.args[1]) {
            (Expr::IntegerConstant(a, _), Expr::IntegerConstant(b, _)) => *b != 0 && a % b != 0,
            (_, Expr::IntegerConstant(..)) => false,
            _ => left == int && right == int || counter && may_be(left) && may_be(right),
        };
        if is_share {
            let help = "a fraction is `a / b.to_float()`, the whole part `a.floor_divide(b)`";
            self.warn(("/: divides ints whole: 3 / 4 is 0".to_string(), Some(help.to_string())), position);
        }
    }
}

/// Whether the verb at this position is called on the result of a verb or a function.
fn is_returned(chain: &Expr, verb: Position) -> bool {
    let Expr::Dot(parts, ..) = chain else { return false };
    let is_verb = |link: &Expr| matches!(link, Expr::MethodCall(_, position) if *position == verb);
    let (mut before, mut rest) = (&parts.lhs, &parts.rhs);
    loop {
        if is_verb(rest) {
            return matches!(before, Expr::MethodCall(..) | Expr::FnCall(..));
        }
        match rest {
            Expr::Dot(parts, ..) => (before, rest) = (&parts.lhs, &parts.rhs),
            _ => return false,
        }
        if is_verb(before) {
            return false;
        }
    }
}

/// Position of the last link of a chain, if it is a verb.
fn last(chain: &Expr) -> Option<Position> {
    match chain {
        Expr::Dot(parts, ..) => last(&parts.rhs),
        Expr::MethodCall(_, position) => Some(*position),
        _ => None,
    }
}
