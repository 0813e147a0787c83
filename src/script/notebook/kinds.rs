//! The type of an expression: from existing variables, and from the documented return types of verbs.

use super::super::registry::{self, Form, Function};
use super::Notebook;
use super::scan::{Kind as Part, Part as Word, partner};
use rhai::{Dynamic, Map};

/// What is known of an expression's value.
#[derive(Clone, Debug)]
pub enum Known {
    /// The value itself.
    Value(Dynamic),
    /// Its type, by its name in the registry.
    Kind(String),
    Nothing,
}

impl Known {
    fn kind(kind: &str) -> Known {
        if kind.is_empty() || kind == "any" { Known::Nothing } else { Known::Kind(kind.to_string()) }
    }
}

impl Notebook {
    /// The type of a value, by its name in the registry.
    pub fn type_of(&self, value: &Dynamic) -> String {
        super::super::explain::type_name(value.type_name(), &self.host.engine)
    }

    pub fn kind_of(&self, known: &Known) -> Option<String> {
        match known {
            Known::Value(value) => Some(self.type_of(value)),
            Known::Kind(kind) => Some(kind.clone()),
            Known::Nothing => None,
        }
    }

    /// The value or type of an expression of names, calls, indices and dots; `before` is the text before it.
    pub fn known(&self, functions: &[Function], chain: &[Word], before: &[Word]) -> Known {
        let Some((mut known, mut at)) = self.first(functions, chain, before) else { return Known::Nothing };
        while at < chain.len() {
            let Some((next, length)) = self.link(functions, &known, &chain[at..]) else { return Known::Nothing };
            known = next;
            at += length;
        }
        known
    }

    /// The first link of a chain, and its number of parts.
    fn first(&self, functions: &[Function], chain: &[Word], before: &[Word]) -> Option<(Known, usize)> {
        let first = chain.first()?;
        match first.kind {
            Part::Text => Some((Known::kind("string"), 1)),
            Part::Number if first.text.contains('.') => Some((Known::kind("float"), 1)),
            Part::Number => Some((Known::kind("int"), 1)),
            Part::Word => {
                let module = chain.get(1).is_some_and(|colons| colons.is("::"));
                let end = if module { 3 } else { 1 };
                let name =
                    if module { format!("{}::{}", first.text, chain.get(2)?.text) } else { first.text.to_string() };
                match chain.get(end) {
                    Some(paren) if paren.is("(") => {
                        let close = partner(chain, end)?;
                        Some((Known::kind(registry::returns(functions, &name, None)), close + 1))
                    }
                    _ => Some((self.variable(functions, first.text, before), end)),
                }
            }
            Part::Sign => {
                let close = partner(chain, 0)?;
                let known = match first.text {
                    "[" => Known::kind("list"),
                    "#{" => Known::kind("map"),
                    "(" => self.known(functions, &chain[1..close], before),
                    _ => Known::Nothing,
                };
                Some((known, close + 1))
            }
            _ => None,
        }
    }

    /// An existing variable, or one assigned in the text before.
    fn variable(&self, functions: &[Function], name: &str, before: &[Word]) -> Known {
        let declared =
            |three: &[Word]| matches!(three[0].text, "let" | "const") && three[1].text == name && three[2].is("=");
        if let Some(at) = before.windows(3).rposition(declared) {
            let value = &before[at + 3..];
            let end = value.iter().position(|part| part.is(";")).unwrap_or(value.len());
            return self.known(functions, &value[..end], &before[..at]);
        }
        self.state.scope.get(name).map_or(Known::Nothing, |value| Known::Value(value.flatten_clone()))
    }

    /// The next link: `.name`, `.name(…)`, `[…]`; and its number of parts.
    fn link(&self, functions: &[Function], of: &Known, rest: &[Word]) -> Option<(Known, usize)> {
        let kind = self.kind_of(of);
        let kind = kind.as_deref();
        if rest[0].is("[") {
            let close = partner(rest, 0)?;
            let inner = &rest[1..close];
            let known = match of {
                Known::Value(value) => item(value, inner).map_or(Known::Nothing, Known::Value),
                _ => Known::Nothing,
            };
            return match (known, kind) {
                (Known::Nothing, Some(kind)) => Some((Known::kind(registry::indexed(functions, kind)), close + 1)),
                (known, _) => Some((known, close + 1)),
            };
        }
        if !(rest[0].is(".") || rest[0].is("?.")) {
            return None;
        }
        let name = rest.get(1)?;
        if rest.get(2).is_some_and(|paren| paren.is("(")) {
            let close = 2 + partner(&rest[2..], 0)?;
            return Some((Known::kind(registry::returns(functions, name.text, kind)), close + 1));
        }
        if let Known::Value(value) = of
            && let Some(map) = value.read_lock::<Map>()
        {
            return Some((map.get(name.text).cloned().map_or(Known::Nothing, Known::Value), 2));
        }
        let own = registry::members(functions, kind)
            .find(|function| function.form == Form::Property && function.name == name.text);
        Some((own.map_or(Known::Nothing, |function| Known::kind(&function.returns)), 2))
    }
}

/// `list[0]`, `map["key"]` with a literal index.
fn item(value: &Dynamic, index: &[Word]) -> Option<Dynamic> {
    let [index] = index else { return None };
    if let Some(list) = value.read_lock::<rhai::Array>() {
        // for a computed index, the first element stands for all
        return list.get(index.text.parse::<usize>().unwrap_or(0)).cloned();
    }
    let map = value.read_lock::<Map>()?;
    map.get(index.text.trim_matches(['"', '`'])).cloned()
}
