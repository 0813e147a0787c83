//! Explains the language's own errors in plain words, with suggestions.

mod call;
mod closure;
mod fault;
mod habits;
mod spot;
mod syntax;
mod words;

pub use call::{unknown_call, unknown_member, unknown_property, unknown_verb};
pub use fault::fault;
pub use spot::Spot;
pub use syntax::is_grammar;
pub use words::any as foreign_word;

use super::fault::is_of_host;
use super::language::{ASSIGNED, missing_key};
use super::lookup::Catalog;
use super::registry::{Function, known as functions_of};
use super::sources::Names;
use super::stdlib;
use crate::{Error, nearest};
use call::Call;
use rhai::{Dynamic, Engine, EvalAltResult, Map};

/// The text of an error: `verb: what is wrong`, and the help.
pub type Message = (String, Option<String>);

/// The message (`verb: what is wrong`) and the help of an error; `text` is its script, and `before` the names known before it
/// ran.
pub fn explain(error: &EvalAltResult, text: &str, before: &Names, engine: &Engine) -> Message {
    let (message, help) = meaning(error, text, before, engine);
    // levain adds this mark to assigned properties
    (message.replace(ASSIGNED, ""), help.map(|help| help.replace(ASSIGNED, "")))
}

fn meaning(error: &EvalAltResult, text: &str, before: &Names, engine: &Engine) -> Message {
    use EvalAltResult as E;
    match error {
        E::ErrorRuntime(value, _) => thrown(value),
        // a map names the reason; an interruption has no further message
        E::ErrorTerminated(value, _) => match thrown(value) {
            (message, help) if message.starts_with("limit: ") || is_of_host(error) => (message, help),
            _ => ("interrupted".to_string(), None),
        },
        E::ErrorDataTooLarge(what, _) => too_large(what, engine),
        E::ErrorParsing(error, position) => syntax::parse(error, *position, text, before, engine),
        E::ErrorFunctionNotFound(call, position) => {
            let call = Call::read(call, engine, text);
            match closure::is_name(call.name()) {
                true => closure::miscalled(call.name(), call.count(), text, *position, engine),
                false => call.explain(&before.and(text), &functions_of(engine)),
            }
        }
        E::ErrorModuleNotFound(name, _) => module(name),
        E::ErrorVariableNotFound(name, _) => variable(name, text, before),
        E::ErrorPropertyNotFound(name, _) => bare(format!("{name}: the map has no such key")),
        E::ErrorDotExpr(what, _) => call::property(what, engine),
        E::ErrorIndexingType(what, _) => {
            if let Some(error) = missing_key(what) {
                return (error.to_string(), error.advice().map(str::to_string));
            }
            let kind = type_name(what.split(" [").next().unwrap_or(what), engine);
            bare(format!("[]: {} cannot be indexed so", article(&kind)))
        }
        E::ErrorArrayBounds(length, index, _) => bare(format!("[]: index {index} of a list of {length}")),
        E::ErrorStringBounds(length, index, _) => bare(format!("[]: index {index} of a string of {length}")),
        E::ErrorIndexNotFound(index, _) => bare(format!("[]: there is no `{index}`")),
        E::ErrorMismatchDataType(wanted, given, _) | E::ErrorMismatchOutputType(wanted, given, _) => {
            let (wanted, given) = (type_name(wanted, engine), type_name(given, engine));
            let help = (given == "range").then(|| "a part of a list is `xs.extract(1..3)`".to_string());
            (format!("{} is needed here, not {}", article(&wanted), article(&given)), help)
        }
        E::ErrorFor(_) => (
            "for: this can't be looped over".to_string(),
            Some("a loop goes over a list, `0..n`, `m.keys()` of a map, `text.chars()`, `rows.batches()`".to_string()),
        ),
        E::ErrorArithmetic(what, _) => bare(lower_first(what)),
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
        E::ErrorUnboundThis(_) => bare("this: there is nothing that `this` stands for here".to_string()),
        E::ErrorDataRace(..) => race(),
        other => {
            let text = other.to_string();
            bare(lower_first(text.split(" (line ").next().unwrap_or(&text)))
        }
    }
}

/// The error for a closure that captured its verb's receiver.
pub fn race() -> Message {
    (
        "a value is used while it is being changed".to_string(),
        Some("a closure captured the very value that its method was called on: take a copy first".to_string()),
    )
}

/// The error for a value beyond the limits of a run.
fn too_large(what: &str, engine: &Engine) -> Message {
    let limits = [("string", engine.max_string_size()), ("map", engine.max_map_size())];
    let (kind, most) =
        limits.into_iter().find(|(kind, _)| what.contains(kind)).unwrap_or(("list", engine.max_array_size()));
    let unit = if kind == "string" { "bytes" } else { "values" };
    bare(format!("limit: a {kind} of more than {} {unit}", crate::text::thousands(most)))
}

/// A message without help.
fn bare(message: String) -> Message {
    (message, None)
}

fn meant(near: Option<&str>) -> Option<String> {
    near.map(|near| format!("did you mean `{near}`?"))
}

/// The message of a value thrown by a script or a verb: levain's own errors are maps, a script may throw anything.
fn thrown(value: &Dynamic) -> Message {
    let Some(fields) = value.read_lock::<Map>() else { return (value.to_string(), None) };
    let field = |name: &str| fields.get(name).filter(|value| !value.is_unit()).map(|value| value.to_string());
    match (field("who"), field("what")) {
        (Some(who), Some(what)) => (format!("{who}: {what}"), field("help")),
        (None, Some(what)) => (what, field("help")),
        _ => (field("message").unwrap_or_else(|| value.to_string()), field("help")),
    }
}

/// Whether a thrown value is an error of a verb, or a map of the same form made by a script.
fn is_error(value: &Dynamic) -> bool {
    value.read_lock::<Map>().is_some_and(|fields| fields.contains_key("who") && fields.contains_key("what"))
}

fn module(name: &str) -> Message {
    let help = words::name(name).map(str::to_string).or_else(|| known(name, None)).unwrap_or_else(|| {
        let shown = stdlib::MODULES.iter().map(|(name, _)| *name).filter(|name| !stdlib::is_inner(name));
        meant(nearest(name, shown)).unwrap_or_else(|| format!("import it first: `import \"{name}\" as {name};`"))
    });
    (format!("{name}: no such module"), Some(help))
}

fn variable(name: &str, text: &str, before: &Names) -> Message {
    let names = before.and(text).variables;
    if names.iter().any(|known| known == name) {
        return (
            format!("{name}: no such variable here"),
            Some("a function sees only its arguments: pass it in, or make a closure".to_string()),
        );
    }
    let help = foreign(name, text)
        .or_else(|| meant(nearest(name, names.iter().map(String::as_str))))
        .or_else(|| known(name, None));
    (format!("{name}: no such variable"), help)
}

/// Whether a message is about a name of other languages and libraries.
pub fn is_foreign(message: &str) -> bool {
    let Some(name) = message.strip_suffix(": no such variable") else { return false };
    words::name(name).is_some() || known(name, None).is_some()
}

/// The replacement for a name of another library, with its members in the script: `torch.no_grad()`.
fn foreign(name: &str, text: &str) -> Option<String> {
    let chains = text.match_indices(name).filter_map(|(at, _)| {
        let rest = &text[at + name.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
        rest[..end].strip_prefix('.').filter(|chain| !chain.is_empty())
    });
    let chain = chains.into_iter().next().unwrap_or_default();
    let last = chain.rsplit('.').next().unwrap_or_default();
    let is_library = words::library(name).is_some();
    let own = || {
        let has_tensors = name == "random" || words::library(name).is_some_and(|help| help.contains("help tensor"));
        let same = |function: &&Function| function.noun == "tensor" && function.name == last && has_tensors;
        Catalog::whole().functions.iter().find(same).map(|function| format!("here it is `{}`", function.signature()))
    };
    known(&format!("{name}.{chain}"), None)
        .or_else(|| if is_library { own().or_else(|| known(last, None)) } else { None })
        .or_else(|| words::name(name).map(str::to_string))
        .or_else(|| known(name, None))
}

/// The verbs of a type that other libraries call `word`.
fn of_type(word: &str, kind: &str) -> Option<String> {
    let fits = |function: &&Function| function.params.first().is_some_and(|(_, of)| of.eq_ignore_ascii_case(kind));
    here(Catalog::whole().verbs(word).into_iter().filter(fits).collect())
}

fn here(verbs: Vec<&Function>) -> Option<String> {
    let signatures: Vec<String> = verbs.into_iter().map(Function::signature).collect();
    (!signatures.is_empty()).then(|| format!("here it is {}", alternatives(&signatures)))
}

/// Everything that other libraries call `word`: verbs, those of the type first, modules, options.
fn known(word: &str, kind: Option<&str>) -> Option<String> {
    let catalog = Catalog::whole();
    let verbs = kind.and_then(|kind| of_type(word, kind)).or_else(|| here(catalog.verbs(word)));
    if verbs.is_some() {
        return verbs;
    }
    if let Some(module) = catalog.modules(word).first() {
        return Some(format!("here it is the module `{module}::`; see `levain help {module}`"));
    }
    let option = catalog.options(word).into_iter().next()?;
    let verbs: Vec<String> = option.verbs.iter().take(3).map(|verb| format!("`{verb}`")).collect();
    Some(format!("here it is the option `{}` of {}", option.name, verbs.join(", ")))
}

/// The error for an option that a verb does not take.
pub fn unknown_option(who: &str, key: &str, takes: &[&str]) -> Error {
    let error = Error::new(who, format!("there is no option `{key}`"));
    match super::lookup::option_of(key, takes.iter().copied()) {
        Some(own) => error.help(format!("here it is `{own}`")),
        None => error.choose(key, takes.iter().copied()),
    }
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

/// The script name of a type.
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

/// A number from a script: an int or a float.
pub fn as_number(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|whole| whole as f64))
}

/// The type of a value, for a message: `a list`, `a whole number`, `a Dataset`; never a Rust path.
pub fn type_in_words(value: &Dynamic) -> String {
    let words = match value.type_name() {
        "()" => "nothing",
        "bool" => "true or false",
        "i64" => "a whole number",
        "f64" => "a number",
        "char" => "a character",
        "string" | "&str" | "alloc::string::String" => "a string",
        "array" => "a list",
        "map" => "a map",
        "Fn" => "a closure",
        other => return article(other.rsplit("::").next().unwrap_or(other).trim_end_matches('>')),
    };
    words.to_string()
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
