//! Loads the standard library: each module with its dependencies, on first use.

use super::sources::Sources;
use super::tables::Uses;
use super::{Fault, compile, explain, hygiene, needs, stdlib};
use rhai::{AST, Engine, Module};

/// Makes all module names known, so that modules may refer to one another in any order.
pub fn announce(engine: &mut Engine) {
    for (name, _) in stdlib::MODULES {
        engine.register_static_module(name, Module::new().into());
    }
}

/// Results of loading modules.
#[derive(Default)]
pub struct Read {
    /// Broken modules, with their faults; they stay empty.
    pub broken: Vec<(&'static str, Fault)>,
    pub scripts: Vec<Script>,
}

/// A parsed module: its tree as written.
pub struct Script {
    pub name: &'static str,
    pub ast: AST,
    pub uses: Uses,
}

/// Reads the modules `names` and their dependencies, except the `known` ones.
pub fn read(engine: &mut Engine, sources: &Sources, names: &[&'static str], known: &[&str]) -> Read {
    let mut read = Read::default();
    let mut names = names.to_vec();
    let mut next = 0;
    while let Some(name) = names.get(next).copied() {
        next += 1;
        if known.contains(&name) || names[..next - 1].contains(&name) {
            continue;
        }
        let source = stdlib::source_name(name);
        sources.add(&source, stdlib::text(name));
        match compile::as_written(engine, stdlib::text(name)) {
            Ok(written) => {
                names.extend(needs::modules_of(&written));
                read.scripts.push(Script { name, uses: Uses::of(&written), ast: written });
            }
            Err(error) => read.broken.push((name, explain::fault(&error.into(), &source, sources, engine))),
        }
    }
    read
}

/// Compiles and runs a parsed module; `optional` are its functions whose last parameter may be left out.
pub fn module(
    engine: &Engine,
    sources: &Sources,
    name: &str,
    written: &AST,
    optional: &[(String, Vec<String>)],
) -> Result<Module, Box<Fault>> {
    let source = stdlib::source_name(name);
    hygiene::module(engine, stdlib::text(name), written, &source, name, optional)
        .map_err(|error| Box::new(explain::fault(&error, &source, sources, engine)))
}
