//! Information that the registry does not have: variables, and the source of a function.

use super::super::registry::{self, Form};
use super::super::{own_names, stdlib};
use super::{Notebook, scan};
use std::fmt::Write;

impl Notebook {
    /// A variable or a function of this session: its type, its value, and its verbs.
    pub fn about(&mut self, name: &str) -> Option<String> {
        if let Some(value) = self.state.scope.get(name).map(rhai::Dynamic::flatten_clone) {
            let kind = self.type_of(&value);
            let weight = self.host.looks.weight_of(&value);
            let bytes: u64 = weight.parts.iter().map(|(_, bytes)| bytes).sum();
            let mut page = format!("{name}: {kind}");
            if !weight.shape.is_empty() {
                let _ = write!(page, ", {}", weight.shape);
            }
            if bytes > 0 {
                let _ = write!(page, ", {}", crate::text::bytes(bytes));
            }
            let shown: Vec<String> = self.host.show(&value).split_whitespace().map(str::to_string).collect();
            let _ = write!(page, "\n    {}\n", crate::text::cut(&shown.join(" "), 200));
            let functions = self.functions();
            let mut verbs: Vec<String> = registry::members(functions, Some(&kind))
                .filter(|function| matches!(function.form, Form::Method | Form::Property))
                .map(|function| function.name.clone())
                .collect();
            verbs.dedup();
            if !verbs.is_empty() {
                let _ = writeln!(page, "it has {}", verbs.join(", "));
            }
            return Some(page);
        }
        let function =
            self.state.functions().iter_functions().find(|function| own_names::plain(function.name) == name)?;
        let doc: Vec<&str> = function.comments.iter().map(|line| line.trim_start_matches('/').trim()).collect();
        let doc = if doc.is_empty() { String::new() } else { format!("    {}\n", doc.join("\n    ")) };
        Some(format!("{name}({})\n{doc}", function.params.join(", ")))
    }

    /// The source of a function of the standard library or of this session, with the comments above it.
    pub fn source(&self, name: &str) -> Option<String> {
        if let Some((module, function)) = name.split_once("::") {
            let (_, text) = stdlib::MODULES.iter().find(|(known, _)| *known == module)?;
            return cut_out(text, function);
        }
        self.cells.iter().rev().find_map(|cell| cut_out(&cell.text, name))
    }
}

fn cut_out(text: &str, name: &str) -> Option<String> {
    let named = scan::functions(text).into_iter().filter(|function| function.name == name);
    let texts: Vec<&str> = named.map(|function| &text[function.start..function.end]).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}
