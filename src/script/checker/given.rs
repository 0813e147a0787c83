//! Options: maps passed to calls, as literals or variables, and the keys that the calls take.

use super::{Check, Kind, explain};
use crate::script::options::Kind as Takes;
use crate::script::signatures::kind_of;
use crate::script::tables::{self, OptionKey, Reader, Source};
use rhai::{Expr, FLOAT, FnCallExpr, FnPtr, INT, ImmutableString, Map, Position};
use std::any::TypeId;

/// A key that a map certainly has, and what is known of its value.
#[derive(Clone)]
pub struct Given {
    name: String,
    position: Position,
    value: Position,
    kind: Kind,
    /// The value, if it is a string literal.
    word: Option<ImmutableString>,
}

impl<'a> Check<'a> {
    /// Reads option tables, also those of this file's imports.
    fn reader(&self) -> Reader<'a> {
        let imports = self.imports;
        Reader::new(self.host, |name| imports.get(name)?.as_ref().map(super::Imported::source))
    }

    /// Checks the options of a function written in Rhai.
    pub fn options_of(&mut self, name: &str, home: Source<'a>, call: &FnCallExpr) {
        let (reader, count) = (self.reader(), call.args.len());
        for (place, argument) in call.args.iter().enumerate().filter(|(_, argument)| may_be_map(argument)) {
            if let Some(takes) = reader.taken(home, &call.name, count, place) {
                self.options(name, &takes, argument);
            }
        }
    }

    /// Checks options merged over defaults in the script itself.
    pub fn given_over(&mut self, name: &str, defaults: &Expr, given: &Expr) {
        if let Some(takes) = self.reader().keys(self.source, defaults) {
            self.options(name, &takes, given);
        }
    }

    /// Checks the options of a native verb whose argument can't be data: all candidate overloads name it `options`.
    pub fn native_options(&mut self, call: &FnCallExpr, given: &[Kind], is_method: bool) {
        let shift = usize::from(is_method);
        let (known, name) = (self.known, call.name.as_str());
        for (place, argument) in call.args.iter().enumerate().filter(|(_, argument)| may_be_map(argument)) {
            let overloads = known.overloads(name);
            let is_options = overloads.iter().any(|overload| overload.has_options(place + shift));
            if !is_options || overloads.iter().any(|overload| overload.takes_data(place + shift, given)) {
                continue;
            }
            // a verb of several types has a table for each
            if let Some(takes) = self.reader().native(name) {
                self.options(name, &takes, argument);
            }
        }
    }

    /// Checks the keys of an options map, and the kinds of their values.
    fn options(&mut self, name: &str, takes: &[OptionKey], argument: &Expr) {
        for given in self.given(argument) {
            let known: Vec<&OptionKey> = takes.iter().filter(|key| key.name == given.name).collect();
            if known.is_empty() {
                let keys: Vec<&str> = takes.iter().map(|key| key.name.as_str()).collect();
                let error = explain::unknown_option(name, &given.name, &keys);
                let told = (error.to_string(), error.advice().map(str::to_string));
                let position = if given.position.is_none() { argument.start_position() } else { given.position };
                self.tell(format!("{name} {}", given.name), |_| told, position);
            } else if let Some(what) = self.misfit(&known, &given) {
                let help = given.word.as_ref().and_then(|word| {
                    let near = crate::nearest(word, known[0].words.iter().map(String::as_str))?;
                    Some(format!("did you mean `{near}`?"))
                });
                let told = (format!("{name}: option `{}` takes {}, not {what}", given.name, known[0].takes()), help);
                let position = if given.value.is_none() { argument.start_position() } else { given.value };
                self.tell(format!("{name} {} {what}", given.name), |_| told, position);
            }
        }
    }

    /// The given value in words, if no key of this name accepts it.
    fn misfit(&self, known: &[&OptionKey], given: &Given) -> Option<String> {
        let kind = given.kind?;
        if !known.iter().any(|key| suits(key.kind, kind)) {
            return Some(explain::article(self.known.name(kind)));
        }
        let word = given.word.as_ref()?;
        let takes = |key: &&OptionKey| match key.words.is_empty() {
            true => suits(key.kind, kind),
            false => key.words.iter().any(|known| known == word.as_str()),
        };
        (!known.iter().any(takes)).then(|| format!("`{word}`"))
    }

    /// The keys that a map certainly has.
    pub fn given(&mut self, map: &Expr) -> Vec<Given> {
        match map {
            Expr::Map(map, _) => {
                let given = |(name, value): &(rhai::Ident, Expr)| {
                    let choice = tables::choice(value, self.ast);
                    let value = choice.as_ref().map_or(value, |(default, _)| default);
                    Given {
                        name: name.name.to_string(),
                        position: name.pos,
                        value: value.start_position(),
                        kind: self.expression(value),
                        word: word(value),
                    }
                };
                map.0.iter().map(given).collect()
            }
            Expr::Variable(variable, ..) if variable.2.is_empty() => {
                self.variable(&variable.1).map(|var| var.given.clone()).unwrap_or_default()
            }
            Expr::Variable(..) => self.constant_keys(map),
            Expr::FnCall(call, _) => match (call.args.as_slice(), tables::laid_over(call)) {
                ([left, right], _) if call.name == "+" => self.sum(left, right),
                // each has the kind of its default, whatever its value
                (_, Some((defaults, _))) => {
                    let mut found = self.given(defaults);
                    found.iter_mut().for_each(|given| given.word = None);
                    found
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// The keys of two merged maps.
    fn sum(&mut self, left: &Expr, right: &Expr) -> Vec<Given> {
        let (mut found, over) = (self.given(left), self.given(right));
        // unknown keys may override all
        if over.is_empty() && !matches!(right, Expr::Map(..)) {
            found.iter_mut().for_each(|given| (given.kind, given.word) = (None, None));
        }
        found.retain(|given| !over.iter().any(|other| other.name == given.name));
        found.extend(over);
        found
    }

    /// The keys of a constant map of this file or of a module.
    fn constant_keys(&self, map: &Expr) -> Vec<Given> {
        let entries = self.reader().entries(self.source, map).unwrap_or_default();
        let given = |entry: tables::Entry| {
            let at = |position| if std::ptr::eq(entry.text(), self.text) { position } else { Position::NONE };
            let value = entry.default();
            Given {
                position: at(entry.position),
                value: at(value.start_position()),
                kind: literal(value),
                word: word(value),
                name: entry.name.clone(),
            }
        };
        entries.into_iter().map(given).collect()
    }
}

/// Whether the argument is worth checking as options.
fn may_be_map(argument: &Expr) -> bool {
    matches!(argument, Expr::Map(..) | Expr::Variable(..) | Expr::FnCall(..))
}

fn word(value: &Expr) -> Option<ImmutableString> {
    match value {
        Expr::StringConstant(word, _) => Some(word.clone()),
        _ => None,
    }
}

/// The type of a literal.
fn literal(value: &Expr) -> Kind {
    match value {
        Expr::IntegerConstant(..) => kind_of::<INT>(),
        Expr::FloatConstant(..) => kind_of::<FLOAT>(),
        Expr::BoolConstant(..) => kind_of::<bool>(),
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => kind_of::<ImmutableString>(),
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
        Takes::Text | Takes::OneOf(_) => is(kind_of::<ImmutableString>()),
        Takes::List => is(kind_of::<rhai::Array>()),
        Takes::Map => is(kind_of::<Map>()),
        Takes::Closure => is(kind_of::<FnPtr>()),
        Takes::Any => true,
    }
}
