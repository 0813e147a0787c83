//! Text run piece by piece in one scope: what the prompt and the examples do.

use super::Res;
use rhai::{AST, Dynamic, Engine, Scope};

/// What earlier pieces left behind: variables, functions (also those inside closures), and imports.
#[derive(Default)]
pub struct Session {
    pub scope: Scope<'static>,
    functions: AST,
    imports: Vec<String>,
}

impl Session {
    pub fn new() -> Session {
        Session::default()
    }

    /// Compiles one piece without running it.
    pub fn compile(&self, engine: &Engine, text: &str) -> Result<AST, rhai::ParseError> {
        engine.compile_with_scope(&self.scope, self.with_imports(text))
    }

    /// Runs one piece, and gives its value.
    pub fn run(&mut self, engine: &Engine, name: &str, text: &str) -> Res<Dynamic> {
        let mut piece = self.compile(engine, text)?;
        piece.set_source(name);
        // closures of earlier pieces need the functions that their pieces made
        let mut all = self.functions.clone_functions_only();
        all.combine(piece);
        all.set_source(name);
        let result = engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &all);
        all.clear_statements();
        self.functions = all;
        // an older variable of the same name would keep its value, perhaps a large one, alive
        self.scope = self.scope.clone_visible();
        if result.is_ok() {
            self.imports.extend(imports(text));
        }
        result
    }

    /// Imports end with the piece that made them, so each piece begins with those of the earlier ones; on its first
    /// line, so that line numbers stay.
    fn with_imports(&self, text: &str) -> String {
        let mut whole: String = self.imports.iter().map(|import| format!("{import} ")).collect();
        whole.push_str(text);
        whole
    }
}

/// The `import "…" as name;` lines at the top level of a piece.
fn imports(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| line.starts_with("import ") && line.ends_with(';')).map(str::to_string).collect()
}
