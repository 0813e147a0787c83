//! Errors about calls and properties that do not exist.

use super::{Message, alternatives, article, bare, counted, known, lower_first, meant, type_name, words};
use crate::nearest;
use crate::script::registry::{Form, Function, known as functions_of};
use crate::script::sources::Names;
use crate::script::{declared, stdlib};
use rhai::Engine;

/// `Unknown property 'shap' - a getter is not registered for type 'Tensor'`
pub fn property(what: &str, engine: &Engine) -> Message {
    let mut quoted = what.split('\'').skip(1).step_by(2);
    let (Some(name), Some(kind)) = (quoted.next(), quoted.next()) else { return bare(lower_first(what)) };
    unknown_property(name, &type_name(kind, engine), what.contains("setter"), &functions_of(engine))
}

/// A property that a type does not have, or that can't be set.
pub fn unknown_property(name: &str, kind: &str, sets: bool, functions: &[Function]) -> Message {
    let own = |function: &&Function| function.params.first().is_some_and(|(_, receiver)| receiver == kind);
    if functions.iter().filter(own).any(|function| function.form == Form::Method && function.name == name) {
        return (
            format!("{name}: is a method of {}", article(kind)),
            Some(format!("call it with parentheses: `.{name}(…)`")),
        );
    }
    if sets && functions.iter().filter(own).any(|function| function.name == name) {
        return bare(format!("{name}: can be read on {}, not set", article(kind)));
    }
    let near = || meant(nearest(name, functions.iter().filter(own).map(|function| function.name.as_str())));
    (format!("{name}: no such property on {}", article(kind)), elsewhere(name, kind).or_else(near))
}

/// The replacement for another language's or library's verb, on a value of this type.
fn elsewhere(name: &str, kind: &str) -> Option<String> {
    words::verb(name, kind).map(str::to_string).or_else(|| known(name, Some(kind)))
}

/// The replacement for another language's or library's function, whose first argument is of this type.
fn foreign(name: &str, kind: &str) -> Option<String> {
    words::verb(name, kind).or_else(|| words::name(name)).map(str::to_string)
}

/// A call, found before it runs, of a name that has no function with this argument count.
pub fn unknown_call(name: &str, arguments: usize, method: bool, text: &str, functions: &[Function]) -> Message {
    let own = declared::functions(text);
    let mut same: Vec<String> = functions.iter().filter(|f| f.name == name).map(Function::signature).collect();
    let written = own.iter().filter(|(known, _)| known == name);
    same.extend(written.map(|(name, params)| format!("fn {name}({})", vec!["_"; *params].join(", "))));
    if !same.is_empty() {
        let help = foreign(name, "").unwrap_or_else(|| format!("it is {}", alternatives(&same)));
        return (format!("{name}: does not take {}", counted(arguments)), Some(help));
    }
    let call = Call { name: name.to_string(), kinds: Vec::new(), is_method: method };
    call.unknown(&Names::default().and(text), functions)
}

/// A verb, found before it runs, that a value of a known type does not have, or not with this argument count.
pub fn unknown_verb(name: &str, kind: &str, arguments: usize, text: &str, functions: &[Function]) -> Message {
    let own = |function: &&Function| function.params.first().is_some_and(|(_, of)| of == kind || of == "any");
    let same: Vec<&Function> = functions.iter().filter(|function| function.name == name).collect();
    let shown =
        |functions: Vec<&Function>| alternatives(&functions.into_iter().map(Function::signature).collect::<Vec<_>>());
    let fitting: Vec<&Function> = same.iter().copied().filter(|function| own(function)).collect();
    if let [only, ..] = fitting.as_slice() {
        if only.form == Form::Property {
            let help = format!("read it without parentheses: `.{name}`");
            return (format!("{name}: is a property of {}", article(kind)), Some(help));
        }
        return (format!("{name}: does not take {}", counted(arguments)), Some(format!("it is {}", shown(fitting))));
    }
    if same.is_empty() {
        let call = Call { name: name.to_string(), kinds: vec![kind.to_string()], is_method: true };
        return call.unknown(&Names::default().and(text), functions);
    }
    let plain = |function: &&Function| matches!(function.form, Form::Function | Form::Method);
    let near =
        || meant(nearest(name, functions.iter().filter(plain).filter(own).map(|function| function.name.as_str())));
    let help = words::verb(name, kind).map(str::to_string).or_else(|| super::of_type(name, kind)).or_else(near);
    let help = help.unwrap_or_else(|| format!("it is {}", shown(same)));
    (format!("{name}: no such verb on {}", article(kind)), Some(help))
}

/// A function that an imported file does not have, or not with this argument count.
pub fn unknown_member(full: &str, arguments: usize, names: &[&str]) -> Message {
    let (module, member) = full.split_once("::").unwrap_or(("", full));
    if names.contains(&member) {
        return bare(format!("{full}: does not take {}", counted(arguments)));
    }
    let near = nearest(member, names.iter().copied()).map(|near| format!("{module}::{near}"));
    let help = meant(near.as_deref()).or_else(|| (!names.is_empty()).then(|| format!("it has {}", names.join(", "))));
    (format!("{full}: no such function"), help)
}

/// A call without a matching function: `sft::run (Model, array)`.
pub struct Call {
    name: String,
    kinds: Vec<String>,
    /// Whether it is written after a dot.
    is_method: bool,
}

impl Call {
    /// Parses the engine's message about a call in `script`.
    pub fn read(text: &str, engine: &Engine, script: &str) -> Call {
        let (name, kinds) = text.split_once(" (").unwrap_or((text, ")"));
        let kinds = kinds.trim_end_matches(')').replace("&str | ImmutableString | String", "string");
        let kinds = kinds.split(", ").filter(|kind| !kind.is_empty()).map(|kind| type_name(kind, engine)).collect();
        let is_method = script.contains(&format!(".{name}("));
        Call { name: name.to_string(), kinds, is_method }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of arguments, including a receiver.
    pub fn count(&self) -> usize {
        self.kinds.len()
    }

    pub fn explain(&self, own: &Names, functions: &[Function]) -> Message {
        let same: Vec<&Function> = functions.iter().filter(|function| function.name == self.name).collect();
        if !self.name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return self.operator();
        }
        if !same.is_empty() {
            return self.misfit(&same);
        }
        self.unknown(own, functions)
    }

    fn operator(&self) -> Message {
        let kinds: Vec<&str> = self.kinds.iter().map(String::as_str).collect();
        let of = kinds.iter().map(|kind| article(kind)).collect::<Vec<_>>().join(" and ");
        (format!("{}: not for {of}", self.name), words::operator(&self.name, &kinds).map(str::to_string))
    }

    /// The name exists, but not with these arguments.
    fn misfit(&self, same: &[&Function]) -> Message {
        let receiver = self.kinds.first().map(String::as_str).unwrap_or_default();
        let takes_any =
            |function: &&&Function| function.params.first().is_some_and(|(_, kind)| kind == receiver || kind == "any");
        let own: Vec<&Function> = same.iter().filter(takes_any).copied().collect();
        let methods = same.iter().all(|function| function.form == Form::Method);
        let shown: Vec<String> = if own.is_empty() {
            same.iter().map(|function| function.signature()).collect()
        } else {
            own.iter().map(|function| function.signature()).collect()
        };
        let help = foreign(&self.name, receiver).unwrap_or_else(|| format!("it is {}", alternatives(&shown)));
        let help = Some(help);
        if methods && own.is_empty() && !receiver.is_empty() {
            return (format!("{}: no such verb on {}", self.name, article(receiver)), help);
        }
        let fitting = if own.is_empty() { same } else { &own };
        let given = if methods { self.kinds.get(1..).unwrap_or_default() } else { &self.kinds };
        if !fitting.iter().any(|function| function.takes(self.kinds.len())) {
            return (format!("{}: does not take {}", self.name, counted(given.len())), help);
        }
        (format!("{}: does not take ({})", self.name, given.join(", ")), help)
    }

    /// No verb has this name; `own` are the script's names.
    fn unknown(&self, own: &Names, functions: &[Function]) -> Message {
        if let Some((module, member)) = self.name.split_once("::") {
            let members: Vec<&str> =
                functions.iter().filter_map(|f| f.name.strip_prefix(module)?.strip_prefix("::")).collect();
            let near = nearest(member, members.iter().copied()).map(|near| format!("{module}::{near}"));
            let help = meant(near.as_deref())
                .or_else(|| (!members.is_empty()).then(|| format!("it has {}", members.join(", "))));
            return (format!("{}: no such function", self.name), help);
        }
        if own.functions.iter().any(|(name, _)| *name == self.name) {
            return (
                format!("{}: does not take ({})", self.name, self.kinds.join(", ")),
                Some(format!(
                    "it is a function of this script: call it as `{}(…)`, with its arguments in parentheses",
                    self.name
                )),
            );
        }
        if own.variables.contains(&self.name) {
            return (
                format!("{}: is a variable, not a function", self.name),
                Some(format!("call a closure with `{}.call(…)`", self.name)),
            );
        }
        let receiver = self.kinds.first().map(String::as_str);
        let message = match receiver {
            Some(kind) if self.is_method => format!("{}: no such verb on {}", self.name, article(kind)),
            None if self.is_method => format!("{}: no such verb", self.name),
            _ => format!("{}: no such function", self.name),
        };
        let foreign = match self.is_method {
            true => words::verb(&self.name, receiver.unwrap_or_default()),
            false => words::verb(&self.name, receiver.unwrap_or_default()).or_else(|| words::name(&self.name)),
        };
        let help = foreign
            .map(str::to_string)
            .or_else(|| known(&self.name, receiver))
            .or_else(|| home(&self.name).map(|module| format!("did you mean `{module}::{}(…)`?", self.name)))
            .or_else(|| self.near(functions, &own.functions));
        (message, help)
    }

    /// The nearest callable name: verbs of the value's type, functions.
    fn near(&self, functions: &[Function], own: &[(String, usize)]) -> Option<String> {
        let receiver = self.kinds.first().map(String::as_str);
        let takes_it = |function: &Function| match (function.params.first(), receiver) {
            (Some((_, kind)), Some(given)) => kind == given || kind == "any" || kind.is_empty(),
            (Some(_), None) => true,
            (None, _) => !self.is_method,
        };
        let fits = |function: &&Function| match function.form {
            Form::Method => takes_it(function) && (self.is_method || receiver.is_some()),
            Form::Function if function.name.contains("::") => false,
            Form::Function => !self.is_method || (takes_it(function) && receiver.is_some()),
            _ => false,
        };
        let shown = functions.iter().filter(|function| !function.is_inner);
        let fitting: Vec<&Function> = shown.filter(fits).collect();
        let names = fitting.iter().map(|function| function.name.as_str());
        let near = nearest(&self.name, names.chain(own.iter().map(|(name, _)| name.as_str())))?;
        let signatures: Vec<String> = fitting
            .iter()
            .filter(|function| function.name == near && function.noun != "language")
            .filter(|function| takes_it(function))
            .map(|function| function.signature())
            .collect();
        Some(match signatures.is_empty() {
            true => format!("did you mean `{near}`?"),
            false => format!("did you mean {}?", alternatives(&signatures)),
        })
    }
}

/// The standard library module that has a function of this name, loaded or not.
fn home(name: &str) -> Option<&'static str> {
    let has = |text: &str| declared::functions(text).iter().any(|(known, _)| known == name) && !name.starts_with('_');
    stdlib::MODULES.iter().find(|(module, text)| !stdlib::is_inner(module) && has(text)).map(|(module, _)| *module)
}
