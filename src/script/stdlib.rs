//! The standard library: written in Rhai, embedded in the binary, always there as `NAME::function`.

use super::doc::Doc;
use super::sources::Sources;
use super::{Fault, Kind, hygiene};
use rhai::{AST, ASTNode, Engine, Expr, Module, Stmt};

/// Embeds `stdlib/NAME.rhai`, followed by its parts `stdlib/NAME/PART.rhai` where some are named; and modules that are
/// inner parts of another, `stdlib/MODULE/NAME.rhai`.
macro_rules! embedded {
    ($($name:literal $([$($part:literal)*])?)*; $($of:literal / $inner:literal)*) => {
        &[
            $(($name, concat!(
                include_str!(concat!("../../stdlib/", $name, ".rhai"))
                $($(, "\n", include_str!(concat!("../../stdlib/", $name, "/", $part, ".rhai")))*)?
            )),)*
            $(($inner, include_str!(concat!("../../stdlib/", $of, "/", $inner, ".rhai"))),)*
        ]
    };
}

/// Every module of the standard library: its name, and its text.
pub const MODULES: &[(&str, &str)] = embedded! {
    "bench" "check" "lora" "measure" "plot" "pretrain" "schedule" "sft" "stages" "train" "verdict"
    "vocab" ["terms" "embeddings" "distill"];
    "verdict" / "judge" "verdict" / "report" "verdict" / "trial"
};

/// The name that positions in a module refer to.
pub fn source_name(module: &str) -> String {
    match module {
        "judge" | "report" | "trial" => format!("stdlib/verdict/{module}.rhai"),
        _ => format!("stdlib/{module}.rhai"),
    }
}

pub fn is_source_name(source: &str) -> bool {
    source.starts_with("stdlib/") && MODULES.iter().any(|(module, _)| source_name(module) == source)
}

pub fn is_module(name: &str) -> bool {
    MODULES.iter().any(|(module, _)| *module == name)
}

/// Whether a module is a part of others, which help leaves out.
pub fn is_inner(name: &str) -> bool {
    MODULES.iter().any(|(module, text)| *module == name && Doc::of_module(text).is_inner)
}

/// Makes all module names known, so that modules may refer to one another in any order.
pub fn announce(engine: &mut Engine) {
    for (name, _) in MODULES {
        engine.register_static_module(name, Module::new().into());
    }
}

/// What became of the modules that were asked for.
#[derive(Default)]
pub struct Loaded {
    /// Those that are broken, with their fault; they stay empty.
    pub broken: Vec<(String, Fault)>,
    pub scripts: Vec<(&'static str, AST)>,
}

/// Compiles the modules called `names`.
pub fn load(engine: &mut Engine, sources: &Sources, names: &[&str]) -> Loaded {
    let mut loaded = Loaded::default();
    for (name, text) in MODULES.iter().filter(|(name, _)| names.contains(name)) {
        match compile(engine, sources, name, text) {
            Ok((module, ast)) => {
                engine.register_static_module(name, module.into());
                loaded.scripts.push((name, ast));
            }
            Err(fault) => loaded.broken.push((name.to_string(), *fault)),
        }
    }
    loaded
}

fn compile(engine: &Engine, sources: &Sources, name: &str, text: &str) -> Result<(Module, AST), Box<Fault>> {
    let source = source_name(name);
    sources.add(&source, text);
    let fault = |error: Box<rhai::EvalAltResult>| Box::new(Fault::new(&error, &source, sources, engine));
    hygiene::module(engine, text, &source, name).map_err(fault)
}

/// The options that a function takes in its parameter at `place`: those of the defaults that it lays them over, where
/// these are written out as `options(#{ … }, parameter)`; of the kind that the default has.
pub fn option_keys(ast: &AST, function: &str, count: usize, place: usize) -> Option<Vec<(String, Kind)>> {
    let taker = ast.iter_fn_def().find(|f| f.name == function && f.params.len() == count)?;
    let parameter = taker.params.get(place)?;
    let place = |position: rhai::Position| (position.line(), position.position());
    let body = place(taker.body.start_position())..=place(taker.body.end_position());
    let mut keys = None;
    ast.walk(&mut |path: &[ASTNode]| {
        let (call, position) = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, position))) => (call, position),
            Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => (call, position),
            _ => return true,
        };
        let [.., defaults, Expr::Variable(given, ..)] = call.args.as_slice() else { return true };
        if call.name == "options" && given.1 == *parameter && body.contains(&place(*position)) {
            keys = match defaults {
                Expr::Map(map, _) => {
                    Some(map.0.iter().map(|(key, value)| (key.name.to_string(), written(value))).collect())
                }
                Expr::DynamicConstant(map, _) => map
                    .read_lock::<rhai::Map>()
                    .map(|map| map.iter().map(|(key, value)| (key.to_string(), kind(value))).collect()),
                _ => None,
            };
        }
        true
    });
    keys
}

/// The kind of a default that is written out.
fn written(default: &Expr) -> Kind {
    match default {
        Expr::Array(..) => Kind::List,
        Expr::Map(..) => Kind::Map,
        other => other.get_literal_value(None).map_or(Kind::Any, |value| kind(&value)),
    }
}

fn kind(default: &rhai::Dynamic) -> Kind {
    match default {
        value if value.is_int() => Kind::Int,
        value if value.is_float() => Kind::Float,
        value if value.is_bool() => Kind::Bool,
        value if value.is_string() => Kind::Text,
        value if value.is_array() => Kind::List,
        value if value.is_map() => Kind::Map,
        value if value.is::<rhai::FnPtr>() => Kind::Closure,
        _ => Kind::Any,
    }
}

/// The modules that a script needs: those it names before `::`, and those that these name in turn.
pub fn needed(script: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    let mut texts = vec![script];
    while let Some(text) = texts.pop() {
        for (name, body) in MODULES {
            if !names.contains(name) && mentions(text, name) {
                names.push(name);
                texts.push(body);
            }
        }
    }
    names
}

/// Whether `name::` stands in the text, as a whole word.
fn mentions(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        !text[..at].ends_with(word) && text[at + name.len()..].trim_start().starts_with("::")
    })
}
