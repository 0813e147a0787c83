//! Options of functions written in Rhai: given values over defaults.

use crate::script::explain::unknown_option;
use crate::script::options::misfit;
use crate::script::prelude::*;
use crate::sync::unpoisoned;
use std::sync::Mutex;

/// Marks text from the command line, which `options` may convert to the type of the default.
pub const FROM_SHELL: i32 = 7;

/// The lists of words that `one_of` was called with. A default carries the number of its list as its tag, and is otherwise the
/// plain value that constants of a module are used as.
static WORDS: Mutex<Vec<Vec<String>>> = Mutex::new(Vec::new());

/// The tag of the first list.
const FIRST: i32 = 1 << 16;

fn tagged(mut default: Dynamic, words: Vec<String>) -> Dynamic {
    let mut lists = unpoisoned(WORDS.lock());
    let number = lists.iter().position(|known| *known == words).unwrap_or_else(|| {
        lists.push(words);
        lists.len() - 1
    });
    default.set_tag(i32::try_from(number).map_or(0, |number| FIRST.saturating_add(number)));
    default
}

/// The words of a default made by `one_of`.
fn words_of(default: &Dynamic) -> Option<Vec<String>> {
    let number = usize::try_from(default.tag().checked_sub(FIRST)?).ok()?;
    unpoisoned(WORDS.lock()).get(number).cloned()
}

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Lays the given options over their defaults, and checks every key.
    ///
    /// A key that `defaults` lacks is an error that names the nearest; so is a value of another type than its default (an int
    /// is accepted for a float; a default of `()` accepts anything; `one_of` accepts one of its words; `()` selects the
    /// default). Values from the command line (`args()`) are converted to the type of the default.
    ///
    /// also: argparse, defaults, keyword arguments, hyperparameters
    ///
    /// effect
    ///
    /// ```rhai
    /// let cfg = options(#{ lr: 1e-3, steps: 300, out: () }, #{ steps: 20 });
    /// cfg.steps                                          //=> 20
    /// options(#{ lr: 1e-3, steps: 300 }, #{ stepz: 20 }) //=> error: options: there is no option `stepz`
    /// options(#{ steps: 300 }, #{ steps: "many" })       //=> error: options: option `steps` takes a whole number, not a string (many)
    /// ```
    #[rhai_fn(return_raw)]
    pub fn options(defaults: Map, given: Map) -> Res<Map> {
        super::merge("options", defaults, given)
    }

    /// Like `options(defaults, given)`, with errors that name the verb `who`.
    ///
    /// effect
    ///
    /// ```rhai
    /// options("sft::run", #{ lr: 1e-3 }, #{ rl: 1.0 })   //=> error: sft::run: there is no option `rl`
    /// ```
    #[rhai_fn(name = "options", return_raw)]
    pub fn options_of(who: &str, defaults: Map, given: Map) -> Res<Map> {
        super::merge(who, defaults, given)
    }

    /// Declares an option that takes one of some words: its default, and the words. For the defaults of `options(…)`.
    ///
    /// A default of `()` makes the option optional. `levain check`, Tab and help know the words.
    ///
    /// ```rhai
    /// let defaults = #{ schedule: one_of("cosine", ["constant", "linear", "cosine"]) };
    /// options(defaults, #{}).schedule                    //=> cosine
    /// options(defaults, #{ schedule: "linear" })         //=> #{"schedule": "linear"}
    /// options(defaults, #{ schedule: "cosin" })          //=> error: options: option `schedule` takes constant, linear, cosine, not `cosin`
    /// one_of("sine", ["linear", "cosine"])               //=> error: one_of: the default `sine` is not one of linear, cosine
    /// ```
    #[rhai_fn(return_raw)]
    pub fn one_of(default: Dynamic, words: List) -> Res<Dynamic> {
        let read = |word: Dynamic| {
            let shown = word.to_string();
            word.into_string().map_err(|_| Error::new("one_of", format!("`{shown}` is not a word")))
        };
        let words = words.into_iter().map(read).collect::<crate::Result<Vec<_>>>()?;
        if !default.is_unit() && !super::is_among(&words, &default) {
            bail!("one_of", "the default `{default}` is not one of {}", words.join(", "));
        }
        Ok(super::tagged(default, words))
    }
}

fn is_among(words: &[String], value: &Dynamic) -> bool {
    value.read_lock::<ImmutableString>().is_some_and(|word| words.iter().any(|known| known == word.as_str()))
}

fn merge(who: &str, mut defaults: Map, given: Map) -> Res<Map> {
    for (key, value) in given {
        let Some(default) = defaults.get(&key) else {
            let names: Vec<&str> = defaults.keys().map(|name| name.as_str()).collect();
            return Err(unknown_option(who, &key, &names).into());
        };
        if !value.is_unit() {
            let value = fit(who, &key, default, value)?;
            defaults.insert(key, value);
        }
    }
    for value in defaults.values_mut() {
        value.set_tag(0);
    }
    Ok(defaults)
}

/// Converts a value to the type of the default.
fn fit(who: &str, key: &str, default: &Dynamic, value: Dynamic) -> Res<Dynamic> {
    let value = if value.tag() == FROM_SHELL { read(default, value) } else { value };
    if let Some(words) = words_of(default) {
        return match is_among(&words, &value) {
            true => Ok(value),
            false => Err(misfit(who, key, &words.join(", "), &words, &value).into()),
        };
    }
    if default.is_float()
        && let Ok(whole) = value.as_int()
    {
        return Ok((whole as f64).into());
    }
    if default.is_unit() || default.type_id() == value.type_id() {
        return Ok(value);
    }
    bail!(who, "option `{key}` takes {}, not {} ({value})", type_in_words(default), type_in_words(&value))
}

/// Converts text from the command line to the type of the default; returns it unchanged if it can't be converted.
fn read(default: &Dynamic, value: Dynamic) -> Dynamic {
    let text = value.to_string();
    let whole = || text.replace('_', "").parse::<i64>().ok().map(Dynamic::from);
    let number = || text.parse::<f64>().ok().map(Dynamic::from);
    let truth = || text.parse::<bool>().ok().map(Dynamic::from);
    let read = if default.is_int() {
        whole()
    } else if default.is_float() {
        number()
    } else if default.is_bool() {
        truth()
    } else if default.is_unit() {
        whole().or_else(number).or_else(truth)
    } else if default.is_array() {
        Some(Dynamic::from(elements(default, &text)))
    } else {
        None
    };
    read.unwrap_or_else(|| text.into())
}

/// Reads `8,64` or `[8, 64]` as a list of the type of the default's first value; for an empty default, of each value's own type.
fn elements(default: &Dynamic, text: &str) -> List {
    let inside = text.trim();
    let inside = inside.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(inside);
    let first = default.as_array_ref().ok().and_then(|list| list.first().cloned()).unwrap_or_default();
    let parts = inside.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| read(&first, part.trim_matches('"').to_string().into())).collect()
}
