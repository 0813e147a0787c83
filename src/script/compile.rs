//! Syntax trees of scripts: as they are written, for those who read them.

use rhai::{AST, Engine, OptimizationLevel};

/// The tree of a text with nothing folded: option tables are read off it.
pub fn as_written(engine: &mut Engine, text: &str) -> Result<AST, rhai::ParseError> {
    let level = engine.optimization_level();
    engine.set_optimization_level(OptimizationLevel::None);
    let written = engine.compile(text);
    engine.set_optimization_level(level);
    written
}

/// A text's tree as it is written, where it has one: nothing folded, and variables may be missing.
pub fn loosely(engine: &mut Engine, text: &str) -> Option<AST> {
    engine.set_strict_variables(false);
    let ast = as_written(engine, text);
    engine.set_strict_variables(true);
    ast.ok()
}
