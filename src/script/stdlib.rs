//! The standard library: written in Rhai, embedded in the binary, always there as `NAME::function`.

use super::doc::Doc;
use super::sources::Sources;
use super::tables::Uses;
use super::{Fault, hygiene, needs};
use rhai::{AST, Engine, Module, OptimizationLevel};

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
    "assert" "bench" "lora" "measure" "plot" "pretrain" "runs" "schedule" "sft" "stages" "train" "verdict"
    "vocab" ["terms" "embeddings" "distill"];
    "verdict" / "judge" "verdict" / "report" "verdict" / "trial" "train" / "encoded"
};

/// The name that positions in a module refer to.
pub fn source_name(module: &str) -> String {
    match module {
        "judge" | "report" | "trial" => format!("stdlib/verdict/{module}.rhai"),
        "encoded" => format!("stdlib/train/{module}.rhai"),
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
pub struct Read {
    /// Those that are broken, with their fault; they stay empty.
    pub broken: Vec<(&'static str, Fault)>,
    pub scripts: Vec<Script>,
}

/// A module that is read: its tree as it is written.
pub struct Script {
    pub name: &'static str,
    pub ast: AST,
    pub uses: Uses,
}

/// Reads the modules called `names`, and those that these name in turn, but for the `known`.
pub fn read(engine: &mut Engine, sources: &Sources, names: &[&'static str], known: &[&str]) -> Read {
    let mut read = Read::default();
    let mut names = names.to_vec();
    let mut next = 0;
    while let Some(name) = names.get(next).copied() {
        next += 1;
        if known.contains(&name) || names[..next - 1].contains(&name) {
            continue;
        }
        let source = source_name(name);
        sources.add(&source, text(name));
        match as_written(engine, text(name)) {
            Ok(written) => {
                names.extend(needs::modules_of(&written));
                read.scripts.push(Script { name, uses: Uses::of(&written), ast: written });
            }
            Err(error) => read.broken.push((name, Fault::new(&error.into(), &source, sources, engine))),
        }
    }
    read
}

/// Compiles and runs a module that was read; `optional` are its functions whose last parameter may be left out.
pub fn module(
    engine: &Engine,
    sources: &Sources,
    name: &str,
    written: &AST,
    optional: &[(String, Vec<String>)],
) -> Result<Module, Box<Fault>> {
    let source = source_name(name);
    hygiene::module(engine, text(name), written, &source, name, optional)
        .map_err(|error| Box::new(Fault::new(&error, &source, sources, engine)))
}

/// The text of a module.
pub fn text(module: &str) -> &'static str {
    MODULES.iter().find(|(name, _)| *name == module).map_or("", |(_, text)| text)
}

/// The tree of a text with nothing folded: option tables are read off it.
pub fn as_written(engine: &mut Engine, text: &str) -> Result<AST, rhai::ParseError> {
    let level = engine.optimization_level();
    engine.set_optimization_level(OptimizationLevel::None);
    let written = engine.compile(text);
    engine.set_optimization_level(level);
    written
}
