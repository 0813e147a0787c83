//! The standard library: written in Rhai, embedded in the binary, always there as `NAME::function`.

use super::Fault;
use super::sources::Sources;
use rhai::{AST, Engine, Module, Scope};

/// Embeds `stdlib/NAME.rhai`.
macro_rules! embedded {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../stdlib/", $name, ".rhai")))),*]
    };
}

/// Every module of the standard library: its name, and its text.
pub const MODULES: &[(&str, &str)] = embedded! {
    "bench" "check" "plot" "schedule" "vocab"
};

/// The name that positions in a module refer to.
pub fn source_name(module: &str) -> String {
    format!("stdlib/{module}.rhai")
}

pub fn is_source_name(source: &str) -> bool {
    source.strip_prefix("stdlib/").and_then(|file| file.strip_suffix(".rhai")).is_some_and(is_module)
}

pub fn is_module(name: &str) -> bool {
    MODULES.iter().any(|(module, _)| *module == name)
}

/// Makes all module names known, so that modules may refer to one another in any order.
pub fn announce(engine: &mut Engine) {
    for (name, _) in MODULES {
        engine.register_static_module(name, Module::new().into());
    }
}

/// Compiles the modules called `names`; gives the faults of those that are broken, which stay empty.
pub fn load(engine: &mut Engine, sources: &Sources, names: &[&str]) -> Vec<(String, Fault)> {
    let mut broken = Vec::new();
    for (name, text) in MODULES.iter().filter(|(name, _)| names.contains(name)) {
        match compile(engine, sources, name, text) {
            Ok(module) => {
                engine.register_static_module(name, module.into());
            }
            Err(fault) => broken.push((name.to_string(), *fault)),
        }
    }
    broken
}

fn compile(engine: &Engine, sources: &Sources, name: &str, text: &str) -> Result<Module, Box<Fault>> {
    let source = source_name(name);
    sources.add(&source, text);
    let fault = |error: Box<rhai::EvalAltResult>| Box::new(Fault::new(&error, &source, sources, engine));
    let mut ast: AST = engine.compile(text).map_err(|error| fault(error.into()))?;
    ast.set_source(source.as_str());
    Module::eval_ast_as_new(Scope::new(), &ast, engine).map_err(fault)
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
