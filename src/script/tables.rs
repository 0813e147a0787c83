//! Option tables: the keys that a verb takes, native or written in Rhai. The checker, Tab and help read them here.
//!
//! The table of a function that is written in Rhai is read off its syntax tree, without running it: it is what stands
//! before the parameter in `options("who", DEFAULTS, given)`, with constants of this module and of others looked up.

use super::notebook::scan;
use super::{Host, Kind, Opt, options};
use rhai::{AST, ASTFlags, ASTNode, Dynamic, Expr, FnCallExpr, FnPtr, Position, ScriptFuncDef, Shared, Stmt};
use std::collections::HashMap;

/// One key that a verb takes.
#[derive(Clone, Debug)]
pub struct OptionKey {
    pub name: String,
    /// `Kind::Text` where `words` has those that it takes.
    pub kind: Kind,
    pub words: Vec<String>,
    /// As it is written; empty where there is none.
    pub default: String,
    pub doc: String,
    /// Words under which it is looked for.
    pub also: Vec<String>,
}

impl OptionKey {
    /// What a value of it has to be, in words.
    pub fn takes(&self) -> String {
        if self.words.is_empty() { options::kind_name(self.kind).to_string() } else { self.words.join(", ") }
    }

    /// What it means, and the words that it takes.
    pub fn about(&self) -> String {
        let words = self.words.join(", ");
        match (self.doc.is_empty(), words.is_empty()) {
            (_, true) => self.doc.clone(),
            (true, false) => words,
            (false, false) => format!("{} ({words})", self.doc),
        }
    }
}

impl From<&Opt> for OptionKey {
    fn from(opt: &Opt) -> OptionKey {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        OptionKey {
            name: opt.name.to_string(),
            kind: if opt.words().is_empty() { opt.kind } else { Kind::Text },
            words: owned(opt.words()),
            default: opt.default.to_string(),
            doc: opt.doc.to_string(),
            also: owned(opt.also),
        }
    }
}

/// A text with its syntax tree: what was written, nothing folded.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub text: &'a str,
    pub ast: &'a AST,
    pub uses: &'a Uses,
}

/// A key of a map that is written out, with its value.
pub struct Entry<'a> {
    pub name: String,
    pub position: Position,
    pub value: Expr,
    source: Source<'a>,
}

impl<'a> Entry<'a> {
    /// The text that it stands in.
    pub fn text(&self) -> &'a str {
        self.source.text
    }

    /// Its value, or the default of `one_of`.
    pub fn default(&self) -> &Expr {
        choice(&self.value, self.source.ast).map_or(&self.value, |(default, _)| default)
    }
}

/// Finds an imported file by its name.
type Imported<'a> = Box<dyn Fn(&str) -> Option<Source<'a>> + 'a>;

/// Reads tables: of native verbs, of modules by name.
pub struct Reader<'a> {
    host: &'a Host,
    /// Imported files, before the modules of the standard library.
    imported: Imported<'a>,
    /// Defaults and docs are read too: for people.
    told: bool,
}

/// Constants that name one another, and functions that hand their options on, are followed so far.
const DEEP: usize = 8;

impl<'a> Reader<'a> {
    pub fn new(host: &'a Host, imported: impl Fn(&str) -> Option<Source<'a>> + 'a) -> Reader<'a> {
        Reader { host, imported: Box::new(imported), told: false }
    }

    /// Reads defaults and docs too.
    pub fn told(self) -> Reader<'a> {
        Reader { told: true, ..self }
    }

    /// The keys that a function takes in its parameter at `place`; `None` where it does not say.
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

    /// What the function takes to which a parameter is handed on.
    fn handed(&self, home: Source<'a>, to: &Handed, depth: usize) -> Option<Vec<OptionKey>> {
        if to.module.is_empty() {
            let own = self.taken_within(home, &to.name, to.count, to.place, depth);
            let is_options = to.place + 1 == to.count && self.host.ends_with_options(&to.name, to.count + to.receivers);
            return own.or_else(|| is_options.then(|| self.native(&to.name)).flatten());
        }
        self.taken_within(self.source(home, &to.module)?, &to.name, to.count, to.place, depth)
    }

    /// The keys of a native verb, those of all its types together.
    pub fn native(&self, verb: &str) -> Option<Vec<OptionKey>> {
        let tables = self.host.option_tables().iter().filter(|(name, _)| *name == verb);
        let keys: Vec<OptionKey> = tables.flat_map(|(_, table)| table.iter().map(OptionKey::from)).collect();
        (!keys.is_empty()).then_some(keys)
    }

    /// The keys of defaults that are constant.
    pub fn keys(&self, home: Source<'a>, defaults: &Expr) -> Option<Vec<OptionKey>> {
        Some(self.entries(home, defaults)?.into_iter().map(|entry| key(entry, self.told)).collect())
    }

    /// The keys of a map that is constant: written out, named, or a sum of such.
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

    /// What stands before `::`.
    fn source(&self, home: Source<'a>, name: &str) -> Option<Source<'a>> {
        if name == "global" { Some(home) } else { (self.imported)(name).or_else(|| self.host.module_source(name)) }
    }
}

/// How each function of a text, by name and number of parameters, uses its parameters.
pub struct Uses(HashMap<(String, usize), Vec<Use>>);

/// How a function uses one of its parameters.
#[derive(Default)]
struct Use {
    name: String,
    /// What it is laid over.
    defaults: Option<Expr>,
    /// Calls that get it.
    handed: Vec<Handed>,
    /// It is not what was given any more.
    changed: bool,
}

/// A call that gets a parameter as one of its arguments.
struct Handed {
    module: String,
    name: String,
    count: usize,
    place: usize,
    /// 1 for a method.
    receivers: usize,
}

/// A function, and where its body begins and ends.
struct Body {
    start: (Option<usize>, Option<usize>),
    end: (Option<usize>, Option<usize>),
    key: (String, usize),
    uses: Vec<Use>,
}

impl Uses {
    /// Reads them in one walk.
    pub fn of(ast: &AST) -> Uses {
        let place = |position: Position| (position.line(), position.position());
        let body = |function: &Shared<ScriptFuncDef>| Body {
            start: place(function.body.start_position()),
            end: place(function.body.end_position()),
            key: (function.name.to_string(), function.params.len()),
            uses: function.params.iter().map(|name| Use { name: name.to_string(), ..Use::default() }).collect(),
        };
        let mut bodies: Vec<Body> = ast.iter_fn_def().map(body).collect();
        bodies.sort_by_key(|body| body.start);
        ast.walk(&mut |path: &[ASTNode]| {
            let Some(node) = path.last() else { return true };
            let at = place(node.position());
            let begun = bodies.partition_point(|body| body.start <= at);
            // the innermost: a closure has what it captures as parameters of its own
            if let Some(body) = bodies[..begun].iter_mut().rev().find(|body| at <= body.end) {
                body.uses.iter_mut().for_each(|used| used.note(node));
            }
            true
        });
        Uses(bodies.into_iter().map(|body| (body.key, body.uses)).collect())
    }
}

impl Use {
    fn is(&self, expression: &Expr) -> bool {
        matches!(expression, Expr::Variable(name, ..) if name.2.is_empty() && name.1 == self.name)
    }

    fn note(&mut self, node: &ASTNode) {
        match node {
            ASTNode::Stmt(Stmt::Assignment(parts)) => self.changed |= self.is(root(&parts.1.lhs)),
            ASTNode::Stmt(Stmt::Var(parts, ..)) => self.changed |= parts.0.name == self.name,
            ASTNode::Expr(Expr::Dot(parts, ..)) => {
                self.changed |= self.is(&parts.lhs) && method(&parts.rhs).is_some_and(|name| !READS.contains(&name));
            }
            ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _)) => self.call(call, 0),
            ASTNode::Expr(Expr::MethodCall(call, _)) => self.call(call, 1),
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr, receivers: usize) {
        if let Some((defaults, given)) = laid_over(call) {
            if self.is(given) {
                self.defaults = Some(defaults.clone());
            }
            return;
        }
        let module = if call.namespace.is_empty() { "" } else { call.namespace.root() };
        for place in (0..call.args.len()).filter(|place| self.is(&call.args[*place])).collect::<Vec<_>>() {
            self.handed.push(Handed {
                module: module.to_string(),
                name: call.name.to_string(),
                count: call.args.len(),
                place,
                receivers,
            });
        }
    }
}

/// Verbs that leave a map as it is.
pub const READS: &[&str] = &["get", "keys", "values", "len", "contains", "is_empty", "to_json", "to_string"];

/// The verb that a chain begins with, behind its first dot.
pub fn method(rest: &Expr) -> Option<&str> {
    match rest {
        Expr::MethodCall(call, _) => Some(call.name.as_str()),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => method(&parts.lhs),
        _ => None,
    }
}

/// What a chain is of: the `a` of `a.b[c].d`.
pub fn root(chain: &Expr) -> &Expr {
    match chain {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs),
        other => other,
    }
}

/// Defaults and given of a call of `options`.
pub fn laid_over(call: &FnCallExpr) -> Option<(&Expr, &Expr)> {
    match call.args.as_slice() {
        [defaults, given] | [_, defaults, given] if call.name == "options" && call.namespace.is_empty() => {
            Some((defaults, given))
        }
        _ => None,
    }
}

/// The defaults of every call of `options` in a tree, and where it stands.
pub fn defaults(ast: &AST) -> Vec<(Expr, Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position))) =
            path.last()
            && let Some((defaults, _)) = laid_over(call)
        {
            found.push((defaults.clone(), *position));
        }
        true
    });
    found
}

/// A constant of the top level.
fn constant<'a>(ast: &'a AST, name: &str) -> Option<&'a Expr> {
    ast.statements().iter().rev().find_map(|statement| match statement {
        Stmt::Var(parts, flags, _) if flags.intersects(ASTFlags::CONSTANT) && parts.0.name == name => Some(&parts.1),
        _ => None,
    })
}

/// The default and the words of `one_of(default, [words])`, which may be a constant of the same text.
pub fn choice<'e>(value: &'e Expr, ast: &AST) -> Option<(&'e Expr, Vec<String>)> {
    let Expr::FnCall(call, _) = value else { return None };
    let [default, words] = call.args.as_slice() else { return None };
    if call.name != "one_of" || !call.namespace.is_empty() {
        return None;
    }
    let Expr::Array(words, _) = (match words {
        Expr::Variable(variable, ..) => constant(ast, &variable.1)?,
        other => other,
    }) else {
        return None;
    };
    let word = |word: &Expr| match word {
        Expr::StringConstant(word, _) => Some(word.to_string()),
        _ => None,
    };
    Some((default, words.iter().map(word).collect::<Option<_>>()?))
}

fn key(entry: Entry, told: bool) -> OptionKey {
    let (value, words) = choice(&entry.value, entry.source.ast).unwrap_or((&entry.value, Vec::new()));
    let (doc, also) = if told { comment(entry.source.text, entry.position) } else { Default::default() };
    OptionKey {
        name: entry.name.clone(),
        kind: if words.is_empty() { kind(value) } else { Kind::Text },
        words,
        default: if told { written(entry.source.text, value) } else { String::new() },
        doc,
        also,
    }
}

/// The kind of a default; one of `()` takes anything.
fn kind(default: &Expr) -> Kind {
    match default {
        Expr::IntegerConstant(..) => Kind::Int,
        Expr::FloatConstant(..) => Kind::Float,
        Expr::BoolConstant(..) => Kind::Bool,
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => Kind::Text,
        Expr::Array(..) => Kind::List,
        Expr::Map(..) => Kind::Map,
        Expr::DynamicConstant(value, _) if value.is::<FnPtr>() => Kind::Closure,
        other => other.get_literal_value(None).map_or(Kind::Any, |value| literal(&value)),
    }
}

fn literal(value: &Dynamic) -> Kind {
    match value {
        value if value.is_int() => Kind::Int,
        value if value.is_float() => Kind::Float,
        value if value.is_bool() => Kind::Bool,
        value if value.is_string() => Kind::Text,
        value if value.is_array() => Kind::List,
        value if value.is_map() => Kind::Map,
        _ => Kind::Any,
    }
}

/// Where a position stands in a text, in bytes.
fn offset(text: &str, position: Position) -> Option<usize> {
    let line = text.split_inclusive('\n').take(position.line()?.checked_sub(1)?).map(str::len).sum::<usize>();
    let before = position.position()?.checked_sub(1)?;
    let column = text.get(line..)?.chars().take(before).map(char::len_utf8).sum::<usize>();
    Some(line + column)
}

/// A value as it is written, up to the comma or bracket behind it.
fn written(text: &str, value: &Expr) -> String {
    let Some(rest) = offset(text, value.start_position()).and_then(|at| text.get(at..)) else { return String::new() };
    // no default is longer
    let end = rest.char_indices().map(|(at, _)| at).nth(400).unwrap_or(rest.len());
    let mut depth = 0;
    let mut found = String::new();
    for part in scan::parts(&rest[..end]) {
        match part.text {
            "(" | "[" | "{" | "#{" => depth += 1,
            "," if depth == 0 => break,
            ")" | "]" | "}" if depth == 0 => break,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        match part.kind {
            scan::Kind::Comment => {}
            scan::Kind::Space => found.push(' '),
            _ => found.push_str(part.text),
        }
    }
    let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
    if found == "()" { String::new() } else { found }
}

/// What the comment at the end of a key's line says, and the words after its `also:`.
fn comment(text: &str, position: Position) -> (String, Vec<String>) {
    let line = position.line().and_then(|line| text.lines().nth(line.checked_sub(1)?)).unwrap_or_default();
    let comment = scan::parts(line).into_iter().find(|part| part.kind == scan::Kind::Comment);
    let comment = comment.map(|part| part.text.trim_start_matches('/').trim()).unwrap_or_default();
    let (doc, also) = comment.split_once("also:").unwrap_or((comment, ""));
    let words = also.split(',').map(|word| word.trim().to_string()).filter(|word| !word.is_empty());
    (doc.trim().trim_end_matches(';').to_string(), words.collect())
}
