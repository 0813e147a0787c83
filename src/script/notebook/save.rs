//! A session as a script that runs.

use super::{Cell, Notebook, scan};
use crate::files;
use rhai::{ASTNode, Expr, Stmt};
use std::path::Path;

impl Notebook {
    /// The inputs that ran, as a script that is to stand in `folder`.
    pub fn script(&self, folder: &Path) -> String {
        let texts = self.cells.iter().enumerate().map(|(index, cell)| {
            let later = &self.cells[index + 1..];
            let mut text = self.edited(cell, later, folder).trim().to_string();
            if !text.ends_with(';') {
                text.push(';');
            }
            text
        });
        let texts: Vec<String> = texts.filter(|text| text != ";").collect();
        format!("// a session at the prompt of levain {}\n\n{}\n", env!("CARGO_PKG_VERSION"), texts.join("\n"))
    }

    /// An input as a part of a script: without functions that later ones define anew, with its value as `it` where the
    /// next ones ask for it, and with imports that are found from `folder`.
    fn edited(&self, cell: &Cell, later: &[Cell], folder: &Path) -> String {
        let mut edits: Vec<(usize, usize, String)> = Vec::new();
        let newer =
            later.iter().flat_map(|cell| scan::functions(&cell.text)).map(|f| (f.name, f.params)).collect::<Vec<_>>();
        for function in scan::functions(&cell.text) {
            if newer.contains(&(function.name, function.params)) {
                edits.push((function.start, function.end, String::new()));
            }
        }
        let asks = |cell: &Cell| scan::parts(&cell.text).iter().any(|part| part.text == "it");
        let until = later.iter().position(|cell| cell.valued).map_or(later.len(), |next| next + 1);
        if cell.valued && later[..until].iter().any(asks) {
            edits.extend(self.value_start(&cell.text).map(|at| (at, at, "let it = ".to_string())));
        }
        edits.extend(self.imports(cell, folder));
        edits.sort_by_key(|(start, ..)| *start);
        let mut text = String::new();
        let mut at = 0;
        for (start, end, new) in edits.into_iter().filter(|(start, ..)| *start <= cell.text.len()) {
            if start >= at {
                text += &cell.text[at..start];
                text += &new;
                at = end;
            }
        }
        text + &cell.text[at..]
    }

    /// Where the expression begins that is the value of an input.
    fn value_start(&self, text: &str) -> Option<usize> {
        let ast = self.state.compile(&self.host.engine, text).ok()?;
        let last = ast.statements().iter().rfind(|statement| !statement.is_noop())?;
        let value =
            matches!(last, Stmt::Expr(_) | Stmt::FnCall(..) | Stmt::If(..) | Stmt::Switch(..) | Stmt::Block(..));
        value.then(|| byte_at(text, last.position())).flatten()
    }

    /// The paths of imports, as they are found from `folder`.
    fn imports(&self, cell: &Cell, folder: &Path) -> Vec<(usize, usize, String)> {
        let mut found = Vec::new();
        let Ok(ast) = self.state.compile(&self.host.engine, &cell.text) else { return found };
        ast.walk(&mut |path: &[ASTNode]| {
            if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = path.last()
                && let Expr::StringConstant(named, position) = &import.0
                && let Some(start) = byte_at(&cell.text, *position)
                && let Some(literal) = scan::parts(&cell.text).iter().find(|part| part.at == start)
            {
                let file = super::Notebook::file_of(&cell.name, named);
                let full = files::full(&file).unwrap_or(file);
                let here = files::full(folder).unwrap_or_default();
                let path = full.strip_prefix(&here).unwrap_or(&full).with_extension("");
                found.push((start, literal.end(), format!("{:?}", path.display().to_string())));
            }
            true
        });
        found
    }
}

/// The byte at a position in a text.
fn byte_at(text: &str, position: rhai::Position) -> Option<usize> {
    let (line, column) = (position.line()?, position.position()?);
    let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
    let rest = text.get(start..)?;
    Some(start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at))
}
