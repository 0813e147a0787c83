//! Redefined functions. At the prompt an input calls the definitions of its time; a script has one function of each name.
//! Therefore the last definition keeps the name, and earlier ones that an input called are saved under other names.

use super::{Edit, applied, byte_at};
use crate::script::notebook::{Cell, scan};
use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

/// A function's name, prefixed by its type for a typed method, and its parameter count.
type Key = (String, usize);

/// A call: the position of its name, and its target.
struct Call {
    at: usize,
    key: Key,
}

/// One definition of a function.
struct Definition {
    cell: usize,
    key: Key,
    start: usize,
    end: usize,
    /// Position of its name.
    named: usize,
    calls: Vec<Call>,
}

/// A function with everything it calls, at a point in time: by the indices of their definitions.
type Instance = (Key, BTreeSet<usize>);

/// All functions of a session.
pub struct Versions<'a> {
    cells: &'a [Cell],
    definitions: Vec<Definition>,
    /// Calls in each input, outside of its functions.
    calls: Vec<Vec<Call>>,
    /// Names for instances other than the last, with the first input that uses them.
    names: HashMap<Instance, (String, usize)>,
}

impl<'a> Versions<'a> {
    pub fn of(cells: &'a [Cell], trees: &[AST]) -> Versions<'a> {
        let mut versions = Versions { cells, definitions: Vec::new(), calls: Vec::new(), names: HashMap::new() };
        for (index, (cell, tree)) in cells.iter().zip(trees).enumerate() {
            let mut calls = calls(&cell.text, tree);
            for function in scan::functions(&cell.text) {
                let inside = calls.extract_if(.., |call| (function.start..function.end).contains(&call.at));
                let name = function.of.map_or(function.name.to_string(), |of| format!("{of}.{}", function.name));
                versions.definitions.push(Definition {
                    cell: index,
                    key: (name, function.params),
                    start: function.start,
                    end: function.end,
                    named: function.named,
                    calls: inside.collect(),
                });
            }
            versions.calls.push(calls);
        }
        versions.give_names();
        versions
    }

    /// Names the called instances that differ from the final ones.
    fn give_names(&mut self) {
        let mut words: HashSet<String> = HashSet::new();
        for cell in self.cells {
            words.extend(scan::parts(&cell.text).iter().map(|part| part.text.to_string()));
        }
        for cell in 0..self.cells.len() {
            // calls of an interrupted input are not repeated
            let called = self.calls[cell].iter().filter(|_| self.cells[cell].left.is_none());
            let mut open: Vec<Key> = called.map(|call| call.key.clone()).collect();
            let mut seen = HashSet::new();
            while let Some(key) = open.pop() {
                let Some(instance) = self.instance(&key, cell) else { continue };
                if !seen.insert(key.clone()) || Some(&instance) == self.instance(&key, self.cells.len()).as_ref() {
                    continue;
                }
                open.extend(self.called(&key, cell));
                if let Entry::Vacant(place) = self.names.entry(instance) {
                    let plain = key.0.rsplit('.').next().unwrap_or_default();
                    let name = (1..).map(|count| format!("{plain}_{count}")).find(|name| !words.contains(name));
                    let name = name.unwrap_or_default();
                    words.insert(name.clone());
                    place.insert((name, cell));
                }
            }
        }
    }

    /// The definition of a name when an input runs.
    fn defined(&self, key: &Key, cell: usize) -> Option<usize> {
        self.definitions.iter().rposition(|definition| definition.cell <= cell && definition.key == *key)
    }

    fn called(&self, key: &Key, cell: usize) -> Vec<Key> {
        let definition = self.defined(key, cell).map(|at| &self.definitions[at]);
        definition.map_or_else(Vec::new, |found| found.calls.iter().map(|call| call.key.clone()).collect())
    }

    /// The instance of a function when an input runs.
    fn instance(&self, key: &Key, cell: usize) -> Option<Instance> {
        self.defined(key, cell)?;
        let (mut places, mut open) = (BTreeSet::new(), vec![key.clone()]);
        while let Some(key) = open.pop() {
            if let Some(at) = self.defined(&key, cell)
                && places.insert(at)
            {
                open.extend(self.called(&key, cell));
            }
        }
        Some((key.clone(), places))
    }

    /// The other name of a call's target when an input runs.
    fn name(&self, key: &Key, cell: usize) -> Option<&str> {
        let instance = self.instance(key, cell)?;
        self.names.get(&instance).map(|(name, _)| name.as_str())
    }

    fn renamed(&self, calls: &[Call], cell: usize) -> Vec<Edit> {
        let edit = |call: &Call| {
            let plain = call.key.0.len();
            Some((call.at, call.at + plain, self.name(&call.key, cell)?.to_string()))
        };
        calls.iter().filter_map(edit).collect()
    }

    /// Edits of an input's text: removes earlier functions, and renames calls of them.
    pub fn edits(&self, cell: usize) -> Vec<Edit> {
        let end = self.cells.len();
        let own = self.definitions.iter().enumerate().filter(|(_, definition)| definition.cell == cell);
        let stale = own.filter(|(at, definition)| self.defined(&definition.key, end) != Some(*at));
        let mut edits: Vec<Edit> =
            stale.map(|(_, definition)| (definition.start, definition.end, String::new())).collect();
        edits.extend(self.renamed(&self.calls[cell], cell));
        edits
    }

    /// The functions that this input is the first to call and that differ from the final ones.
    pub fn earlier(&self, cell: usize) -> String {
        let mut own: Vec<(&Instance, &str)> = self
            .names
            .iter()
            .filter(|(_, (_, first))| *first == cell)
            .map(|(key, (name, _))| (key, name.as_str()))
            .collect();
        own.sort_by_key(|(_, name)| *name);
        let mut out = String::new();
        for ((key, _), name) in own {
            let Some(definition) = self.defined(key, cell).map(|at| &self.definitions[at]) else { continue };
            let text = &self.cells[definition.cell].text[definition.start..definition.end];
            let plain = key.0.rsplit('.').next().unwrap_or_default().len();
            let mut edits = self.renamed(&definition.calls, cell);
            edits.push((definition.named, definition.named + plain, name.to_string()));
            let moved = |(start, end, new): Edit| (start - definition.start, end - definition.start, new);
            out += &applied(text, edits.into_iter().map(moved).collect());
            out.push('\n');
        }
        out
    }
}

/// The calls of plain functions in a text.
fn calls(text: &str, tree: &AST) -> Vec<Call> {
    let mut found = Vec::new();
    let mut add = |call: &FnCallExpr, position: Position| {
        if call.namespace.is_empty()
            && call.op_token.is_none()
            && let Some(at) = byte_at(text, position)
            && text[at..].starts_with(call.name.as_str())
        {
            found.push(Call { at, key: (call.name.to_string(), call.args.len()) });
        }
    };
    tree.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))) => {
                add(call, *position)
            }
            Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => add(call, *position),
            _ => {}
        }
        true
    });
    found.sort_by_key(|call| call.at);
    found.dedup_by_key(|call| call.at);
    found
}
