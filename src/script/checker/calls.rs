//! Calls: whether the name exists, for that type, argument count and options.

use super::{Check, Imported, Kind, explain, stdlib};
use crate::script::signatures::{Signatures, kind_of};
use crate::script::tables::{self, Known};
use rhai::{Expr, FnCallExpr, FnPtr, ImmutableString, Map, Position};
use std::any::TypeId;

impl Check<'_> {
    /// Checks a call that is not written after a dot; returns its type.
    pub fn call(&mut self, call: &FnCallExpr, position: Position) -> Kind {
        if self.captures(call) {
            return kind_of::<FnPtr>();
        }
        let name = call.name.as_str();
        let fails = name == "throws" && !call.namespace.is_empty() && call.namespace.root() == "assert";
        let outside = self.fails;
        self.fails |= fails;
        let is_range = call.op_token.is_some() && name.starts_with("..");
        self.whole += usize::from(is_range);
        let given: Vec<Kind> = call.args.iter().map(|argument| self.argument(argument)).collect();
        self.whole -= usize::from(is_range);
        self.fails = outside;
        if !call.namespace.is_empty() {
            self.namespace(call.namespace.root(), name);
            self.member(call, position);
            return None;
        }
        if call.op_token.is_some() || !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            self.operated(call, &given, position);
            return self.known.operator(name, &given);
        }
        if self.has_own(name, given.len()) {
            self.options_of(name, self.source, call);
            return None;
        }
        if !self.known.has(name, given.len()) && !self.in_imports(name) {
            self.tell(
                format!("{name}/{}", given.len()),
                |check| explain::unknown_call(name, given.len(), false, check.text, check.functions()),
                position,
            );
        }
        if let Some((defaults, given)) = tables::laid_over(call) {
            self.given_over(name, defaults, given);
        }
        self.native_options(call, &given, false);
        self.known.gives(name, &given)
    }

    fn argument(&mut self, argument: &Expr) -> Kind {
        let kind = self.expression(argument);
        self.used(argument, kind);
        kind
    }

    /// Checks `x.verb(…)` on a value of a known type; returns the result type.
    pub fn method(&mut self, receiver: Kind, call: &FnCallExpr, position: Position) -> Kind {
        let mut given = vec![receiver];
        given.extend(call.args.iter().map(|argument| self.argument(argument)));
        self.note_end(receiver, call, position);
        let (name, arguments) = (call.name.as_str(), call.args.len());
        // any map may hold a closure
        let held = receiver.is_none_or(|kind| kind == TypeId::of::<Map>()) && self.is_key(name);
        if self.answers_dots(name, arguments) || held || Signatures::is_of_any(name) || self.in_imports(name) {
            return None;
        }
        match receiver.filter(|kind| *kind != TypeId::of::<Map>()) {
            Some(kind) if !self.known.overloads(name).iter().any(|overload| overload.answers(kind, arguments)) => {
                let of = self.known.name(kind);
                self.tell(
                    format!("{of}.{name}/{arguments}"),
                    |check| explain::unknown_verb(name, of, arguments, check.text, check.functions()),
                    position,
                );
            }
            None if !self.known.has(name, arguments + 1) => {
                self.tell(
                    format!("{name}/{}", arguments + 1),
                    |check| explain::unknown_call(name, arguments, true, check.text, check.functions()),
                    position,
                );
            }
            _ => {}
        }
        self.native_options(call, &given, true);
        self.known.gives(name, &given)
    }

    /// Checks `x.name`, read or set; returns its type.
    pub fn property(&mut self, receiver: Kind, name: &str, position: Position, sets: bool) -> Kind {
        let kind = receiver.filter(|kind| *kind != TypeId::of::<Map>())?;
        let has =
            |form: &str, arguments| self.known.overloads(form).iter().any(|overload| overload.answers(kind, arguments));
        let of_text = |form: &str| {
            let fits = |kind| {
                self.known
                    .overloads(form)
                    .iter()
                    .any(|o| o.answers(kind, 1) && o.params[1] == TypeId::of::<ImmutableString>())
            };
            fits(kind)
        };
        let found = if sets {
            has(&format!("set${name}"), 1) || of_text("index$set$")
        } else {
            has(&format!("get${name}"), 0) || of_text("index$get$")
        };
        if !found {
            let of = self.known.name(kind);
            self.tell(
                format!("{of}.{name}"),
                |check| explain::unknown_property(name, of, sets, check.functions()),
                position,
            );
        }
        self.known.gives(&format!("get${name}"), &[Some(kind)])
    }

    /// Reports a closure that captured its verb's receiver.
    pub fn raced(&mut self, chain: &Expr) {
        let Some((call, position)) = tables::race(chain).filter(|_| self.tries == 0) else { return };
        if !self.has_own(&call.name, call.args.len()) && !self.in_imports(&call.name) {
            self.tell(format!("race {position:?}"), |_| explain::race(), position);
        }
    }

    /// Whether an imported file has, or may have, a function of this name.
    pub fn in_imports(&self, name: &str) -> bool {
        let has = |file: &Option<Imported>| {
            file.as_ref().is_none_or(|file| file.ast.iter_functions().any(|function| function.name == name))
        };
        self.imports.values().any(has)
    }

    /// `sft::run(…)`, or a function of an imported file.
    fn member(&mut self, call: &FnCallExpr, position: Position) {
        let (name, count) = (call.name.as_str(), call.args.len());
        let root = call.namespace.root().to_string();
        let full = format!("{root}::{name}");
        if call.namespace.path.len() > 1 || root == "global" {
            return;
        }
        let imports = self.imports;
        if let Some(home) = imports.get(root.as_str()) {
            // an unreadable file is reported at its import
            let Some(home) = home.as_ref().map(Imported::source) else { return };
            let functions: Vec<(&str, usize)> =
                home.ast.iter_functions().map(|function| (function.name, function.params.len())).collect();
            if !functions.contains(&(name, count)) {
                let names: Vec<&str> = functions.iter().map(|(name, _)| *name).collect();
                let told = explain::unknown_member(&full, count, &names);
                return self.tell(full, |_| told, position);
            }
            return self.options_of(&full, home, call);
        }
        if stdlib::is_module(&root) && !self.known.has(&full, count) {
            return self.tell(
                format!("{full}/{count}"),
                |check| explain::unknown_call(&full, count, false, check.text, check.functions()),
                position,
            );
        }
        let host = self.host;
        if let Some(home) = host.module_source(&root) {
            self.options_of(&full, home, call);
        }
    }
}
