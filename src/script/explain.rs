//! What the language's own errors mean, in our words, and what was probably meant.

use super::registry::{self, Form, Function};
use super::stdlib;
use crate::nearest;
use rhai::{Dynamic, Engine, EvalAltResult, LexError, Map, ParseErrorType};

type Told = (String, Option<String>);

/// The message (`verb: what is wrong`) and the help of an error; `text` is the script that it happened in.
pub fn explain(error: &EvalAltResult, text: &str, engine: &Engine) -> Told {
    use EvalAltResult as E;
    match error {
        E::ErrorRuntime(value, _) => thrown(value),
        // who stopped it is a map; an interruption says no more than that
        E::ErrorTerminated(value, _) => match thrown(value) {
            (message, help) if message.starts_with("limit: ") => (message, help),
            _ => ("interrupted".to_string(), None),
        },
        E::ErrorDataTooLarge(what, _) => {
            let limits = [("string", engine.max_string_size()), ("map", engine.max_map_size())];
            let (kind, most) =
                limits.into_iter().find(|(kind, _)| what.contains(kind)).unwrap_or(("list", engine.max_array_size()));
            told(format!(
                "limit: a {kind} of more than {} {}",
                crate::text::thousands(most),
                if kind == "string" { "bytes" } else { "values" }
            ))
        }
        E::ErrorParsing(error, _) => parse(error, text, engine),
        E::ErrorFunctionNotFound(call, _) => Call::read(call, engine).explain(text, &registry::known(engine)),
        E::ErrorModuleNotFound(name, _) => module(name),
        E::ErrorVariableNotFound(name, _) => variable(name, text),
        E::ErrorPropertyNotFound(name, _) => told(format!("{name}: the map has no such key")),
        E::ErrorDotExpr(what, _) => property(what, engine),
        E::ErrorIndexingType(what, _) => {
            let kind = type_name(what.split(" [").next().unwrap_or(what), engine);
            told(format!("[]: {} cannot be indexed so", article(&kind)))
        }
        E::ErrorArrayBounds(length, index, _) => told(format!("[]: index {index} of a list of {length}")),
        E::ErrorStringBounds(length, index, _) => told(format!("[]: index {index} of a string of {length}")),
        E::ErrorIndexNotFound(index, _) => told(format!("[]: there is no `{index}`")),
        E::ErrorMismatchDataType(wanted, given, _) | E::ErrorMismatchOutputType(wanted, given, _) => {
            let (wanted, given) = (type_name(wanted, engine), type_name(given, engine));
            told(format!("{} is needed here, not {}", article(&wanted), article(&given)))
        }
        E::ErrorFor(_) => told("for: this can't be looped over".to_string()),
        E::ErrorArithmetic(what, _) => told(lower_first(what)),
        E::ErrorStackOverflow(_) => (
            format!("calls are nested more than {} deep", engine.max_call_levels()),
            Some("does a function call itself without end?".to_string()),
        ),
        E::ErrorAssignmentToConstant(name, _) => {
            (format!("{name}: a constant can't be changed"), Some(format!("make it with `let {name} = …`")))
        }
        E::ErrorNonPureMethodCallOnConstant(name, _) => {
            let name = name.trim_start_matches("set$").trim_start_matches("get$");
            (format!("{name}: would change a constant"), Some("make it with `let` instead of `const`".to_string()))
        }
        E::ErrorUnboundThis(_) => told("this: there is nothing that `this` stands for here".to_string()),
        E::ErrorDataRace(..) => (
            "a value is used while it is being changed".to_string(),
            Some("a closure captured the very value that its method was called on: take a copy first".to_string()),
        ),
        other => {
            let text = other.to_string();
            told(lower_first(text.split(" (line ").next().unwrap_or(&text)))
        }
    }
}

fn told(message: String) -> Told {
    (message, None)
}

fn meant(near: Option<&str>) -> Option<String> {
    near.map(|near| format!("did you mean `{near}`?"))
}

/// What a script or a verb threw: our own errors are maps, a script may throw anything.
fn thrown(value: &Dynamic) -> Told {
    let Some(fields) = value.read_lock::<Map>() else { return (value.to_string(), None) };
    let field = |name: &str| fields.get(name).filter(|value| !value.is_unit()).map(|value| value.to_string());
    match (field("who"), field("what")) {
        (Some(who), Some(what)) => (format!("{who}: {what}"), field("help")),
        (None, Some(what)) => (what, field("help")),
        _ => (field("message").unwrap_or_else(|| value.to_string()), field("help")),
    }
}

fn parse(error: &ParseErrorType, text: &str, engine: &Engine) -> Told {
    use ParseErrorType as P;
    match error {
        P::VariableUndefined(name) => variable(name, text),
        P::ModuleUndefined(name) => module(name),
        P::UnexpectedEOF => (
            "syntax: the script ends too early".to_string(),
            Some("a bracket, brace or string is not closed".to_string()),
        ),
        P::Reserved(word) if word == "eval" => told("eval: there is no such thing here".to_string()),
        P::Reserved(word) => (format!("syntax: `{word}` is a reserved word"), Some("choose another name".to_string())),
        P::BadInput(LexError::UnexpectedInput(what)) => told(format!("syntax: unexpected `{what}`")),
        P::MissingToken(token, where_) => told(format!("syntax: `{token}` expected {}", lower_first(where_))),
        P::AssignmentToConstant(name) => {
            (format!("{name}: a constant can't be changed"), Some(format!("make it with `let {name} = …`")))
        }
        P::ExprTooDeep => told(format!("syntax: nested more than {} deep", engine.max_expr_depth())),
        other => told(format!("syntax: {}", lower_first(&other.to_string()))),
    }
}

fn module(name: &str) -> Told {
    let near = nearest(name, stdlib::MODULES.iter().map(|(name, _)| *name));
    (
        format!("{name}: no such module"),
        meant(near).or_else(|| Some(format!("import it first: `import \"{name}\" as {name};`"))),
    )
}

fn variable(name: &str, text: &str) -> Told {
    let names = super::names::declared(text);
    if names.iter().any(|known| known == name) {
        return (
            format!("{name}: no such variable here"),
            Some("a function sees only its arguments: pass it in, or make a closure".to_string()),
        );
    }
    let near = nearest(name, names.iter().map(String::as_str));
    (format!("{name}: no such variable"), meant(near))
}

/// `Unknown property 'shap' - a getter is not registered for type 'Tensor'`
fn property(what: &str, engine: &Engine) -> Told {
    let mut quoted = what.split('\'').skip(1).step_by(2);
    let (Some(name), Some(kind)) = (quoted.next(), quoted.next()) else { return told(lower_first(what)) };
    unknown_property(name, &type_name(kind, engine), what.contains("setter"), &registry::known(engine))
}

/// A property that a type does not have, or that can't be set.
pub fn unknown_property(name: &str, kind: &str, sets: bool, functions: &[Function]) -> Told {
    let own = |function: &&Function| function.params.first().is_some_and(|(_, receiver)| receiver == kind);
    if functions.iter().filter(own).any(|function| function.form == Form::Method && function.name == name) {
        return (
            format!("{name}: is a method of {}", article(kind)),
            Some(format!("call it with parentheses: `.{name}(…)`")),
        );
    }
    if sets && functions.iter().filter(own).any(|function| function.name == name) {
        return told(format!("{name}: can be read on {}, not set", article(kind)));
    }
    let near = nearest(name, functions.iter().filter(own).map(|function| function.name.as_str()));
    (format!("{name}: no such property on {}", article(kind)), meant(near))
}

/// A call, found before it runs, to a name that nothing answers to with so many arguments.
pub fn unknown_call(name: &str, arguments: usize, method: bool, text: &str, functions: &[Function]) -> Told {
    let own = super::names::functions(text);
    let mut same: Vec<String> = functions.iter().filter(|f| f.name == name).map(Function::signature).collect();
    let written = own.iter().filter(|(known, _)| known == name);
    same.extend(written.map(|(name, params)| format!("fn {name}({})", vec!["_"; *params].join(", "))));
    if !same.is_empty() {
        return (
            format!("{name}: does not take {}", counted(arguments)),
            Some(format!("it is {}", alternatives(&same))),
        );
    }
    let call = Call { name: name.to_string(), kinds: Vec::new() };
    let (message, help) = call.unknown(text, functions);
    (if method { format!("{name}: no such verb") } else { message }, help)
}

/// A verb, found before it runs, that a value of a known type does not have, or not with so many arguments.
pub fn unknown_verb(name: &str, kind: &str, arguments: usize, text: &str, functions: &[Function]) -> Told {
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
        return Call { name: name.to_string(), kinds: vec![kind.to_string()] }.unknown(text, functions);
    }
    let plain = |function: &&Function| matches!(function.form, Form::Function | Form::Method);
    let near = nearest(name, functions.iter().filter(plain).filter(own).map(|function| function.name.as_str()));
    let help = meant(near).unwrap_or_else(|| format!("it is {}", shown(same)));
    (format!("{name}: no such verb on {}", article(kind)), Some(help))
}

/// A function that an imported file does not have, or not with so many arguments.
pub fn unknown_member(full: &str, arguments: usize, names: &[&str]) -> Told {
    let (module, member) = full.split_once("::").unwrap_or(("", full));
    if names.contains(&member) {
        return told(format!("{full}: does not take {}", counted(arguments)));
    }
    let near = nearest(member, names.iter().copied()).map(|near| format!("{module}::{near}"));
    let help = meant(near.as_deref()).or_else(|| (!names.is_empty()).then(|| format!("it has {}", names.join(", "))));
    (format!("{full}: no such function"), help)
}

/// A call that nothing answers: `sft::run (Model, array)`.
struct Call {
    name: String,
    kinds: Vec<String>,
}

impl Call {
    fn read(text: &str, engine: &Engine) -> Call {
        let (name, kinds) = text.split_once(" (").unwrap_or((text, ")"));
        let kinds = kinds.trim_end_matches(')').replace("&str | ImmutableString | String", "string");
        let kinds = kinds.split(", ").filter(|kind| !kind.is_empty()).map(|kind| type_name(kind, engine)).collect();
        Call { name: name.to_string(), kinds }
    }

    fn explain(&self, text: &str, functions: &[Function]) -> Told {
        let same: Vec<&Function> = functions.iter().filter(|function| function.name == self.name).collect();
        if !self.name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return self.operator();
        }
        if !same.is_empty() {
            return self.misfit(&same);
        }
        self.unknown(text, functions)
    }

    fn operator(&self) -> Told {
        match self.kinds.as_slice() {
            [only] => told(format!("{}: not for {}", self.name, article(only))),
            kinds => told(format!(
                "{}: not for {}",
                self.name,
                kinds.iter().map(|kind| article(kind)).collect::<Vec<_>>().join(" and ")
            )),
        }
    }

    /// The name is right, what it was given is not.
    fn misfit(&self, same: &[&Function]) -> Told {
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
        let help = Some(format!("it is {}", alternatives(&shown)));
        if methods && own.is_empty() && !receiver.is_empty() {
            return (format!("{}: no such verb on {}", self.name, article(receiver)), help);
        }
        let fitting = if own.is_empty() { same } else { &own };
        let given = if methods { self.kinds.get(1..).unwrap_or_default() } else { &self.kinds };
        if !fitting.iter().any(|function| function.params.len() == self.kinds.len()) {
            return (format!("{}: does not take {}", self.name, counted(given.len())), help);
        }
        (format!("{}: does not take ({})", self.name, given.join(", ")), help)
    }

    /// No verb has this name.
    fn unknown(&self, text: &str, functions: &[Function]) -> Told {
        let own = super::names::functions(text);
        if let Some((module, member)) = self.name.split_once("::") {
            let members: Vec<&str> =
                functions.iter().filter_map(|f| f.name.strip_prefix(module)?.strip_prefix("::")).collect();
            let near = nearest(member, members.iter().copied()).map(|near| format!("{module}::{near}"));
            let help = meant(near.as_deref())
                .or_else(|| (!members.is_empty()).then(|| format!("it has {}", members.join(", "))));
            return (format!("{}: no such function", self.name), help);
        }
        if own.iter().any(|(name, _)| *name == self.name) {
            return (
                format!("{}: does not take ({})", self.name, self.kinds.join(", ")),
                Some(format!(
                    "it is a function of this script: call it as `{}(…)`, with its arguments in parentheses",
                    self.name
                )),
            );
        }
        if super::names::declared(text).contains(&self.name) {
            return (
                format!("{}: is a variable, not a function", self.name),
                Some(format!("call a closure with `{}.call(…)`", self.name)),
            );
        }
        if let Some(module) = home(&self.name) {
            return (
                format!("{}: no such verb", self.name),
                Some(format!("did you mean `{module}::{}(…)`?", self.name)),
            );
        }
        let receiver = self.kinds.first().map(String::as_str);
        let takes_it = |function: &&Function| function.params.first().map(|(_, kind)| kind.as_str()) == receiver;
        let plain = |function: &&Function| matches!(function.form, Form::Function | Form::Method);
        let near =
            nearest(&self.name, functions.iter().filter(plain).filter(takes_it).map(|function| function.name.as_str()))
                .or_else(|| {
                    nearest(
                        &self.name,
                        functions
                            .iter()
                            .filter(plain)
                            .map(|function| function.name.as_str())
                            .chain(own.iter().map(|(name, _)| name.as_str())),
                    )
                });
        let message = match receiver {
            Some(kind) => format!("{}: no such verb on {}", self.name, article(kind)),
            None => format!("{}: no such function", self.name),
        };
        let help = near.map(|near| {
            let ours = |function: &&Function| function.name == near && function.noun != "language";
            let all: Vec<&Function> = functions.iter().filter(ours).collect();
            // of several types, the one that it was called on
            let own: Vec<&Function> = all.iter().copied().filter(|function| takes_it(function)).collect();
            let shown = if own.is_empty() { all } else { own };
            let shown: Vec<String> = shown.into_iter().map(Function::signature).collect();
            if shown.is_empty() {
                format!("did you mean `{near}`?")
            } else {
                format!("did you mean {}?", alternatives(&shown))
            }
        });
        (message, help)
    }
}

/// The module of the standard library that has a function of this name, loaded or not.
fn home(name: &str) -> Option<&'static str> {
    let has = |text: &str| super::names::functions(text).iter().any(|(known, _)| known == name);
    stdlib::MODULES.iter().find(|(_, text)| has(text)).map(|(module, _)| *module)
}

/// The first three signatures.
fn alternatives(signatures: &[String]) -> String {
    let shown = signatures.iter().take(3).map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ");
    if signatures.len() > 3 { format!("{shown}, and {} more", signatures.len() - 3) } else { shown }
}

pub fn counted(count: usize) -> String {
    match count {
        0 => "no arguments".to_string(),
        1 => "1 argument".to_string(),
        count => format!("{count} arguments"),
    }
}

/// A type as scripts call it.
pub fn type_name(kind: &str, engine: &Engine) -> String {
    match engine.map_type_name(kind.trim()) {
        "i64" => "int".to_string(),
        "f64" => "float".to_string(),
        "array" => "list".to_string(),
        "Fn" => "closure".to_string(),
        "()" => "nothing".to_string(),
        "&str" | "String" | "ImmutableString" => "string".to_string(),
        other => other.rsplit("::").next().unwrap_or(other).trim_end_matches('>').to_string(),
    }
}

pub fn article(kind: &str) -> String {
    match kind {
        "nothing" | "bool" | "timestamp" => kind.replace("bool", "true or false"),
        kind if kind.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']) => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let second_is_upper = text.chars().nth(1).is_some_and(char::is_uppercase);
    match letters.next() {
        Some(first) if !second_is_upper => first.to_lowercase().chain(letters).collect(),
        _ => text.to_string(),
    }
}
