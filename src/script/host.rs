//! The engine factory: one way to make an engine, for the command line, the prompt and the tests.

use super::Opt;
use rhai::{Engine, Module};

/// What is being put together: the engine, and what the registry knows beside the engine's own metadata.
pub struct Host {
    pub engine: Engine,
    options: Vec<(&'static str, &'static [Opt])>,
}

impl Host {
    pub fn new() -> Host {
        let mut host = Host { engine: Engine::new(), options: Vec::new() };
        crate::tensor::api::register(&mut host);
        crate::token::api::register(&mut host);
        crate::data::api::register(&mut host);
        crate::model::api::register(&mut host);
        crate::train::api::register(&mut host);
        crate::measure::api::register(&mut host);
        crate::plot::api::register(&mut host);
        host
    }

    /// Shows a noun's functions to scripts.
    pub fn module(&mut self, module: Module) {
        self.engine.register_global_module(module.into());
    }

    /// Tells which options a verb takes.
    pub fn options(&mut self, verb: &'static str, table: &'static [Opt]) {
        self.options.push((verb, table));
    }
}

impl Default for Host {
    fn default() -> Self {
        Host::new()
    }
}
