//! Saves a session as a script that runs and returns the same results.

mod literal;
mod versions;

use super::{Cell, Notebook, scan};
use crate::files;
use crate::script::compile::loosely;
pub use literal::{Left, left};
use rhai::{AST, ASTNode, Expr, Position, Stmt};
use scan::Kind;
use std::path::Path;
use versions::Versions;

/// A replacement in a text: start, end, new text.
type Edit = (usize, usize, String);

/// Operators, whose unused results the check does not report.
const SIGNS: &[&str] = &["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "**", "@"];

impl Notebook {
    /// The inputs that ran, as a script to be saved in `folder`.
    pub fn script(&mut self, folder: &Path) -> String {
        let engine = &mut self.host.engine;
        let trees: Vec<AST> = self.cells.iter().map(|cell| loosely(engine, &cell.text).unwrap_or_default()).collect();
        let versions = Versions::of(&self.cells, &trees);
        let texts = self.cells.iter().zip(&trees).enumerate().map(|(index, (cell, tree))| {
            let asked = cell.valued && is_asked(&self.cells[index + 1..], &trees[index + 1..]);
            let mut text = versions.earlier(index);
            match &cell.left {
                Some(left) => text += &interrupted(cell, &versions.edits(index), left),
                None => text += edited(cell, tree, asked, &versions.edits(index), folder).trim_start(),
            }
            text.trim().to_string()
        });
        let texts: Vec<String> = texts.filter(|text| !text.is_empty() && text != ";").collect();
        format!("// a session at the prompt of levain {}\n\n{}\n", env!("CARGO_PKG_VERSION"), texts.join("\n"))
    }
}

/// Whether a later input uses the value of the input before these, as `it`.
fn is_asked(later: &[Cell], trees: &[AST]) -> bool {
    let until = later.iter().position(|cell| cell.valued).map_or(later.len(), |next| next + 1);
    trees[..until].iter().any(|tree| {
        let mut asks = false;
        tree.walk(&mut |path: &[ASTNode]| {
            if let Some(ASTNode::Expr(Expr::Variable(variable, ..))) = path.last() {
                asks |= variable.2.is_empty() && variable.1 == "it";
            }
            !asks
        });
        asks
    })
}

/// An input as a part of a script: stores its value as `it` if a later input uses it, and makes its import paths relative to
/// `folder`.
fn edited(cell: &Cell, tree: &AST, asked: bool, versions: &[Edit], folder: &Path) -> String {
    let mut edits = versions.to_vec();
    edits.extend(imports(cell, tree, folder));
    let last = tree.statements().iter().rfind(|statement| !statement.is_noop());
    let names_value = last.filter(|_| cell.valued).map(|last| value(&cell.text, last, asked));
    let is_named = names_value.as_ref().is_some_and(|edits| !edits.is_empty());
    edits.extend(names_value.unwrap_or_default());
    ended(&applied(&cell.text, edits), last.is_some_and(|last| !is_named && is_block(last)))
}

/// Applies the replacements to a text.
fn applied(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(start, ..)| *start);
    let (mut out, mut at) = (String::new(), 0);
    for (start, end, new) in edits {
        // a removed function removes the edits inside it
        if start >= at && end <= text.len() {
            out += &text[at..start];
            out += &new;
            at = end;
        }
    }
    out + &text[at..]
}

/// The text with a semicolon after its last statement: before a comment, and not after a block.
fn ended(text: &str, is_block: bool) -> String {
    let parts = scan::parts(text);
    let Some(last) = parts.iter().rfind(|part| !matches!(part.kind, Kind::Space | Kind::Comment)) else {
        return text.to_string();
    };
    let is_function = scan::functions(text).iter().any(|function| function.end == last.end());
    if last.is(";") || is_function || (is_block && last.is("}")) {
        return text.to_string();
    }
    format!("{};{}", &text[..last.end()], &text[last.end()..])
}

/// A statement that needs no semicolon.
fn is_block(statement: &Stmt) -> bool {
    use Stmt::{Block, For, If, Switch, TryCatch, While};
    matches!(statement, If(..) | Switch(..) | While(..) | For(..) | TryCatch(..) | Block(..))
}

/// Edits that store the value of an input: as `it` if it is used, or to avoid a warning about an unused result.
fn value(text: &str, last: &Stmt, asked: bool) -> Vec<Edit> {
    let dropped = match last {
        Stmt::FnCall(call, _) => SIGNS.contains(&call.name.as_str()),
        Stmt::Expr(value) => match value.as_ref() {
            Expr::FnCall(call, _) => SIGNS.contains(&call.name.as_str()),
            chain => matches!(chain, Expr::Dot(..)),
        },
        _ => false,
    };
    let name = match (asked, dropped) {
        (true, _) => "let it = ",
        // unused, and without a warning
        (false, true) => "let _it = ",
        (false, false) => "",
    };
    let Some(start) = start(text, last) else { return Vec::new() };
    match last {
        // a `return` would end the script
        Stmt::Return(..) => vec![(start, start + "return".len(), name.trim_end().to_string())],
        _ if name.is_empty() => Vec::new(),
        Stmt::TryCatch(..) => {
            let parts = scan::parts(text);
            let end = parts.iter().rfind(|part| part.is("}")).map_or(text.len(), scan::Part::end);
            vec![(start, start, format!("{name}{{ ")), (end, end, " }".to_string())]
        }
        _ => vec![(start, start, name.to_string())],
    }
}

/// Start of a statement. An operator's own position is that of its sign, so the leftmost position inside it counts, with the
/// brackets and signs before that.
fn start(text: &str, statement: &Stmt) -> Option<usize> {
    let mut first = Position::NONE;
    statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
        let position = match path.last() {
            Some(ASTNode::Stmt(statement)) => statement.position(),
            Some(ASTNode::Expr(expression)) => expression.start_position(),
            _ => Position::NONE,
        };
        if !position.is_none() && (first.is_none() || position < first) {
            first = position;
        }
        true
    });
    let at = byte_at(text, first)?;
    let parts = scan::parts(text);
    let before = parts.iter().rev().skip_while(|part| part.end() > at);
    let meant = before.filter(|part| !matches!(part.kind, Kind::Space | Kind::Comment));
    let leads = |part: &&scan::Part| ["(", "-", "+", "!"].iter().any(|sign| part.is(sign));
    Some(meant.take_while(leads).last().map_or(at, |part| part.at))
}

/// An input stopped by Ctrl-C: it can't be stopped at the same point again, so the script assigns the values it left.
fn interrupted(cell: &Cell, versions: &[Edit], left: &[Left]) -> String {
    let mut out = String::from("// interrupted:\n");
    for line in cell.text.trim().lines() {
        out += format!("//     {line}").trim_end();
        out.push('\n');
    }
    for function in scan::functions(&cell.text) {
        let inside = |edit: &&Edit| edit.0 >= function.start && edit.1 <= function.end;
        let moved = |(start, end, new): &Edit| (start - function.start, end - function.start, new.clone());
        let text =
            applied(&cell.text[function.start..function.end], versions.iter().filter(inside).map(moved).collect());
        out += &text;
        out.push('\n');
    }
    for variable in left {
        out += &variable.to_string();
        out.push('\n');
    }
    out
}

/// The import paths, relative to `folder`.
fn imports(cell: &Cell, tree: &AST, folder: &Path) -> Vec<Edit> {
    let mut found = Vec::new();
    tree.walk(&mut |path: &[ASTNode]| {
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

/// Byte offset of a position in a text.
fn byte_at(text: &str, position: Position) -> Option<usize> {
    let (line, column) = (position.line()?, position.position()?);
    let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
    let rest = text.get(start..)?;
    Some(start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at))
}
