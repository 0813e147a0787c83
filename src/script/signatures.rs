//! The engine's function names, argument counts and types, for the checker, which runs before every script.

use super::registry::script_type;
use rhai::{Array, Dynamic, Engine, FLOAT, FnPtr, INT, ImmutableString, Map};
use std::any::TypeId;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// A type, if known.
pub type Kind = Option<TypeId>;

/// One native function, or one of the standard library, whose parameters accept any type.
pub struct Overload {
    pub params: Vec<TypeId>,
    pub returns: Kind,
    /// The parameters named `options`, whose keys a table lists.
    options: Vec<usize>,
}

impl Overload {
    /// Whether it accepts these argument types, as far as they are known.
    fn takes(&self, given: &[Kind]) -> bool {
        self.params.len() == given.len() && self.params.iter().zip(given).all(|(param, kind)| fits(*param, *kind))
    }

    /// Whether it can be called on this receiver type, with this number of arguments in parentheses.
    pub fn answers(&self, receiver: TypeId, arguments: usize) -> bool {
        self.params.len() == arguments + 1 && fits(self.params[0], Some(receiver))
    }

    pub fn has_options(&self, place: usize) -> bool {
        self.options.contains(&place)
    }

    /// Whether its parameter at `place` accepts a map that may be data.
    pub fn takes_data(&self, place: usize, given: &[Kind]) -> bool {
        self.takes(given) && !self.has_options(place)
    }
}

fn fits(param: TypeId, kind: Kind) -> bool {
    param == any() || kind.is_none_or(|kind| kind == param)
}

fn any() -> TypeId {
    TypeId::of::<Dynamic>()
}

pub fn kind_of<T: 'static>() -> Kind {
    Some(TypeId::of::<T>())
}

/// Everything callable, by name; properties are `get$name` and `set$name`.
pub struct Signatures {
    functions: HashMap<String, Vec<Overload>>,
    names: HashMap<TypeId, String>,
}

/// A function as in the engine's metadata.
struct Raw {
    name: String,
    hash: u64,
    params: Vec<TypeId>,
    /// `x: &mut Tensor`
    infos: Vec<String>,
    returns: String,
}

/// Functions of the language itself, for all types.
const LANGUAGE: &[(&str, usize)] = &[("type_of", 1), ("is_shared", 1), ("Fn", 1), ("is_def_var", 1), ("is_def_fn", 2)];

/// Types by their names in signatures.
#[derive(Default)]
struct Types {
    /// The names of each type so far.
    seen: HashMap<TypeId, Vec<String>>,
    /// `None` for an ambiguous name of two types.
    named: HashMap<String, Kind>,
}

impl Types {
    fn note(&mut self, infos: &[rhai::Identifier], params: &[TypeId]) {
        for (info, id) in infos.iter().zip(params) {
            let kind = info.split_once(':').map_or("", |(_, kind)| kind);
            let seen = self.seen.entry(*id).or_default();
            if *id == any() || seen.iter().any(|known| known == kind) {
                continue;
            }
            seen.push(kind.to_string());
            let (kind, id) = (script_type(kind), plain(*id));
            if !kind.is_empty() && !core().iter().any(|(name, _)| *name == kind) {
                let known = self.named.entry(kind).or_insert(Some(id));
                *known = known.filter(|known| *known == id);
            }
        }
    }

    fn of(&self, kind: &str) -> Kind {
        let own = core().iter().find(|(name, _)| *name == kind).map(|(_, id)| *id);
        own.or_else(|| self.named.get(kind).copied().flatten())
    }

    fn names(self) -> HashMap<TypeId, String> {
        let own = core().map(|(name, id)| (id, name.to_string()));
        let named = self.named.into_iter().filter_map(|(name, kind)| Some((kind?, name)));
        named.chain(own).collect()
    }
}

impl Signatures {
    /// The functions that `text` may call: of the engine's thousands, those whose names occur in the text.
    pub fn of(engine: &Engine, text: &str) -> Signatures {
        let words: HashSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let types = RefCell::new(Types::default());
        let read = |info: rhai::FuncInfo| -> Option<Raw> {
            let facts = info.metadata;
            // skips the fallbacks for types without an index of their own
            if facts.name.starts_with("index$") && facts.param_types.first() == Some(&any()) {
                return None;
            }
            types.borrow_mut().note(&facts.params_info, &facts.param_types);
            is_among(&facts.name, &words).then(|| Raw::of(&info))
        };
        let mut raws = engine.collect_fn_metadata(None, read, true);
        // levain's functions come before those of the language that they replace
        let mut seen = HashSet::new();
        raws.retain(|raw| seen.insert((raw.hash, raw.name.clone())));
        let types = types.into_inner();
        let mut functions: HashMap<String, Vec<Overload>> = HashMap::new();
        for raw in raws {
            let (name, overload) = raw.overload(&types);
            functions.entry(name).or_default().push(overload);
        }
        for (name, count) in LANGUAGE {
            let overload = Overload { params: vec![any(); *count], returns: None, options: Vec::new() };
            functions.entry(name.to_string()).or_default().push(overload);
        }
        Signatures { functions, names: types.names() }
    }

    /// Whether a function `name` accepts `count` arguments, including a receiver.
    pub fn has(&self, name: &str, count: usize) -> bool {
        self.overloads(name).iter().any(|overload| overload.params.len() == count) || Signatures::is_of_any(name)
    }

    /// Verbs that every value has, with any number of arguments.
    pub fn is_of_any(name: &str) -> bool {
        ["print", "debug", "call", "curry", "to_string", "to_debug"].contains(&name)
    }

    pub fn overloads(&self, name: &str) -> &[Overload] {
        self.functions.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The return type of a call, if all matching overloads agree.
    pub fn gives(&self, name: &str, given: &[Kind]) -> Kind {
        let mut kinds = self.overloads(name).iter().filter(|overload| overload.takes(given)).map(|o| o.returns);
        let first = kinds.next()?;
        first.filter(|_| kinds.all(|kind| kind == first))
    }

    /// The result type of an operator: the language's own on plain values, or a registered one.
    pub fn operator(&self, name: &str, given: &[Kind]) -> Kind {
        let (int, float, text) = (kind_of::<INT>(), kind_of::<FLOAT>(), kind_of::<ImmutableString>());
        let is_number = |kind: &Kind| *kind == int || *kind == float;
        let is_plain = |kind: &Kind| is_number(kind) || *kind == text || *kind == kind_of::<bool>();
        match (name, given) {
            ("-" | "+", [kind]) if is_number(kind) => *kind,
            ("+" | "-" | "*" | "/" | "%" | "**", [a, b]) if is_number(a) && is_number(b) => {
                if *a == int && *b == int {
                    int
                } else {
                    float
                }
            }
            ("+", [a, b]) if a.is_some() && (*a == text || *a == kind_of::<Array>()) && b.is_some() => *a,
            ("+", [a, b]) if *a == kind_of::<Map>() && a == b => *a,
            ("==" | "!=" | "<" | ">" | "<=" | ">=", [a, b]) if is_plain(a) && is_plain(b) => kind_of::<bool>(),
            ("!", [_]) => None,
            _ if given.iter().all(Option::is_some) => self.gives(name, given),
            _ => None,
        }
    }

    /// The script name of a type.
    pub fn name(&self, id: TypeId) -> &str {
        let nothing = Some(id) == kind_of::<()>();
        self.names.get(&id).map_or(if nothing { "nothing" } else { "value" }, String::as_str)
    }
}

/// Whether a text of these words can call this function, property or operator.
fn is_among(name: &str, words: &HashSet<&str>) -> bool {
    let name = name.strip_prefix("get$").or_else(|| name.strip_prefix("set$")).unwrap_or(name);
    let is_word = name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !name.starts_with("index$");
    // `x in xs`
    !is_word || name == "contains" || words.contains(name)
}

impl Raw {
    fn of(info: &rhai::FuncInfo) -> Raw {
        let facts = info.metadata;
        let name = facts.name.as_str();
        Raw {
            hash: facts.hash,
            name: if info.namespace.is_empty() { name.to_string() } else { format!("{}::{name}", info.namespace) },
            // script parameters accept any type
            params: match info.script {
                Some(_) => vec![any(); facts.num_params],
                None => facts.param_types.iter().copied().map(plain).collect(),
            },
            infos: facts.params_info.iter().map(ToString::to_string).collect(),
            returns: if info.script.is_some() { String::new() } else { facts.return_type.to_string() },
        }
    }

    fn overload(self, types: &Types) -> (String, Overload) {
        let called_options = |info: &String| info.split(':').next().is_some_and(|name| name.trim() == "options");
        let overload = Overload {
            returns: match script_type(&self.returns).as_str() {
                "" if !self.returns.is_empty() => kind_of::<()>(),
                kind => types.of(kind),
            },
            options: (0..self.infos.len()).filter(|place| called_options(&self.infos[*place])).collect(),
            params: self.params,
        };
        (self.name, overload)
    }
}

/// Maps all text types of native functions to one.
fn plain(id: TypeId) -> TypeId {
    if id == TypeId::of::<&str>() || id == TypeId::of::<String>() { TypeId::of::<ImmutableString>() } else { id }
}

/// The language's own types.
fn core() -> [(&'static str, TypeId); 8] {
    [
        ("int", TypeId::of::<INT>()),
        ("float", TypeId::of::<FLOAT>()),
        ("bool", TypeId::of::<bool>()),
        ("char", TypeId::of::<char>()),
        ("string", TypeId::of::<ImmutableString>()),
        ("list", TypeId::of::<Array>()),
        ("map", TypeId::of::<Map>()),
        ("closure", TypeId::of::<FnPtr>()),
    ]
}
