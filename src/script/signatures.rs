//! What the engine knows, for the checker, which runs before every script: names, argument counts and types.

use super::registry::script_type;
use rhai::{Array, Dynamic, Engine, FLOAT, FnPtr, INT, ImmutableString, Map};
use std::any::TypeId;
use std::collections::{HashMap, HashSet};

/// A type, where it is known.
pub type Kind = Option<TypeId>;

/// One native function of a name, or one of the standard library, whose parameters take anything.
pub struct Overload {
    pub params: Vec<TypeId>,
    pub returns: Kind,
    /// Its first parameter is a receiver: `x.verb(…)`.
    pub is_method: bool,
    /// Which parameters are called `options`: those that a table says the keys of.
    options: Vec<usize>,
}

impl Overload {
    /// Whether it takes such arguments, as far as their types are known.
    fn takes(&self, given: &[Kind]) -> bool {
        self.params.len() == given.len() && self.params.iter().zip(given).all(|(param, kind)| fits(*param, *kind))
    }

    /// Whether it can be called on such a value, with so many arguments in parentheses.
    pub fn answers(&self, receiver: TypeId, arguments: usize) -> bool {
        self.params.len() == arguments + 1 && fits(self.params[0], Some(receiver))
    }

    pub fn has_options(&self, place: usize) -> bool {
        self.options.contains(&place)
    }

    /// Whether its parameter at `place` takes a map that may be data.
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

/// Everything that can be called, by name; properties are `get$name` and `set$name`.
pub struct Signatures {
    functions: HashMap<String, Vec<Overload>>,
    names: HashMap<TypeId, String>,
}

/// A function as the engine's metadata has it.
struct Raw {
    name: String,
    hash: u64,
    params: Vec<TypeId>,
    /// `x: &mut Tensor`
    infos: Vec<String>,
    returns: String,
}

/// What the language itself answers, whatever the type.
const LANGUAGE: &[(&str, usize)] = &[("type_of", 1), ("is_shared", 1), ("Fn", 1), ("is_def_var", 1), ("is_def_fn", 2)];

impl Signatures {
    pub fn of(engine: &Engine) -> Signatures {
        let read = |info: rhai::FuncInfo| -> Option<Raw> {
            let facts = info.metadata;
            let name = facts.name.as_str();
            // what answers for all types where none has an index of its own
            if name.starts_with("index$") && facts.param_types.first() == Some(&any()) {
                return None;
            }
            Some(Raw {
                hash: facts.hash,
                name: if info.namespace.is_empty() { name.to_string() } else { format!("{}::{name}", info.namespace) },
                // scripts' parameters take anything
                params: match info.script {
                    Some(_) => vec![any(); facts.num_params],
                    None => facts.param_types.iter().copied().map(plain).collect(),
                },
                infos: facts.params_info.iter().map(ToString::to_string).collect(),
                returns: if info.script.is_some() { String::new() } else { facts.return_type.to_string() },
            })
        };
        let mut raws = engine.collect_fn_metadata(None, read, true);
        // ours are before those of the language that they stand for
        let mut seen = HashSet::new();
        let first: Vec<bool> = raws.iter().map(|raw| seen.insert((raw.hash, raw.name.as_str()))).collect();
        let mut first = first.into_iter();
        raws.retain(|_| first.next().unwrap_or(true));
        let mut words: HashMap<String, String> = HashMap::new();
        let mut word = |text: &str| match words.get(text) {
            Some(word) => word.clone(),
            None => {
                let word = script_type(text);
                words.insert(text.to_string(), word.clone());
                word
            }
        };
        // a name that stands for two types says nothing
        let core = core();
        let mut types: HashMap<String, Kind> = core.iter().map(|(name, id)| (name.to_string(), Some(*id))).collect();
        for raw in &raws {
            for (info, id) in raw.infos.iter().zip(&raw.params) {
                let kind = word(info.split_once(':').map_or("", |(_, kind)| kind));
                if *id != any() && !kind.is_empty() && !core.iter().any(|(name, _)| *name == kind) {
                    types
                        .entry(kind)
                        .and_modify(|known| *known = known.filter(|known| known == id))
                        .or_insert(Some(*id));
                }
            }
        }
        let names = types.iter().filter_map(|(name, kind)| Some(((*kind)?, name.clone()))).collect();
        let mut functions: HashMap<String, Vec<Overload>> = HashMap::new();
        for raw in raws {
            let first = raw.infos.first().map(String::as_str).unwrap_or_default();
            let called_options = |info: &String| info.split(':').next().is_some_and(|name| name.trim() == "options");
            let overload = Overload {
                returns: match word(&raw.returns).as_str() {
                    "" if !raw.returns.is_empty() => kind_of::<()>(),
                    kind => types.get(kind).copied().flatten(),
                },
                is_method: first.contains("&mut") || first.contains("& mut"),
                options: (0..raw.infos.len()).filter(|place| called_options(&raw.infos[*place])).collect(),
                params: raw.params,
            };
            functions.entry(raw.name).or_default().push(overload);
        }
        for (name, count) in LANGUAGE {
            let overload =
                Overload { params: vec![any(); *count], returns: None, is_method: false, options: Vec::new() };
            functions.entry(name.to_string()).or_default().push(overload);
        }
        Signatures { functions, names }
    }

    /// Whether something called `name` takes `count` arguments, a receiver among them.
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

    /// What a call gives, as far as all overloads that may be meant agree.
    pub fn gives(&self, name: &str, given: &[Kind]) -> Kind {
        let mut kinds = self.overloads(name).iter().filter(|overload| overload.takes(given)).map(|o| o.returns);
        let first = kinds.next()?;
        first.filter(|_| kinds.all(|kind| kind == first))
    }

    /// What an operator gives: the language's own on plain values, or what is registered.
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

    /// A type as scripts call it.
    pub fn name(&self, id: TypeId) -> &str {
        let nothing = Some(id) == kind_of::<()>();
        self.names.get(&id).map_or(if nothing { "nothing" } else { "value" }, String::as_str)
    }
}

/// Text is one type, whichever way a native function takes it.
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
