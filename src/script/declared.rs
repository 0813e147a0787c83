//! The names that a script declares, scanned from its tokens: candidates for "did you mean".

use super::modules;
use super::sources::Names;
use rhai::{AST, ASTNode, Expr, Stmt};
use std::collections::HashMap;
use std::path::PathBuf;

impl Names {
    /// The names of a text, added to these.
    pub fn and(&self, text: &str) -> Names {
        let (mut variables, mut functions) = (variables(text), functions(text));
        variables.extend_from_slice(&self.variables);
        functions.extend_from_slice(&self.functions);
        Names { variables, functions }
    }
}

/// A script's imports, by alias; `None` for a computed path.
pub fn imports(ast: &AST, source: &str) -> HashMap<String, Option<PathBuf>> {
    let mut found = HashMap::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = path.last() {
            let file = match &import.0 {
                Expr::StringConstant(path, _) => Some(modules::place(Some(source), path)),
                _ => None,
            };
            found.insert(import.1.name.to_string(), file);
        }
        true
    });
    found
}

/// Variables, parameters and constants, anywhere in the text.
pub fn variables(text: &str) -> Vec<String> {
    let words = words(text);
    let mut names = Vec::new();
    let mut open: Option<&str> = None;
    for (index, word) in words.iter().enumerate() {
        let next = |ahead: usize| words.get(index + ahead).copied().unwrap_or_default();
        match *word {
            "let" | "const" | "for" | "as" => {
                names.extend(identifiers(&[next(1), next(2), next(3), next(4)], *word == "for"))
            }
            "catch" => names.extend(identifiers(&[next(2)], false)),
            // parameters of functions and closures
            "fn" => open = Some(")"),
            "|" if open.is_none() && !matches!(index.checked_sub(1).map(|before| words[before]), Some(")" | "]")) => {
                open = Some("|")
            }
            word if open == Some(word) => open = None,
            word if open.is_some() && is_identifier(word) => names.push(word.to_string()),
            "{" | ";" => open = None,
            _ => {}
        }
    }
    names.sort();
    names.dedup();
    names
}

/// `let NAME`, `for (NAME, NAME) in`
fn identifiers(words: &[&str], several: bool) -> Vec<String> {
    let until = words.iter().position(|word| *word == "in" || *word == "=").unwrap_or(words.len());
    let mut found = words[..until].iter().filter(|word| is_identifier(word)).map(|word| word.to_string());
    if several { found.collect() } else { found.next().into_iter().collect() }
}

/// Functions that the script defines, with their parameter counts.
pub fn functions(text: &str) -> Vec<(String, usize)> {
    let words = words(text);
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if *word == "fn" && words.get(index + 1).is_some_and(|name| is_identifier(name)) {
            let params =
                words[index + 2..].iter().take_while(|word| **word != ")").filter(|word| is_identifier(word)).count();
            found.push((words[index + 1].to_string(), params));
        }
    }
    found
}

/// Words before a colon: the keys of map literals.
pub fn keys(text: &str) -> Vec<String> {
    let words = words(text);
    let before_colon = words.windows(3).filter(|three| three[1] == ":" && three[2] != ":" && is_identifier(three[0]));
    before_colon.map(|three| three[0].to_string()).collect()
}

fn is_identifier(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Identifiers and signs, without comments and strings.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => string_length(rest),
            c if c.is_alphanumeric() || c == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                words.push(&rest[..length]);
                length
            }
            c => {
                if !c.is_whitespace() {
                    words.push(&rest[..c.len_utf8()]);
                }
                c.len_utf8()
            }
        };
        rest = &rest[length.max(1)..];
    }
    words
}

/// Length of the string literal at the start of the text.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' | '\n' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
