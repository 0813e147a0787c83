//! Functions that scripts can call, with their docs, as registered in an engine.

use crate::script::doc::{self, Doc};
use crate::script::stdlib;
use rhai::{Dynamic, Engine, Module, Shared};
use std::any::TypeId;
use std::collections::HashSet;

/// The form in which a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// `tensor(rows)`, or `sft::run(net, tok, data)`
    Function,
    /// `grads.clip(limit)`
    Method,
    /// `grads.len`, read or set
    Property,
    /// `x + y`
    Operator,
    /// `x[i]`
    Index,
}

/// One function: one overload of a verb.
#[derive(Clone, Debug)]
pub struct Function {
    /// `clip`, or `sft::run`.
    pub name: String,
    /// The folder that it comes from, the standard library module, or `language` for Rhai's own.
    pub noun: String,
    pub form: Form,
    /// Name and script type of each parameter; the receiver of a method is the first.
    pub params: Vec<(String, String)>,
    pub returns: String,
    pub doc: String,
    /// Search terms, including its names in other libraries.
    pub also: Vec<String>,
    /// An internal part, or a function of an internal module: help, Tab and the reference leave it out.
    pub is_inner: bool,
    /// It does more than return a value of its arguments.
    pub has_effect: bool,
    /// Its last parameter is an options map, which may be left out.
    pub optional: bool,
}

impl Function {
    /// As written in a call: `grads.clip(limit: float) -> Grads`.
    pub fn signature(&self) -> String {
        let list = |params: &[(String, String)]| self.list(params);
        let call = match (self.form, self.params.split_first()) {
            (Form::Method, Some((receiver, rest))) => format!("{}.{}({})", written(receiver), self.name, list(rest)),
            (Form::Property, Some((receiver, _))) => format!("{}.{}", written(receiver), self.name),
            (Form::Index, Some((receiver, rest))) => format!("{}[{}]", written(receiver), list(rest)),
            (Form::Operator, Some((left, [right]))) => format!("{} {} {}", left.1, self.name, right.1),
            (Form::Operator, Some((only, _))) => format!("{}{}", self.name, only.1),
            _ => format!("{}({})", self.name, list(&self.params)),
        };
        if self.returns.is_empty() { call } else { format!("{call} -> {}", self.returns) }
    }

    /// Its last parameters, as written: `limit: float, options?`.
    pub fn list(&self, params: &[(String, String)]) -> String {
        let mut list: Vec<String> = params.iter().map(parameter).collect();
        if let Some(last) = list.last_mut().filter(|_| self.optional) {
            *last = "options?".to_string();
        }
        list.join(", ")
    }

    /// Whether it accepts this number of arguments, including a receiver.
    pub fn takes(&self, count: usize) -> bool {
        self.params.len() == count || self.optional && self.params.len() == count + 1
    }

    /// Number of arguments in parentheses, without the receiver.
    pub fn arguments(&self) -> usize {
        self.params.len() - usize::from(self.form == Form::Method)
    }

    /// The first sentence of the doc.
    pub fn summary(&self) -> &str {
        doc::summary(&self.doc)
    }
}

fn parameter((name, kind): &(String, String)) -> String {
    if kind.is_empty() || kind == "any" { name.clone() } else { format!("{name}: {kind}") }
}

/// The receiver: its own name if that is descriptive.
fn written((name, kind): &(String, String)) -> String {
    match kind.as_str() {
        "" | "any" => name.clone(),
        kind => kind.to_lowercase(),
    }
}

/// All functions that an engine knows, of all nouns.
pub fn known(engine: &Engine) -> Vec<Function> {
    ordered(collect(engine, true))
}

/// The functions of one module, under their bare names.
pub fn of_module(module: &Shared<Module>) -> Vec<Function> {
    let mut engine = Engine::new_raw();
    engine.register_global_module(module.clone());
    ordered(collect(&engine, true))
}

pub(super) fn ordered(found: Vec<(Function, u64)>) -> Vec<Function> {
    let mut found: Vec<Function> = found.into_iter().filter_map(|(function, _)| shaped(function)).collect();
    let key = |f: &Function| (f.name.clone(), f.form, f.noun.clone(), f.params.len(), f.signature());
    found.sort_by_cached_key(key);
    // overloads for different number types have the same signature
    found.dedup_by(|a, b| {
        a.name == b.name && a.noun == b.noun && (a.doc == b.doc || a.doc.is_empty()) && a.signature() == b.signature()
    });
    folded(found)
}

/// Merges a verb with options and its form without them.
fn folded(mut found: Vec<Function>) -> Vec<Function> {
    let mut shorter = Vec::new();
    for (place, function) in found.iter().enumerate() {
        let Some((last, rest)) = function.params.split_last() else { continue };
        let is_options = !function.doc.is_empty() && (last.1.is_empty() || last.1 == "map" && last.0 == "options");
        let form = found.iter().position(|other| {
            is_options
                && (&other.name, &other.noun, other.form, &other.doc)
                    == (&function.name, &function.noun, function.form, &function.doc)
                && other.params == rest
        });
        shorter.extend(form.map(|form| (place, form)));
    }
    for (place, _) in &shorter {
        found[*place].optional = true;
    }
    let mut place = 0;
    found.retain(|_| {
        place += 1;
        !shorter.iter().any(|(_, form)| *form == place - 1)
    });
    found
}

/// Functions from the engine's metadata, before their form is known.
pub(super) fn collect(engine: &Engine, language: bool) -> Vec<(Function, u64)> {
    let read = |info: rhai::FuncInfo| -> Option<(Function, u64)> {
        let facts = info.metadata;
        // excludes the fallbacks for types without an index of their own
        let of_any = facts.name.starts_with("index$") && facts.param_types.first() == Some(&TypeId::of::<Dynamic>());
        let hidden = facts.name.starts_with('_') || facts.name.contains("anon$") || of_any;
        if hidden || facts.access == rhai::FnAccess::Private {
            return None;
        }
        let scripted = info.script.as_ref();
        let params = match scripted {
            Some(script) => script.params.iter().map(|name| (name.to_string(), String::new())).collect(),
            None => (0..facts.num_params).map(|index| native_parameter(facts.params_info.get(index))).collect(),
        };
        let comments = match scripted {
            Some(script) => script.comments.iter().map(|line| line.to_string()).collect::<Vec<_>>(),
            None => facts.comments.iter().map(|line| line.to_string()).collect(),
        };
        let name = &facts.name;
        let doc = Doc::read(&comments.join("\n"));
        let function = Function {
            name: if info.namespace.is_empty() { name.to_string() } else { format!("{}::{name}", info.namespace) },
            noun: info.namespace.to_string(),
            form: Form::Function,
            params,
            returns: script_type(&facts.return_type),
            doc: doc.text,
            also: doc.also,
            is_inner: doc.is_inner || stdlib::is_inner(&info.namespace),
            has_effect: doc.has_effect,
            optional: false,
        };
        Some((function, facts.hash))
    };
    let mut found = engine.collect_fn_metadata(None, read, false);
    if language {
        let ours: HashSet<(String, u64)> =
            found.iter().map(|(function, hash)| (function.name.clone(), *hash)).collect();
        for (mut function, hash) in engine.collect_fn_metadata(None, read, true) {
            if function.noun.is_empty() && !ours.contains(&(function.name.clone(), hash)) {
                function.noun = "language".to_string();
                found.push((function, hash));
            }
        }
    }
    found
}

/// Name and type of a native parameter; a receiver keeps its `&mut`, by which `shaped` recognizes it.
fn native_parameter(info: Option<&impl ToString>) -> (String, String) {
    let info = info.map(ToString::to_string).unwrap_or_default();
    let (name, kind) = info.split_once(':').unwrap_or((info.as_str(), ""));
    let name = name.trim().trim_start_matches('_');
    (if name.is_empty() { "x".to_string() } else { name.to_string() }, kind.trim().to_string())
}

/// Determines the form of a function. Setters and printing functions are not verbs of their own.
fn shaped(mut function: Function) -> Option<Function> {
    if ["to_string", "to_debug", "print", "debug"].contains(&function.name.as_str()) && function.noun != "language" {
        return None;
    }
    let receiver = function.params.first().is_some_and(|(_, kind)| kind.starts_with('&') && kind.contains("mut "));
    for (_, kind) in &mut function.params {
        *kind = script_type(kind);
    }
    if let Some(name) = function.name.strip_prefix("get$") {
        function.name = name.to_string();
        function.form = Form::Property;
    } else if function.name.starts_with("set$") || function.name.starts_with("index$set$") {
        return None;
    } else if function.name.starts_with("index$get$") {
        function.name = "[]".to_string();
        function.form = Form::Index;
    } else if !function.name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        function.form = Form::Operator;
    } else if receiver {
        function.form = Form::Method;
    }
    Some(function)
}

/// The script name of a Rust type.
pub fn script_type(rust: &str) -> String {
    let compact: String = rust.replace("& mut", "&mut").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut kind = compact.trim().trim_start_matches('&').trim_start_matches("mut ").trim().replace(' ', "");
    for wrapper in ["Res<", "RhaiResultOf<", "Result<"] {
        if let Some(at) = kind.find(wrapper)
            && kind[..at].chars().all(|c| c.is_alphanumeric() || c == ':')
            && kind.ends_with('>')
        {
            kind = first_argument(&kind[at + wrapper.len()..kind.len() - 1]).to_string();
        }
    }
    let base = kind.split('<').next().unwrap_or_default();
    let base = base.rsplit("::").next().unwrap_or(base);
    match base {
        "()" | "" => "",
        "INT" | "i64" => "int",
        "FLOAT" | "f64" => "float",
        "str" | "ImmutableString" | "String" | "&str" => "string",
        "List" | "Array" | "Vec" => "list",
        "Map" => "map",
        "Dynamic" | "RhaiResult" | "T" => "any",
        "FnPtr" => "closure",
        "ExclusiveRange" | "InclusiveRange" | "Range" | "RangeInclusive" => "range",
        other => other,
    }
    .to_string()
}

/// `T` of `T,Box<…>`.
fn first_argument(arguments: &str) -> &str {
    let mut depth = 0;
    for (at, c) in arguments.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => return &arguments[..at],
            _ => {}
        }
    }
    arguments
}

/// Possible members after a dot: the methods and properties of a type, or of all types if it is unknown.
pub fn members<'a>(functions: &'a [Function], kind: Option<&str>) -> impl Iterator<Item = &'a Function> {
    let kind = kind.map(plain_type);
    functions.iter().filter(move |function| {
        let Some((_, receiver)) = function.params.first() else { return false };
        let member = matches!(function.form, Form::Method | Form::Property);
        match (&kind, member) {
            (Some(kind), true) => receiver == "any" || plain_type(receiver) == *kind,
            // a function can also be called as a method of its first argument
            (Some(kind), false) => {
                function.form == Form::Function && !function.name.contains("::") && plain_type(receiver) == *kind
            }
            (None, member) => member,
        }
    })
}

/// The return type of a call, if its overloads agree: of a function, or of a method of the type `receiver`.
pub fn returns<'a>(functions: &'a [Function], name: &str, receiver: Option<&str>) -> &'a str {
    let called = |function: &&Function| function.name == name;
    let mut kinds: Vec<&str> = match receiver {
        Some(_) => members(functions, receiver).filter(called).map(|function| function.returns.as_str()).collect(),
        None => functions.iter().filter(called).map(|function| function.returns.as_str()).collect(),
    };
    kinds.dedup();
    if let [only] = kinds.as_slice() { only } else { "" }
}

/// The type of `x[0]` for a type of `x`.
pub fn indexed<'a>(functions: &'a [Function], kind: &str) -> &'a str {
    let own = |function: &&Function| {
        function.form == Form::Index
            && function.params.first().is_some_and(|(_, of)| plain_type(of) == plain_type(kind))
    };
    let by_number = |function: &&Function| function.params.get(1).is_some_and(|(_, by)| by == "int");
    functions.iter().filter(own).find(by_number).map_or("", |function| function.returns.as_str())
}

/// `EncodedStream` and `encoded_stream` are one type.
fn plain_type(kind: &str) -> String {
    kind.to_lowercase().replace('_', "")
}
