//! Options of functions that are written in Rhai: defaults with what was given laid over them.

use crate::script::explain::unknown_option;
use crate::script::options::misfit;
use crate::script::prelude::*;

/// Marks text that came from the command line, so that `options` may read it as what the default is.
pub const FROM_SHELL: i32 = 7;

/// A default with the words that may stand in its place.
#[derive(Clone, Debug)]
pub struct Choice {
    default: Dynamic,
    words: Vec<ImmutableString>,
}

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<Choice>("Choice");
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Lays the options that were given over their defaults, and checks every key.
    ///
    /// A key that `defaults` lacks is an error that names the nearest, and so is a value of another kind than its
    /// default (a whole number is fine where the default is a float; a default of `()` takes anything; `one_of` takes
    /// one of its words; `()` asks for the default). Values from the command line (`args()`) are read as the kind that
    /// the default has.
    ///
    /// ```rhai
    /// let cfg = options(#{ lr: 1e-3, steps: 300, out: () }, #{ steps: 20 });
    /// cfg.steps                                          //=> 20
    /// options(#{ lr: 1e-3, steps: 300 }, #{ stepz: 20 }) //=> error: options: there is no option `stepz`
    /// options(#{ steps: 300 }, #{ steps: "many" })       //=> error: options: option `steps` takes a whole number, not text (many)
    /// ```
    #[rhai_fn(return_raw)]
    pub fn options(defaults: Map, given: Map) -> Res<Map> {
        super::merge("options", defaults, given)
    }

    /// Like `options(defaults, given)`, with errors that name the verb `who`.
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
    /// A default of `()` stands where the option may be left out. `levain check`, Tab and help know the words.
    ///
    /// ```rhai
    /// let defaults = #{ schedule: one_of("cosine", ["constant", "linear", "cosine"]) };
    /// options(defaults, #{}).schedule                    //=> cosine
    /// options(defaults, #{ schedule: "linear" })         //=> #{"schedule": "linear"}
    /// options(defaults, #{ schedule: "cosin" })          //=> error: options: option `schedule` takes constant, linear, cosine, not `cosin`
    /// one_of("sine", ["linear", "cosine"])               //=> error: one_of: the default `sine` is not one of linear, cosine
    /// ```
    #[rhai_fn(return_raw)]
    pub fn one_of(default: Dynamic, words: List) -> Res<Choice> {
        let read = |word: Dynamic| {
            let shown = word.to_string();
            word.into_immutable_string().map_err(|_| Error::new("one_of", format!("`{shown}` is not a word")))
        };
        let words = words.into_iter().map(read).collect::<crate::Result<Vec<_>>>()?;
        let choice = Choice { default, words };
        if !choice.default.is_unit() && !choice.takes(&choice.default) {
            bail!("one_of", "the default `{}` is not one of {}", choice.default, choice.words.join(", "));
        }
        Ok(choice)
    }

    #[rhai_fn(name = "to_string", name = "print", pure)]
    pub fn shown(choice: &mut Choice) -> String {
        choice.default.to_string()
    }
}

impl Choice {
    fn takes(&self, value: &Dynamic) -> bool {
        value.read_lock::<ImmutableString>().is_some_and(|word| self.words.contains(&word))
    }
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
        let default = value.read_lock::<Choice>().map(|choice| choice.default.clone());
        if let Some(default) = default {
            *value = default;
        }
    }
    Ok(defaults)
}

/// The value as the kind that the default has.
fn fit(who: &str, key: &str, default: &Dynamic, value: Dynamic) -> Res<Dynamic> {
    let value = if value.tag() == FROM_SHELL { read(default, value) } else { value };
    if let Some(choice) = default.read_lock::<Choice>() {
        return match choice.takes(&value) || value.is::<Choice>() {
            true => Ok(value),
            false => Err(misfit(who, key, &choice.words.join(", "), &choice.words, &value).into()),
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
    bail!(who, "option `{key}` takes {}, not {} ({value})", kind(default), kind(&value))
}

/// Text from the command line as the kind that the default has; as it is, where it can't be read so.
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
        Some(Dynamic::from(text.split(',').map(|part| Dynamic::from(part.trim().to_string())).collect::<List>()))
    } else {
        None
    };
    read.unwrap_or_else(|| text.into())
}

fn kind(value: &Dynamic) -> String {
    match value.type_name() {
        "i64" => "a whole number".to_string(),
        "f64" => "a number".to_string(),
        "bool" => "true or false".to_string(),
        "string" | "&str" | "alloc::string::String" => "text".to_string(),
        "array" => "a list".to_string(),
        "map" => "a map".to_string(),
        "Fn" => "a closure".to_string(),
        other => other.rsplit("::").next().unwrap_or(other).to_lowercase(),
    }
}
