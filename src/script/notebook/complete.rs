//! Completions of a word.

use super::super::OptionKey;
use super::super::registry::{self, Form, Function};
use super::super::{own_names, stdlib};
use super::kinds::Known;
use super::place::{self, Call, Place};
use super::{Notebook, scan};
use crate::files;
use rhai::Map;

/// One completion.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The text to insert.
    pub text: String,
    /// Its description: a signature, the type of a variable, the doc of an option.
    pub note: String,
}

/// Completions that replace the text from byte `start` on.
#[derive(Debug, Default)]
pub struct Completion {
    pub start: usize,
    pub candidates: Vec<Candidate>,
}

impl Notebook {
    /// Completions of the word before byte `at`.
    pub fn complete(&mut self, text: &str, at: usize) -> Completion {
        let cursor = place::cursor(&text[..at]);
        let functions = std::mem::take(&mut self.catalog).unwrap_or_else(|| {
            self.host.load_all();
            registry::shown(&self.host)
        });
        let mut candidates = match &cursor.place {
            Place::Nothing => Vec::new(),
            Place::Path => paths(cursor.typed),
            Place::Key(owner) => self.keys(&functions, owner, &cursor.before),
            Place::Member(owner) => self.members(&functions, owner, &cursor.before),
            Place::Module(module) => self.module(&functions, module),
            Place::Option { call, given } => self.options(&functions, call, given, &cursor.before),
            Place::Word { call, key } => self.words(&functions, call, key, &cursor),
            Place::Name if cursor.typed.is_empty() => Vec::new(),
            Place::Name => self.names(&functions),
        };
        self.catalog = Some(functions);
        candidates.retain(|candidate| candidate.text.starts_with(cursor.typed));
        candidates.sort_by(|a, b| a.text.cmp(&b.text));
        candidates.dedup_by(|later, first| {
            let same = later.text == first.text;
            // one line for all overloads
            if same && !first.note.ends_with('…') && later.note != first.note {
                first.note.push_str(" …");
            }
            same
        });
        Completion { start: cursor.start, candidates }
    }

    /// The parameters of the call open before byte `at`, or of the word that ends there: `(limit: float) -> Grads`.
    pub fn hint(&mut self, text: &str, at: usize) -> Option<String> {
        let cursor = place::cursor(&text[..at]);
        if matches!(cursor.place, Place::Nothing | Place::Path | Place::Key(_) | Place::Word { .. }) {
            return None;
        }
        let call = place::open_call(&cursor.before);
        // loads nothing for an empty line: the prompt appears at once
        if cursor.typed.is_empty() && call.is_none() {
            return None;
        }
        self.functions();
        let functions = self.catalog.as_deref()?;
        if !cursor.typed.is_empty() {
            let (name, receiver) = match &cursor.place {
                Place::Member(owner) => (cursor.typed.to_string(), Some(self.known(functions, owner, &cursor.before))),
                Place::Module(module) => (format!("{module}::{}", cursor.typed), None),
                Place::Name => (cursor.typed.to_string(), None),
                _ => return None,
            };
            let found = self.called(functions, &name, receiver.as_ref())?;
            return (found.form != Form::Property)
                .then(|| parameters(found, 0))
                .or(Some(format!(": {}", found.returns)));
        }
        let call = call?;
        let receiver = call.receiver.as_ref().map(|owner| self.known(functions, owner, &cursor.before));
        let given = call.argument;
        let named = self.overloads(functions, &call.name, receiver.as_ref());
        let found = named.into_iter().find(|function| function.arguments() > given)?;
        // a space after a trailing comma
        let gap = if text[..at].ends_with(',') { " " } else { "" };
        Some(format!("{gap}{}", parameters(found, given).trim_start_matches('(')))
    }

    fn called<'a>(&self, functions: &'a [Function], name: &str, receiver: Option<&Known>) -> Option<&'a Function> {
        self.overloads(functions, name, receiver).into_iter().next()
    }

    /// The functions that a call of this name could mean, fewest arguments first.
    fn overloads<'a>(&self, functions: &'a [Function], name: &str, receiver: Option<&Known>) -> Vec<&'a Function> {
        let kind = receiver.and_then(|receiver| self.kind_of(receiver));
        let mut found: Vec<&Function> = match receiver {
            Some(_) => registry::members(functions, kind.as_deref()).filter(|function| function.name == name).collect(),
            None => functions.iter().filter(|f| f.form == Form::Function && f.name == name).collect(),
        };
        found.sort_by_key(|function| function.arguments());
        found
    }

    /// Keys of an existing map.
    fn keys(&self, functions: &[Function], owner: &[scan::Part], before: &[scan::Part]) -> Vec<Candidate> {
        let Known::Value(value) = self.known(functions, owner, before) else { return Vec::new() };
        let Some(map) = value.read_lock::<Map>() else { return Vec::new() };
        map.iter().map(|(key, value)| Candidate { text: key.to_string(), note: self.type_of(value) }).collect()
    }

    fn members(&self, functions: &[Function], owner: &[scan::Part], before: &[scan::Part]) -> Vec<Candidate> {
        let known = self.known(functions, owner, before);
        let kind = self.kind_of(&known);
        let mut found: Vec<Candidate> = registry::members(functions, kind.as_deref()).map(candidate).collect();
        if kind.as_deref() == Some("map") {
            found.extend(self.keys(functions, owner, before));
        }
        found
    }

    /// The functions of a module, from the standard library or the user.
    fn module(&self, functions: &[Function], module: &str) -> Vec<Candidate> {
        if let Some((_, imported)) = self.imported.iter().find(|(alias, _)| alias == module) {
            return registry::of_module(imported).iter().map(candidate).collect();
        }
        let own = functions.iter().filter_map(|function| {
            let text = function.name.strip_prefix(module)?.strip_prefix("::")?.to_string();
            Some(Candidate { text, note: function.signature() })
        });
        own.collect()
    }

    /// The option keys of a call, without those already given.
    fn options(&self, functions: &[Function], call: &Call, given: &[&str], before: &[scan::Part]) -> Vec<Candidate> {
        let candidate = |key: OptionKey| {
            let default = if key.default.is_empty() { "()" } else { &key.default };
            let note = format!("{}: {default}  {}", key.name, key.about());
            Candidate { text: format!("{}: ", key.name), note: note.trim_end().to_string() }
        };
        let keys = self.option_keys(functions, call, before).into_iter();
        keys.filter(|key| !given.contains(&key.name.as_str())).map(candidate).collect()
    }

    fn option_keys(&self, functions: &[Function], call: &Call, before: &[scan::Part]) -> Vec<OptionKey> {
        let receiver = call.receiver.as_ref().map(|owner| self.known(functions, owner, before));
        match self.overloads(functions, &call.name, receiver.as_ref()).is_empty() {
            true => Vec::new(),
            false => self.host.option_keys(&call.name),
        }
    }

    /// The declared words of an option; otherwise paths.
    fn words(&self, functions: &[Function], call: &Call, key: &str, cursor: &place::Cursor) -> Vec<Candidate> {
        let keys = self.option_keys(functions, call, &cursor.before);
        match keys.into_iter().find(|known| known.name == key && !known.words.is_empty()) {
            Some(key) => key.words.into_iter().map(|word| Candidate { note: word.clone(), text: word }).collect(),
            None => paths(cursor.typed),
        }
    }

    /// Variables, functions, modules, words of the language.
    fn names(&self, functions: &[Function]) -> Vec<Candidate> {
        let variables = self.state.scope.iter_raw().map(|(name, _, value)| Candidate {
            text: name.to_string(),
            note: format!("{name}: {}", self.type_of(value)),
        });
        let free = functions.iter().filter(|function| function.form == Form::Function && !function.name.contains("::"));
        let own = self.state.functions().iter_functions().filter(|function| !function.name.contains('$'));
        let own = own.map(|function| {
            let name = own_names::plain(function.name);
            Candidate { text: name.to_string(), note: format!("{name}({})", function.params.join(", ")) }
        });
        let modules = stdlib::MODULES.iter().filter(|(name, _)| !stdlib::is_inner(name));
        let modules = modules.map(|(name, _)| (*name).to_string());
        let modules = modules.chain(self.imported.iter().map(|(alias, _)| alias.clone()));
        let modules = modules.map(|name| Candidate { text: format!("{name}::"), note: format!("{name}::  module") });
        let words = scan::keywords().iter().map(|word| Candidate { text: (*word).into(), note: (*word).into() });
        let callable = free.filter(|function| function.name.starts_with(|c: char| c.is_alphabetic())).map(candidate);
        variables.chain(callable).chain(own).chain(modules).chain(words).collect()
    }

    /// Names of variables, for a command that takes one.
    pub fn variable_names(&self) -> Vec<Candidate> {
        let named = self.state.scope.iter_raw();
        named
            .map(|(name, _, value)| Candidate { text: name.into(), note: format!("{name}: {}", self.type_of(value)) })
            .collect()
    }

    /// Everything with a help page: verbs, modules, nouns, variables.
    pub fn topics(&mut self) -> Vec<Candidate> {
        let mut found = self.variable_names();
        let functions = self.functions();
        let named = functions.iter().filter(|function| function.name.starts_with(|c: char| c.is_alphabetic()));
        found.extend(named.map(candidate));
        found.extend(functions.iter().map(|f| Candidate { text: f.noun.clone(), note: format!("{}  noun", f.noun) }));
        found.sort_by(|a, b| a.text.cmp(&b.text));
        found.dedup_by(|later, first| later.text == first.text);
        found
    }
}

fn candidate(function: &Function) -> Candidate {
    Candidate { text: function.name.clone(), note: function.signature() }
}

/// The parameters of a call from argument `from` on, with its return type.
fn parameters(function: &Function, from: usize) -> String {
    let receiver = function.params.len() - function.arguments();
    let list = function.list(function.params.get(receiver + from..).unwrap_or_default());
    let gives = if function.returns.is_empty() { String::new() } else { format!(" -> {}", function.returns) };
    format!("({list}){gives}")
}

/// Files and folders that match a typed path.
pub fn paths(typed: &str) -> Vec<Candidate> {
    let (folder, name) = typed.rfind('/').map_or(("", typed), |slash| typed.split_at(slash + 1));
    let place = if folder.is_empty() { std::path::Path::new(".") } else { std::path::Path::new(folder) };
    let Ok(entries) = files::list("paths", place) else { return Vec::new() };
    let entries = entries.into_iter().filter_map(|entry| {
        let own = entry.file_name()?.to_str().filter(|own| name.starts_with('.') || !own.starts_with('.'))?;
        let slash = if files::is_folder(&entry) { "/" } else { "" };
        Some(Candidate { text: format!("{folder}{own}{slash}"), note: format!("{own}{slash}") })
    });
    entries.collect()
}
