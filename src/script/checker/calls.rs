//! Calls: whether something answers to the name, on that type, with so many arguments and such options.

use super::{Check, Kind, explain, stdlib};
use crate::script::known::{Known, kind_of};
use crate::script::options::{self, Kind as Takes};
use rhai::{Expr, FLOAT, FnCallExpr, FnPtr, INT, ImmutableString, Map, Position};
use std::any::TypeId;

impl Check<'_> {
    /// A call that is not written after a dot; gives its type.
    pub fn call(&mut self, call: &FnCallExpr, position: Position) -> Kind {
        if self.captures(call) {
            return kind_of::<FnPtr>();
        }
        let name = call.name.as_str();
        let fails = name == "fails" && !call.namespace.is_empty() && call.namespace.root() == "check";
        let outside = self.fails;
        self.fails |= fails;
        let given: Vec<Kind> = call.args.iter().map(|argument| self.expression(argument)).collect();
        self.fails = outside;
        if !call.namespace.is_empty() {
            self.namespace(call.namespace.root(), name);
            self.member(call, &given, position);
            return None;
        }
        if call.op_token.is_some() || !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return self.known.operator(name, &given);
        }
        if self.has_own(name, given.len()) {
            self.own_options(call, &given);
            return None;
        }
        if !self.known.has(name, given.len()) && !self.in_imports(name) {
            self.tell(
                format!("{name}/{}", given.len()),
                |check| explain::unknown_call(name, given.len(), false, check.text, check.functions()),
                position,
            );
        }
        self.native_options(call, &given, false);
        self.known.gives(name, &given)
    }

    /// `x.verb(…)` on a value of a type; gives the type of what it gives.
    pub fn method(&mut self, receiver: Kind, call: &FnCallExpr, position: Position) -> Kind {
        let mut given = vec![receiver];
        given.extend(call.args.iter().map(|argument| self.expression(argument)));
        let (name, arguments) = (call.name.as_str(), call.args.len());
        self.dotted.insert((name.to_string(), arguments));
        // a closure may be held by any map
        let held = self.keys.contains(name) && receiver.is_none_or(|kind| kind == TypeId::of::<Map>());
        if self.has_own(name, arguments) || held || Known::is_of_any(name) || self.in_imports(name) {
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

    /// `x.name`, read or set; gives its type.
    pub fn property(&mut self, receiver: Kind, name: &str, position: Position, sets: bool) -> Kind {
        let kind = receiver.filter(|kind| *kind != TypeId::of::<Map>())?;
        let has =
            |form: &str, arguments| self.known.overloads(form).iter().any(|overload| overload.answers(kind, arguments));
        let of_text = |form: &str| {
            let fits = |kind| self.known.overloads(form).iter().any(|o| o.answers(kind, 1) && o.params[1] == text());
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

    /// Whether an imported file has a function of this name, or may have it.
    fn in_imports(&self, name: &str) -> bool {
        let has = |functions: &Option<Vec<(String, usize)>>| {
            functions.as_ref().is_none_or(|functions| functions.iter().any(|(known, _)| known == name))
        };
        self.imports.values().any(has)
    }

    /// `sft::run(…)`, or a function of an imported file.
    fn member(&mut self, call: &FnCallExpr, given: &[Kind], position: Position) {
        let (name, count) = (call.name.as_str(), call.args.len());
        let root = call.namespace.root().to_string();
        let full = format!("{root}::{name}");
        if call.namespace.path.len() > 1 || root == "global" {
            return;
        }
        if let Some(functions) = self.imports.get(root.as_str()) {
            // one that can't be read is told where it is imported
            let Some(functions) = functions else { return };
            if !functions.iter().any(|(known, params)| known == name && *params == count) {
                let names: Vec<&str> = functions.iter().map(|(name, _)| name.as_str()).collect();
                let told = explain::unknown_member(&full, count, &names);
                self.tell(full, |_| told, position);
            }
            return;
        }
        if stdlib::is_module(&root) && !self.known.has(&full, count) {
            return self.tell(
                format!("{full}/{count}"),
                |check| explain::unknown_call(&full, count, false, check.text, check.functions()),
                position,
            );
        }
        let host = self.host;
        self.options(&full, call, given, |place| host.stdlib_options(&full, count, place));
    }

    /// The options of a function of this script.
    fn own_options(&mut self, call: &FnCallExpr, given: &[Kind]) {
        let (ast, name, count) = (self.ast, call.name.to_string(), call.args.len());
        self.options(&name, call, given, |place| stdlib::option_keys(ast, &name, count, place));
    }

    /// The options of a native verb, where its argument can't be data: every overload that may be meant calls it so.
    fn native_options(&mut self, call: &FnCallExpr, given: &[Kind], is_method: bool) {
        let shift = usize::from(is_method);
        let (host, known, name) = (self.host, self.known, call.name.to_string());
        let tables: Vec<_> = host.option_tables().iter().filter(|(verb, _)| *verb == name).collect();
        let full: Vec<Kind> = given.to_vec();
        self.options(&name, call, &given[shift..], |place| {
            let overloads = known.overloads(&name);
            let is_options = overloads.iter().any(|overload| overload.has_options(place + shift));
            if tables.is_empty() || !is_options || overloads.iter().any(|o| o.takes_data(place + shift, &full)) {
                return None;
            }
            // a verb of several types has a table for each
            Some(
                tables.iter().flat_map(|(_, table)| table.iter().map(|opt| (opt.name.to_string(), opt.kind))).collect(),
            )
        });
    }

    /// The keys of maps that are written out in a call, and the kinds of their values.
    fn options(
        &mut self,
        name: &str,
        call: &FnCallExpr,
        given: &[Kind],
        takes: impl Fn(usize) -> Option<Vec<(String, Takes)>>,
    ) {
        for (place, argument) in call.args.iter().enumerate().take(given.len()) {
            let Expr::Map(map, _) = argument else { continue };
            let Some(takes) = takes(place) else { continue };
            for (key, value) in &map.0 {
                let kinds: Vec<Takes> =
                    takes.iter().filter(|(known, _)| *known == key.name.as_str()).map(|(_, kind)| *kind).collect();
                if kinds.is_empty() {
                    let known: Vec<&str> = takes.iter().map(|(known, _)| known.as_str()).collect();
                    let error = explain::unknown_option(name, &key.name, &known);
                    let told = (error.to_string(), error.advice().map(str::to_string));
                    self.tell(format!("{name} {}", key.name), |_| told, key.pos);
                } else if let Some(kind) = literal(value)
                    && !kinds.iter().any(|takes| suits(*takes, kind))
                {
                    let wants = options::kind_name(kinds[0]);
                    let what = explain::article(self.known.name(kind));
                    let told = (format!("{name}: option `{}` takes {wants}, not {what}", key.name), None);
                    self.tell(format!("{name} {} {what}", key.name), |_| told, value.start_position());
                }
            }
        }
    }

    /// A function of the script that answers where a verb is meant: rhai asks the script first.
    pub fn shadows(&mut self, name: &str, params: usize) {
        let hidden = self.known.overloads(name).iter().filter(|verb| verb.is_method && verb.params.len() == params + 1);
        let mut kinds: Vec<&str> = hidden.map(|verb| self.known.name(verb.params[0])).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            return;
        }
        let Some(at) = self.text.find(&format!("fn {name}(")) else { return };
        let before = &self.text[..at];
        let line = 1 + before.matches('\n').count();
        let column = 4 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        let position =
            Position::new(u16::try_from(line).unwrap_or(u16::MAX), u16::try_from(column).unwrap_or(u16::MAX));
        let of = kinds.join(", ");
        let told = format!("{name}: this function answers `x.{name}(…)` too, in place of the verb of {of}");
        self.warn((told, Some("give it another name".to_string())), position);
    }
}

fn text() -> TypeId {
    TypeId::of::<ImmutableString>()
}

/// The type of a value that is written out.
fn literal(value: &Expr) -> Kind {
    match value {
        Expr::IntegerConstant(..) => kind_of::<INT>(),
        Expr::FloatConstant(..) => kind_of::<FLOAT>(),
        Expr::BoolConstant(..) => kind_of::<bool>(),
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => Some(text()),
        Expr::Array(..) => kind_of::<rhai::Array>(),
        Expr::Map(..) => kind_of::<Map>(),
        Expr::DynamicConstant(value, _) if value.is::<FnPtr>() => kind_of::<FnPtr>(),
        _ => None,
    }
}

fn suits(takes: Takes, kind: TypeId) -> bool {
    let is = |other: Kind| Some(kind) == other;
    match takes {
        Takes::Int => is(kind_of::<INT>()),
        Takes::Float => is(kind_of::<FLOAT>()) || is(kind_of::<INT>()),
        Takes::Bool => is(kind_of::<bool>()),
        Takes::Text => kind == text(),
        Takes::List => is(kind_of::<rhai::Array>()),
        Takes::Map => is(kind_of::<Map>()),
        Takes::Closure => is(kind_of::<FnPtr>()),
        Takes::Any => true,
    }
}
