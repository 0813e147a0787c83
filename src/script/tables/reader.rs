//! Reads the tables of verbs, native or written in Rhai.

use super::key::{OptionKey, key};
use super::source::{Entry, Source};
use super::tree::constant;
use super::uses::Handed;
use crate::script::options::Opt;
use rhai::Expr;

/// A host's knowledge of options.
pub trait Known {
    /// The tables of native verbs.
    fn option_tables(&self) -> &[(&'static str, &'static [Opt])];
    /// Whether the last of this number of parameters of a native verb, including a receiver, is options.
    fn ends_with_options(&self, verb: &str, count: usize) -> bool;
    /// Text and tree of a loaded standard library module.
    fn module_source(&self, module: &str) -> Option<Source<'_>>;
}

/// Finds an imported file by its name.
type Imported<'a> = Box<dyn Fn(&str) -> Option<Source<'a>> + 'a>;

/// Reads tables: of native verbs, and of modules by name.
pub struct Reader<'a> {
    host: &'a dyn Known,
    /// Imported files; take precedence over standard library modules.
    imported: Imported<'a>,
    /// Whether to read defaults and docs too, for display.
    told: bool,
}

/// Maximum depth of constants that refer to others, and of functions that pass their options on.
const DEEP: usize = 8;

impl<'a> Reader<'a> {
    pub fn new(host: &'a dyn Known, imported: impl Fn(&str) -> Option<Source<'a>> + 'a) -> Reader<'a> {
        Reader { host, imported: Box::new(imported), told: false }
    }

    /// Reads defaults and docs too.
    pub fn told(self) -> Reader<'a> {
        Reader { told: true, ..self }
    }

    /// The keys that a function accepts in its parameter at `place`; `None` if unknown.
    pub fn taken(&self, home: Source<'a>, function: &str, count: usize, place: usize) -> Option<Vec<OptionKey>> {
        self.taken_within(home, function, count, place, DEEP)
    }

    fn taken_within(
        &self,
        home: Source<'a>,
        function: &str,
        count: usize,
        place: usize,
        depth: usize,
    ) -> Option<Vec<OptionKey>> {
        let depth = depth.checked_sub(1)?;
        let used = home.uses.0.get(&(function.to_string(), count))?.get(place)?;
        if used.changed {
            return None;
        }
        if let Some(defaults) = &used.defaults {
            return self.keys(home, defaults);
        }
        used.handed.iter().find_map(|handed| self.handed(home, handed, depth))
    }

    /// The keys accepted by the function that a parameter is passed on to.
    fn handed(&self, home: Source<'a>, to: &Handed, depth: usize) -> Option<Vec<OptionKey>> {
        if to.module.is_empty() {
            let own = self.taken_within(home, &to.name, to.count, to.place, depth);
            let is_options = to.place + 1 == to.count && self.host.ends_with_options(&to.name, to.count + to.receivers);
            return own.or_else(|| is_options.then(|| self.native(&to.name)).flatten());
        }
        self.taken_within(self.source(home, &to.module)?, &to.name, to.count, to.place, depth)
    }

    /// The keys of a native verb, for all its types together.
    pub fn native(&self, verb: &str) -> Option<Vec<OptionKey>> {
        let tables = self.host.option_tables().iter().filter(|(name, _)| *name == verb);
        let keys: Vec<OptionKey> = tables.flat_map(|(_, table)| table.iter().map(OptionKey::from)).collect();
        (!keys.is_empty()).then_some(keys)
    }

    /// The keys of constant defaults.
    pub fn keys(&self, home: Source<'a>, defaults: &Expr) -> Option<Vec<OptionKey>> {
        Some(self.entries(home, defaults)?.into_iter().map(|entry| key(entry, self.told)).collect())
    }

    /// The keys of a constant map: a literal, a name, or a sum of these.
    pub fn entries(&self, home: Source<'a>, map: &Expr) -> Option<Vec<Entry<'a>>> {
        self.entries_within(home, map, DEEP)
    }

    fn entries_within(&self, home: Source<'a>, map: &Expr, depth: usize) -> Option<Vec<Entry<'a>>> {
        let depth = depth.checked_sub(1)?;
        match map {
            Expr::Map(map, _) => {
                let entry = |(name, value): &(rhai::Ident, Expr)| Entry {
                    name: name.name.to_string(),
                    position: name.pos,
                    value: value.clone(),
                    source: home,
                };
                Some(map.0.iter().map(entry).collect())
            }
            Expr::Variable(variable, ..) if !variable.2.is_empty() && variable.2.path.len() == 1 => {
                let home = self.source(home, variable.2.root())?;
                self.entries_within(home, constant(home.ast, &variable.1)?, depth)
            }
            Expr::FnCall(call, _) if call.name == "+" => {
                let [left, right] = call.args.as_slice() else { return None };
                let mut found = self.entries_within(home, left, depth)?;
                for entry in self.entries_within(home, right, depth)? {
                    found.retain(|earlier| earlier.name != entry.name);
                    found.push(entry);
                }
                Some(found)
            }
            _ => None,
        }
    }

    /// The module before `::`.
    fn source(&self, home: Source<'a>, name: &str) -> Option<Source<'a>> {
        if name == "global" { Some(home) } else { (self.imported)(name).or_else(|| self.host.module_source(name)) }
    }
}
