//! The variables with their types and sizes.

use super::Notebook;
use crate::text;
use rhai::Dynamic;
use std::collections::{HashMap, HashSet};

/// Minimum size in bytes for reporting other holders.
const LARGE: u64 = 1 << 20;

/// A variable as shown by `who`.
pub struct Variable {
    pub name: String,
    pub kind: String,
    pub shape: String,
    pub bytes: u64,
}

impl Notebook {
    /// The variables sorted by name, and their total size in bytes; shared memory counts once.
    pub fn variables(&self) -> (Vec<Variable>, u64) {
        let mut memory: HashMap<usize, u64> = HashMap::new();
        let mut found: Vec<Variable> = Vec::new();
        for (name, _, value) in self.state.scope.iter_raw() {
            let weight = self.host.looks.weight_of(value);
            let mut own: HashMap<usize, u64> = HashMap::new();
            for (place, bytes) in weight.parts {
                let known = own.entry(place).or_default();
                *known = bytes.max(*known);
            }
            for (place, bytes) in &own {
                let known = memory.entry(*place).or_default();
                *known = (*bytes).max(*known);
            }
            let kind = self.type_of(value);
            found.push(Variable { name: name.to_string(), kind, shape: weight.shape, bytes: own.values().sum() });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        (found, memory.values().sum())
    }

    /// Other variables that share large blocks with this one.
    pub fn holders(&self, name: &str) -> Vec<String> {
        let large = |value: &Dynamic| -> HashSet<usize> {
            let parts = self.host.looks.weight_of(value).parts;
            parts.into_iter().filter(|(_, bytes)| *bytes >= LARGE).map(|(place, _)| place).collect()
        };
        let Some(own) = self.state.scope.get(name).map(large) else { return Vec::new() };
        let others = self.state.scope.iter_raw().filter(|(other, ..)| *other != name && !own.is_empty());
        others.filter(|(.., value)| !own.is_disjoint(&large(value))).map(|(other, ..)| other.to_string()).collect()
    }

    /// The table of variables, in the given number of columns.
    pub fn who(&self, columns: usize) -> String {
        let (variables, total) = self.variables();
        if variables.is_empty() {
            return "no variables".to_string();
        }
        let rows = variables.iter().map(|variable| {
            let bytes = if variable.bytes == 0 { String::new() } else { text::bytes(variable.bytes) };
            [variable.name.clone(), variable.kind.clone(), variable.shape.clone(), bytes]
        });
        let rows: Vec<[String; 4]> = rows.collect();
        let wide = |at: usize| rows.iter().map(|row| text::width(&row[at])).max().unwrap_or(0);
        let widths = [wide(0), wide(1), wide(2), wide(3)];
        let mut out = String::new();
        for [name, kind, shape, bytes] in &rows {
            let line = format!(
                "  {}  {}  {}  {}",
                text::left(name, widths[0]),
                text::left(kind, widths[1]),
                text::left(shape, widths[2]),
                text::right(bytes, widths[3])
            );
            out += text::cut(line.trim_end(), columns).as_str();
            out.push('\n');
        }
        let end = format!("  {} in all: {}", text::counted(variables.len(), "variable"), text::bytes(total));
        format!("{out}{}", text::cut(&end, columns))
    }
}
