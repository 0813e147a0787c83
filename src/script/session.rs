//! Runs text input by input in one scope: for the prompt and the examples.

use super::origins::Origins;
use super::sources::Names;
use super::{Res, compile, own_names};
use rhai::{AST, Dynamic, Engine, Expr, Scope, Stmt};

/// The state that earlier inputs left: variables, functions (also those inside closures), and imports.
#[derive(Clone, Default)]
pub struct Session {
    pub scope: Scope<'static>,
    functions: AST,
    /// The input that each function is from.
    origins: Origins,
    /// Path and name of each import at the top level.
    imports: Vec<(String, String)>,
}

impl Session {
    pub fn new() -> Session {
        Session::default()
    }

    /// Compiles one input without running it.
    pub fn compile(&self, engine: &Engine, text: &str) -> Result<AST, rhai::ParseError> {
        compile::compile(engine, &self.scope, &self.with_imports(text), &self.functions)
    }

    /// Runs one input, and returns its value.
    pub fn run(&mut self, engine: &Engine, name: &str, text: &str) -> Res<Dynamic> {
        let mut piece = self.compile(engine, text)?;
        piece.set_source(name);
        let imports = imports(&piece);
        self.origins.add(&piece, name, text);
        // closures of earlier inputs need the functions of their inputs
        let mut all = self.functions.clone_functions_only();
        all.combine(piece);
        all.set_source(name);
        let mut result = engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &all);
        if let Err(error) = &mut result {
            // the engine attributes all functions to the newest input
            self.origins.correct(error, name, text);
        }
        all.clear_statements();
        self.functions = all;
        self.forget_shadowed();
        if result.is_ok() {
            // includes the imports of earlier inputs
            self.imports = imports;
        }
        result
    }

    /// The functions so far.
    pub fn functions(&self) -> &AST {
        &self.functions
    }

    /// The names available to later inputs.
    pub fn names(&self) -> Names {
        let functions = self.functions.iter_functions().filter(|function| !function.name.contains('$'));
        Names {
            variables: self.scope.iter_raw().map(|(name, ..)| name.to_string()).collect(),
            functions: functions.map(|f| (own_names::plain(f.name).to_string(), f.params.len())).collect(),
        }
    }

    /// Takes the imports out: later inputs find them elsewhere.
    pub fn take_imports(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.imports)
    }

    /// Sets a variable; creates it if missing.
    pub fn set(&mut self, name: &str, value: Dynamic) {
        match self.scope.get_mut(name) {
            Some(known) => *known = value,
            None => drop(self.scope.push_dynamic(name, value)),
        }
        self.forget_shadowed();
    }

    /// Removes a variable.
    pub fn forget(&mut self, name: &str) -> bool {
        let known = self.scope.contains(name);
        let kept = self.scope.iter_raw().filter(|(other, ..)| *other != name);
        let mut scope = Scope::new();
        for (other, constant, value) in kept {
            match constant {
                true => scope.push_constant_dynamic(other, value.clone()),
                false => scope.push_dynamic(other, value.clone()),
            };
        }
        self.scope = scope;
        known
    }

    /// An older variable of the same name would keep its value, perhaps a large one, alive.
    fn forget_shadowed(&mut self) {
        let mut names: Vec<&str> = self.scope.iter_raw().map(|(name, ..)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        if names.len() < count {
            self.scope = self.scope.clone_visible();
        }
    }

    /// Prepends the earlier imports, since imports end with their input; on the first line, so that line numbers stay.
    fn with_imports(&self, text: &str) -> String {
        let mut whole: String =
            self.imports.iter().map(|(path, name)| format!("import {path:?} as {name}; ")).collect();
        whole.push_str(text);
        whole
    }
}

/// The `import "…" as name;` statements at the top level of an input.
fn imports(piece: &AST) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for statement in piece.statements() {
        if let Stmt::Import(import, _) = statement
            && let (Expr::StringConstant(path, _), name) = (&import.0, &import.1)
        {
            found.retain(|(_, known)| *known != name.name.as_str());
            found.push((path.to_string(), name.name.to_string()));
        }
    }
    found
}
