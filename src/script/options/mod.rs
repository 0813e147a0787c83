//! Options: the trailing map of a verb, declared as a table, so that a misspelled key is an error, and help, completion and the
//! checker know the keys.

mod opt;

pub use opt::{Kind, Opt, kind_name, opt, takes};

use super::Res;
use crate::{Error, bail};
use rhai::{Dynamic, Engine, FnPtr, ImmutableString, Map};

/// The options of one call: the given values over the defaults, with all keys and kinds checked.
#[doc(hidden)]
pub struct Options {
    who: &'static str,
    table: &'static [Opt],
    given: Map,
}

impl Options {
    /// Checks the options given to the verb `who` against its table.
    pub fn read(who: &'static str, table: &'static [Opt], mut given: Map) -> Res<Options> {
        for (key, value) in given.iter_mut() {
            let Some(known) = table.iter().find(|opt| opt.name == key.as_str()) else {
                let names: Vec<&str> = table.iter().map(|opt| opt.name).collect();
                return Err(super::explain::unknown_option(who, key, &names).into());
            };
            if known.kind == Kind::Float && value.is_int() {
                *value = Dynamic::from_float(value.as_int().unwrap_or_default() as f64);
            }
            // `()` means the default
            if !value.is_unit() && !fits(known.kind, value) {
                return Err(misfit(who, key, &takes(known.kind), known.words(), value).into());
            }
        }
        given.retain(|_, value| !value.is_unit());
        Ok(Options { who, table, given })
    }

    /// The value of `name`, or its default, or `()`.
    pub fn get(&self, name: &str) -> Dynamic {
        if let Some(value) = self.given.get(name) {
            return value.clone();
        }
        match self.table.iter().find(|opt| opt.name == name) {
            Some(opt) => default_value(opt),
            None => unreachable!("`{name}` is not in the option table of `{}`", self.who),
        }
    }

    /// Whether the caller gave this option.
    pub fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    pub fn int(&self, name: &str) -> Res<i64> {
        self.get(name).as_int().map_err(|_| self.missing(name))
    }

    /// A non-negative integer: a count, a size, a seed.
    pub fn count(&self, name: &str) -> Res<usize> {
        let value = self.int(name)?;
        match usize::try_from(value) {
            Ok(count) => Ok(count),
            Err(_) => bail!(self.who, "option `{name}` is {value}, below 0"),
        }
    }

    pub fn float(&self, name: &str) -> Res<f64> {
        self.get(name).as_float().map_err(|_| self.missing(name))
    }

    pub fn bool(&self, name: &str) -> Res<bool> {
        self.get(name).as_bool().map_err(|_| self.missing(name))
    }

    pub fn text(&self, name: &str) -> Res<ImmutableString> {
        self.get(name).into_immutable_string().map_err(|_| self.missing(name))
    }

    /// `None` if neither the call nor the table has a value.
    pub fn maybe<T>(&self, name: &str, read: impl FnOnce(&Self, &str) -> Res<T>) -> Res<Option<T>> {
        if self.get(name).is_unit() { Ok(None) } else { read(self, name).map(Some) }
    }

    pub fn who(&self) -> &'static str {
        self.who
    }

    fn missing(&self, name: &str) -> Box<rhai::EvalAltResult> {
        Error::new(self.who, format!("option `{name}` must be given")).into()
    }
}

/// The error for a value that an option does not accept; for an unknown word, with the nearest valid one.
pub fn misfit(who: &str, key: &str, takes: &str, words: &[impl AsRef<str>], value: &Dynamic) -> Error {
    let Some(word) = value.read_lock::<ImmutableString>().filter(|_| !words.is_empty()) else {
        return Error::new(
            who,
            format!("option `{key}` takes {takes}, not {} ({value})", super::explain::type_in_words(value)),
        );
    };
    let error = Error::new(who, format!("option `{key}` takes {takes}, not `{}`", word.as_str()));
    error.meant(&word, words.iter().map(AsRef::as_ref))
}

fn fits(kind: Kind, value: &Dynamic) -> bool {
    match kind {
        Kind::Int => value.is_int(),
        Kind::Float => value.is_float(),
        Kind::Bool => value.is_bool(),
        Kind::Text => value.is_string(),
        Kind::OneOf(words) => value.read_lock::<ImmutableString>().is_some_and(|word| words.contains(&word.as_str())),
        Kind::List => value.is_array(),
        Kind::Map => value.is_map(),
        Kind::Closure => value.is::<FnPtr>(),
        Kind::Any => true,
    }
}

/// Defaults are literals; a float may be written `1` or `1e-3`.
fn default_value(opt: &Opt) -> Dynamic {
    if opt.default.is_empty() {
        return Dynamic::UNIT;
    }
    match opt.kind {
        Kind::Int => opt.default.parse::<i64>().map(Into::into).ok(),
        Kind::Float => opt.default.parse::<f64>().map(Into::into).ok(),
        Kind::Bool => opt.default.parse::<bool>().map(Into::into).ok(),
        Kind::Text | Kind::OneOf(_) => Some(opt.default.trim_matches('"').to_string().into()),
        _ => Engine::new_raw().eval_expression::<Dynamic>(opt.default).ok(),
    }
    .unwrap_or_else(|| unreachable!("the default of option `{}` is not of its kind", opt.name))
}
