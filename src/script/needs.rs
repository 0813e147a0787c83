//! Requirements of a script, from its syntax tree and those of its imports: words in comments and strings do not count.

use super::compile::loosely;
use super::{modules, stdlib};
use crate::files;
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Stmt};
use std::collections::HashSet;
use std::path::PathBuf;

/// Requirements of a script and all its imports.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// The modules of the standard library that it names.
    pub modules: Vec<&'static str>,
    /// It reads the command line.
    pub takes_args: bool,
    /// It sets the number of threads.
    pub sets_threads: bool,
}

impl Needs {
    /// Reads a script and its imports. A computed import path may be any file, so everything is required.
    pub fn of(engine: &mut Engine, name: &str, text: &str) -> Needs {
        let mut needs = Needs::default();
        let mut seen: HashSet<PathBuf> = HashSet::new();
        let mut files = vec![(name.to_string(), text.to_string())];
        while let Some((name, text)) = files.pop() {
            let Some(ast) = loosely(engine, &text) else { continue };
            for path in needs.add(&ast) {
                let Some(path) = path else {
                    let modules = stdlib::MODULES.iter().map(|(module, _)| *module).collect();
                    return Needs { modules, takes_args: true, sets_threads: true };
                };
                let file = modules::place(Some(&name), &path);
                // an unreadable file is reported at its import
                if seen.insert(files::full(&file).unwrap_or(file.clone()))
                    && let Ok(text) = super::read_script(&file)
                {
                    files.push((file.display().to_string(), text));
                }
            }
        }
        needs
    }

    /// Adds the requirements of one tree; returns the paths of its imports, `None` for a computed path.
    fn add(&mut self, ast: &AST) -> Vec<Option<String>> {
        let mut imports = Vec::new();
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                    self.call(call, call.args.len());
                }
                Some(ASTNode::Expr(Expr::MethodCall(call, _))) => self.call(call, call.args.len() + 1),
                Some(ASTNode::Expr(Expr::Variable(variable, ..))) if !variable.2.is_empty() => {
                    self.module(variable.2.root());
                }
                Some(ASTNode::Stmt(Stmt::Import(import, _))) => imports.push(match &import.0 {
                    Expr::StringConstant(path, _) => Some(path.to_string()),
                    _ => None,
                }),
                _ => {}
            }
            true
        });
        imports
    }

    fn call(&mut self, call: &FnCallExpr, count: usize) {
        if !call.namespace.is_empty() {
            return self.module(call.namespace.root());
        }
        // `Fn("threads")` may be called with any arguments
        let pointed = match call.args.first() {
            Some(Expr::StringConstant(name, _)) if call.name == "Fn" => name.as_str(),
            _ => "",
        };
        self.takes_args |= (call.name == "args" && count == 0) || pointed == "args";
        self.sets_threads |= (call.name == "threads" && count > 0) || pointed == "threads";
    }

    fn module(&mut self, name: &str) {
        if let Some((module, _)) = stdlib::MODULES.iter().find(|(module, _)| *module == name)
            && !self.modules.contains(module)
        {
            self.modules.push(module);
        }
    }
}

/// The modules of the standard library that a tree names.
pub fn modules_of(ast: &AST) -> Vec<&'static str> {
    let mut needs = Needs::default();
    needs.add(ast);
    needs.modules
}
