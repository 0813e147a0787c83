//! Walks a script: declarations and uses, their types, and unreachable code.

use super::{Check, Kind, Var, modules};
use crate::files;
use crate::script::{signatures::kind_of, tables};
use rhai::{
    ASTFlags, Array, BinaryExpr, Dynamic, Expr, FLOAT, FnCallExpr, FnPtr, INT, ImmutableString, Map, Position, Stmt,
};

/// A variable that a closure captures: its type, and the position of its outer declaration.
type Captured = (Kind, Position);

impl Check<'_> {
    pub fn program(&mut self) {
        let mut named: Vec<(String, usize)> =
            self.bodies.keys().filter(|(name, _)| !name.starts_with("anon$")).cloned().collect();
        named.sort();
        for key in named {
            self.function(&key, &[]);
        }
        let ast = self.ast;
        self.block(ast.statements());
        for (name, position) in std::mem::take(&mut self.imported) {
            if !self.aliases.contains(name.as_str()) && !name.starts_with('_') {
                self.warn((format!("{name}: is imported and never used"), None), position);
            }
        }
    }

    fn function(&mut self, key: &(String, usize), captured: &[Captured]) {
        let Some(body) = self.bodies.remove(key) else { return };
        let outer = std::mem::take(&mut self.scope);
        for (index, name) in body.params.iter().enumerate() {
            let (kind, made) = captured.get(index).copied().unwrap_or((None, Position::NONE));
            self.scope.push(Var { name: name.clone(), kind, made, used: true, told: false, given: Vec::new() });
        }
        self.block(&body.statements);
        self.scope = outer;
        self.bodies.insert(key.clone(), body);
    }

    /// Checks statements in a scope of their own; returns the type of the last.
    pub fn block(&mut self, statements: &[Stmt]) -> Kind {
        let start = self.scope.len();
        self.unreachable(statements);
        let (mut last, is_loop) = (None, std::mem::take(&mut self.is_loop));
        for (index, statement) in statements.iter().enumerate() {
            self.ended = None;
            last = self.statement(statement);
            if is_loop || index + 1 < statements.len() {
                self.dropped(statement);
            }
        }
        for var in self.scope.split_off(start) {
            if var.told && !var.used && !self.globals.contains(var.name.as_str()) {
                let help = format!("take it out, or call it `_{}`", var.name);
                self.warn((format!("{}: is never used", var.name), Some(help)), var.made);
            }
        }
        last
    }

    fn statement(&mut self, statement: &Stmt) -> Kind {
        match statement {
            Stmt::If(flow, _) => {
                self.expression(&flow.expr);
                let (yes, no) = (self.block(flow.body.statements()), self.block(flow.branch.statements()));
                return yes.filter(|_| yes == no);
            }
            Stmt::Switch(switch, _) => {
                self.expression(&switch.0);
                for case in &switch.1.expressions {
                    self.expression(&case.lhs);
                    self.expression(&case.rhs);
                }
            }
            Stmt::While(flow, _) | Stmt::Do(flow, ..) => {
                self.expression(&flow.expr);
                self.is_loop = true;
                self.block(flow.body.statements());
            }
            Stmt::For(parts, _) => {
                let (item, counter, flow) = parts.as_ref();
                self.expression(&flow.expr);
                let start = self.scope.len();
                for (ident, kind) in
                    counter.iter().map(|ident| (ident, kind_of::<INT>())).chain([(item, of_range(&flow.expr))])
                {
                    self.declare(ident.name.clone(), kind, ident.pos, false);
                }
                self.is_loop = true;
                self.block(flow.body.statements());
                self.scope.truncate(start);
            }
            Stmt::Var(parts, flags, _) => {
                let (ident, value, _) = parts.as_ref();
                let kind = self.expression(value);
                self.used(value, kind);
                let given = self.given(value);
                let told = !ident.name.starts_with('_') && !flags.intersects(ASTFlags::EXPORTED);
                self.declare(ident.name.clone(), kind, ident.pos, told);
                if let Some(var) = self.scope.last_mut().filter(|_| !self.changed.contains(&ident.pos)) {
                    var.given = given;
                }
            }
            Stmt::Assignment(parts) => self.assignment(&parts.0, &parts.1),
            Stmt::FnCall(call, position) => return self.call(call, *position),
            Stmt::Block(block) => return self.block(block.statements()),
            Stmt::TryCatch(flow, _) => {
                self.tries += 1;
                self.block(flow.body.statements());
                self.tries -= 1;
                let start = self.scope.len();
                if let Expr::Variable(error, ..) = &flow.expr {
                    self.declare(error.1.clone(), None, flow.expr.position(), false);
                }
                self.block(flow.branch.statements());
                self.scope.truncate(start);
            }
            Stmt::Expr(value) => return self.expression(value),
            Stmt::BreakLoop(Some(value), ..) | Stmt::Return(Some(value), ..) => {
                self.expression(value);
            }
            Stmt::Import(import, _) => self.import(&import.0, &import.1.name, import.1.pos),
            Stmt::Export(names, _) => {
                self.variable(&names.0.name);
            }
            Stmt::Share(names) => {
                for (ident, _) in names.iter() {
                    self.variable(&ident.name);
                }
            }
            _ => {}
        }
        None
    }

    fn declare(&mut self, name: ImmutableString, kind: Kind, made: Position, told: bool) {
        let kind = kind.filter(|_| !self.varied.contains(&made));
        self.scope.push(Var { name, kind, made, used: false, told, given: Vec::new() });
    }

    /// Looks up a variable in scope, and marks it as used.
    pub fn variable(&mut self, name: &str) -> Option<&mut Var> {
        match self.scope.iter_mut().rev().find(|var| var.name == name) {
            Some(var) => {
                var.used = true;
                Some(var)
            }
            // of the prompt, or of the script around a function
            None => {
                self.globals.insert(name.to_string());
                None
            }
        }
    }

    /// Drops what is known of a map's keys.
    fn change(&mut self, chain: &Expr) {
        let Expr::Variable(variable, ..) = tables::root(chain) else { return };
        if let Some(var) = self.scope.iter().rev().find(|var| var.name == variable.1 && !var.given.is_empty()) {
            self.changed.insert(var.made);
        }
    }

    fn assignment(&mut self, how: &rhai::OpAssignment, sides: &BinaryExpr) {
        let value = self.expression(&sides.rhs);
        self.used(&sides.rhs, value);
        self.change(&sides.lhs);
        match &sides.lhs {
            Expr::Variable(variable, ..) if variable.2.is_empty() => {
                let Some(place) = self.scope.iter().rposition(|var| var.name == variable.1) else {
                    self.globals.insert(variable.1.to_string());
                    return;
                };
                let before = self.scope[place].kind;
                let after = match how.get_op_assignment_info() {
                    Some((.., operator)) => {
                        self.scope[place].used = true;
                        self.known.operator(operator, &[before, value])
                    }
                    None => value,
                };
                if before.is_some() && after != before {
                    self.varied.insert(self.scope[place].made);
                    self.scope[place].kind = None;
                }
            }
            other => {
                self.chained(other, true);
            }
        }
    }

    fn import(&mut self, path: &Expr, name: &ImmutableString, position: Position) {
        self.expression(path);
        if !name.is_empty() {
            self.imported.push((name.clone(), position));
        }
        if let Expr::StringConstant(path, position) = path {
            let file = modules::place(Some(self.name), path);
            // a file that the sandbox hides is reported at its import
            if files::readable("import", &file).is_ok() && !files::is_file(&file) {
                let error = modules::missing(&file);
                let told = (error.to_string(), error.advice().map(str::to_string));
                self.tell(format!("import {}", file.display()), |_| told, *position);
            }
        }
    }

    fn all<'e>(&mut self, expressions: impl Iterator<Item = &'e Expr>) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    /// Checks an expression; returns its type.
    pub fn expression(&mut self, expression: &Expr) -> Kind {
        match expression {
            Expr::IntegerConstant(..) => kind_of::<INT>(),
            Expr::FloatConstant(..) => kind_of::<FLOAT>(),
            Expr::BoolConstant(..) => kind_of::<bool>(),
            Expr::CharConstant(..) => kind_of::<char>(),
            Expr::StringConstant(..) => kind_of::<ImmutableString>(),
            Expr::DynamicConstant(value, _) => self.constant(value),
            Expr::InterpolatedString(parts, _) => {
                for part in parts.iter() {
                    let kind = self.expression(part);
                    self.used(part, kind);
                }
                kind_of::<ImmutableString>()
            }
            Expr::Array(items, _) => {
                self.all(items.iter());
                kind_of::<Array>()
            }
            Expr::Map(map, _) => {
                self.all(map.0.iter().map(|(_, value)| value));
                kind_of::<Map>()
            }
            Expr::Variable(variable, ..) if variable.2.is_empty() => self.variable(&variable.1)?.kind,
            Expr::Variable(variable, ..) => {
                self.namespace(variable.2.root(), &variable.1);
                None
            }
            Expr::ThisPtr(_) => None,
            Expr::Stmt(block) => self.block(block.statements()),
            Expr::FnCall(call, position) => self.call(call, *position),
            Expr::Dot(..) | Expr::Index(..) => self.chained(expression, false),
            Expr::And(parts, _) | Expr::Or(parts, _) => {
                self.all(parts.iter());
                kind_of::<bool>()
            }
            Expr::Coalesce(parts, _) => {
                self.all(parts.iter());
                None
            }
            _ => None,
        }
    }

    pub fn namespace(&mut self, root: &str, member: &str) {
        if root == "global" {
            self.globals.insert(member.to_string());
        }
        self.aliases.insert(root.to_string());
    }

    fn constant(&mut self, value: &Dynamic) -> Kind {
        if let Some(closure) = value.read_lock::<FnPtr>() {
            let name = closure.fn_name().to_string();
            drop(closure);
            self.closure(&name, &[]);
            return kind_of::<FnPtr>();
        }
        None
    }

    /// A closure without captures is a constant; one with captures is a call of `curry`.
    pub fn captures(&mut self, call: &FnCallExpr) -> bool {
        let [Expr::DynamicConstant(value, _), captured @ ..] = call.args.as_slice() else { return false };
        let Some(closure) = value.read_lock::<FnPtr>().filter(|_| call.name == "curry") else { return false };
        let name = closure.fn_name().to_string();
        drop(closure);
        let mut outer = Vec::new();
        for variable in captured {
            let Expr::Variable(variable, ..) = variable else { return false };
            outer.push(self.variable(&variable.1).map_or((None, Position::NONE), |var| (var.kind, var.made)));
        }
        self.closure(&name, &outer);
        true
    }

    fn closure(&mut self, name: &str, captured: &[Captured]) {
        let keys: Vec<(String, usize)> = self.bodies.keys().filter(|(known, _)| known == name).cloned().collect();
        for key in keys {
            self.function(&key, captured);
        }
    }

    /// Checks `a.b(c)[d].e`, read or set; returns the type of its last link.
    fn chained(&mut self, expression: &Expr, sets: bool) -> Kind {
        self.raced(expression);
        match expression {
            Expr::Dot(parts, ..) => {
                let kind = self.expression(&parts.lhs);
                if tables::method(&parts.rhs).is_some_and(|name| !tables::READS.contains(&name)) {
                    self.change(&parts.lhs);
                }
                self.link(kind, &parts.rhs, sets)
            }
            Expr::Index(parts, flags, _) => {
                let kind = self.expression(&parts.lhs);
                self.index(kind, parts, *flags, sets)
            }
            other => self.expression(other),
        }
    }

    /// Checks the rest of a chain after a value of a known type: rhai nests chains to the right.
    fn link(&mut self, kind: Kind, rest: &Expr, sets: bool) -> Kind {
        match rest {
            Expr::MethodCall(call, position) => self.method(kind, call, *position),
            Expr::Property(names, position) => self.property(kind, &names.2, *position, sets),
            Expr::Dot(parts, ..) => {
                let part = self.link(kind, &parts.lhs, false);
                self.part(kind, &parts.lhs, part, sets);
                self.link(part, &parts.rhs, sets)
            }
            Expr::Index(parts, flags, _) => {
                let part = self.link(kind, &parts.lhs, false);
                self.part(kind, &parts.lhs, part, sets);
                self.index(part, parts, *flags, sets)
            }
            other => self.expression(other),
        }
    }

    fn index(&mut self, kind: Kind, parts: &BinaryExpr, flags: ASTFlags, sets: bool) -> Kind {
        let element = |check: &mut Self, index: &Expr| {
            check.whole += 1;
            let index = check.expression(index);
            check.whole -= 1;
            kind.and_then(|kind| check.known.gives("index$get$", &[Some(kind), index]))
        };
        if flags.intersects(ASTFlags::BREAK) {
            return element(self, &parts.rhs);
        }
        match &parts.rhs {
            Expr::Dot(next, ..) => {
                let found = element(self, &next.lhs);
                self.element(kind, found, next.lhs.position(), sets);
                self.link(found, &next.rhs, sets)
            }
            Expr::Index(next, flags, _) => {
                let found = element(self, &next.lhs);
                self.element(kind, found, next.lhs.position(), sets);
                self.index(found, next, *flags, sets)
            }
            last => element(self, last),
        }
    }
}

/// Start of a statement: an assignment's own position is its operator's.
pub fn begin(statement: &Stmt) -> Position {
    match statement {
        Stmt::Assignment(parts) => parts.1.lhs.start_position(),
        other => other.position(),
    }
}

/// The type of the values of `0..n`: an int.
fn of_range(expression: &Expr) -> Kind {
    match expression {
        Expr::FnCall(call, _) if call.name == ".." || call.name == "..=" => kind_of::<INT>(),
        _ => None,
    }
}
