//! `adapter_config.json`, by the rules of PEFT (0.21).

use super::pattern::{Names, Patterns, ends_with, matches, regex, texts, wrong};
use super::{BASE_PATH, CONFIG, TENSORS};
use crate::format::safetensors::Safetensors;
use crate::progress;
use crate::{Error, Result, bail, files};
use fancy_regex::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const WHO: &str = "open_lora";

/// Whether a folder holds an adapter and not a model.
pub fn is_adapter(folder: &Path) -> bool {
    files::exists(&folder.join(CONFIG)) && !files::exists(&folder.join("config.json"))
}

/// The base model of an adapter, as its folder names it: a path relative to the folder, or to the current directory.
pub fn base_of(folder: &Path) -> Result<PathBuf> {
    let (place, json) = read_json(folder)?;
    const HELP: &str = "open the base with `model(path)`, then `net.open_lora(folder)`";
    let Some(base) = json.get("base_model_name_or_path").and_then(Value::as_str).filter(|base| !base.is_empty()) else {
        return Err(Error::new("model", format!("{place}: the base model is not named")).help(HELP));
    };
    // if the config has the hub name that PEFT uses, the tensors hold the local path
    let here =
        Safetensors::open(folder.join(TENSORS)).ok().and_then(|file| Some(file.metadata(BASE_PATH)?.to_string()));
    let named = [Some(base.to_string()), here].into_iter().flatten();
    let paths = named.flat_map(|base| [folder.join(&base), PathBuf::from(&base)]);
    if let Some(found) = paths.into_iter().find(|path| files::exists(path)) {
        return Ok(found);
    }
    Err(Error::new("model", format!("{place}: its base `{base}` is not here")).help(HELP))
}

fn read_json(folder: &Path) -> Result<(String, Map<String, Value>)> {
    let path = folder.join(CONFIG);
    let place = path.display().to_string();
    match serde_json::from_str(&files::text(WHO, &path)?) {
        Ok(Value::Object(json)) => Ok((place, json)),
        Ok(_) => bail!(WHO, "{place}: not a JSON object"),
        Err(error) => bail!(WHO, "{place} is not JSON: {error}"),
    }
}

/// What an adapter subtracts from the base when it is applied.
#[derive(Clone, Copy, PartialEq)]
pub enum Taken {
    Nothing,
    /// PiSSA: the principal part of the given rank.
    Principal,
    /// OLoRA: the part along the first columns.
    Leading,
}

impl Taken {
    /// `init_lora_weights`.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Taken::Nothing => None,
            Taken::Principal => Some("pissa"),
            Taken::Leading => Some("olora"),
        }
    }
}

/// The tokens whose rows an adapter replaces.
pub enum TokenIndices {
    None,
    /// In the input embeddings.
    Input(Vec<u32>),
    /// In every layer whose rows the file holds.
    All(Vec<u32>),
    /// By the suffix of the layer's name.
    Layers(BTreeMap<String, Vec<u32>>),
}

pub struct PeftConfig {
    pub place: String,
    pub dropout: f64,
    pub rslora: bool,
    pub dora: bool,
    /// Biases in the file are trained with it.
    pub trains_bias: bool,
    /// LoRA of tied embeddings also applies to the output embeddings.
    pub keeps_ties: bool,
    pub taken: Taken,
    pub token_indices: TokenIndices,
    rank: f64,
    alpha: f64,
    ranks: Patterns,
    alphas: Patterns,
    targets: Option<Names>,
    exclude: Option<Names>,
    modules_to_save: Vec<String>,
    /// Modules without LoRA: those saved whole.
    without: Vec<Regex>,
    /// The indices of the blocks with LoRA, and the position of the index in a layer's name.
    layers: Option<Vec<usize>>,
    numbers: Vec<Regex>,
}

/// Options that compute something other than LoRA.
const REFUSED: [&str; 9] = [
    "use_qalora",
    "use_bdlora",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "velora_config",
    "layer_replication",
    "target_parameters",
];

/// Options that do not change the computation of a finished adapter.
const PLAIN: [&str; 37] = [
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",
    "init_weights",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_alpha",
    "lora_bias",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "token_indices",
    "trainable_token_indices",
    "use_dora",
    "use_rslora",
    "modules_to_tie",
    "target_modules_to_tie",
];

impl PeftConfig {
    pub fn read(folder: &Path) -> Result<PeftConfig> {
        let (place, json) = read_json(folder)?;
        PeftConfig::of(place.clone(), &json).map_err(|error| error.at(place))
    }

    fn of(place: String, json: &Map<String, Value>) -> Result<PeftConfig> {
        let get = |key: &str| json.get(key).unwrap_or(&Value::Null);
        let kind = get("peft_type").as_str().unwrap_or("");
        let tokens_alone = kind == "TRAINABLE_TOKENS";
        if kind != "LORA" && !tokens_alone {
            bail!(WHO, "`peft_type` is `{kind}`, not LORA or TRAINABLE_TOKENS");
        }
        for key in REFUSED {
            if is_set(get(key)) {
                bail!(WHO, "`{key}` is not supported: what it computes is not LoRA");
            }
        }
        for (key, value) in json.iter().filter(|(key, value)| is_set(value) && !PLAIN.contains(&key.as_str())) {
            progress::warn(WHO, format!("{place}: `{key}: {value}` is not known here, and is not used"));
        }
        let flag = |key: &str| get(key).as_bool() == Some(true);
        let number = |key: &str, otherwise: f64| match get(key) {
            Value::Null => Ok(otherwise),
            value => value.as_f64().ok_or_else(|| wrong(key, value, "a number")),
        };
        if flag("use_dora") && flag("lora_bias") {
            bail!(WHO, "`use_dora` and `lora_bias` are not supported together, as in PEFT");
        }
        let key = if tokens_alone { "token_indices" } else { "trainable_token_indices" };
        let token_indices = match get(key) {
            Value::Object(layers) => {
                let read = |(layer, ids): (&String, &Value)| Ok((layer.clone(), ids_of(key, ids)?));
                TokenIndices::Layers(layers.iter().map(read).collect::<Result<_>>()?)
            }
            ids if is_set(ids) && tokens_alone => TokenIndices::All(ids_of(key, ids)?),
            ids if is_set(ids) => TokenIndices::Input(ids_of(key, ids)?),
            _ => TokenIndices::None,
        };
        let modules_to_save = texts("modules_to_save", get("modules_to_save"))?;
        let without = |name: &String| regex("modules_to_save", &format!(r"^(^|.*\.){name}($|\..*)"));
        let mut blocks = texts("layers_pattern", get("layers_pattern"))?;
        if blocks.iter().all(String::is_empty) {
            blocks = vec![r"[^.]*".into()];
        }
        let numbers = |block: &String| regex("layers_pattern", &format!(r"^.*?\.{block}\.(\d+)\."));
        Ok(PeftConfig {
            place,
            dropout: number("lora_dropout", 0.0)?,
            rslora: flag("use_rslora"),
            dora: flag("use_dora"),
            trains_bias: get("bias").as_str().is_some_and(|bias| bias != "none"),
            keeps_ties: flag("ensure_weight_tying"),
            taken: if tokens_alone { Taken::Nothing } else { taken(get("init_lora_weights"))? },
            token_indices,
            rank: number("r", 8.0)?,
            alpha: number("lora_alpha", 8.0)?,
            ranks: Patterns::read("rank_pattern", get("rank_pattern"))?,
            alphas: Patterns::read("alpha_pattern", get("alpha_pattern"))?,
            targets: Names::read("target_modules", get("target_modules"))?,
            exclude: Names::read("exclude_modules", get("exclude_modules"))?,
            without: modules_to_save.iter().map(without).collect::<Result<_>>()?,
            modules_to_save,
            layers: match get("layers_to_transform") {
                value if value.is_u64() => Some(whole("layers_to_transform", value).into_iter().collect()),
                Value::Array(list) if !list.is_empty() => {
                    Some(list.iter().map(|layer| whole("layers_to_transform", layer)).collect::<Result<_>>()?)
                }
                value if is_set(value) => {
                    return Err(wrong("layers_to_transform", value, "a layer or a list of layers"));
                }
                _ => None,
            },
            numbers: blocks.iter().map(numbers).collect::<Result<_>>()?,
        })
    }

    /// The rank of a layer in the config.
    pub fn rank(&self, layer: &str) -> f64 {
        self.ranks.of(layer).unwrap_or(self.rank)
    }

    pub fn alpha(&self, layer: &str) -> f64 {
        self.alphas.of(layer).unwrap_or(self.alpha)
    }

    /// Whether the config names its layers.
    pub fn names_layers(&self) -> bool {
        self.targets.is_some()
    }

    /// Whether PEFT attaches LoRA to this layer.
    pub fn targets(&self, layer: &str, is_output: bool) -> bool {
        let excluded = self.exclude.as_ref().is_some_and(|names| names.find(layer, is_output).0);
        if excluded || self.without.iter().any(|module| matches(module, layer)) {
            return false;
        }
        let Some(targets) = &self.targets else { return true };
        let (found, exact) = targets.find(layer, is_output);
        match &self.layers {
            Some(layers) if found && !exact => self.number(layer).is_some_and(|number| layers.contains(&number)),
            _ => found,
        }
    }

    /// The index of a layer's block.
    fn number(&self, layer: &str) -> Option<usize> {
        let found = self.numbers.iter().find_map(|pattern| pattern.captures(layer).ok().flatten())?;
        found.iter().last()??.as_str().parse().ok()
    }

    /// Whether a module was fully trained, or is part of one that was.
    pub fn saves(&self, module: &str) -> bool {
        let ends = module.match_indices('.').map(|(at, _)| at).chain([module.len()]);
        ends.into_iter().any(|end| self.modules_to_save.iter().any(|name| module[..end].ends_with(name.as_str())))
    }

    /// The tokens whose rows in a layer are replaced.
    pub fn indices(&self, layer: &str, is_input: bool) -> Option<&[u32]> {
        match &self.token_indices {
            TokenIndices::None => None,
            TokenIndices::Input(ids) => is_input.then_some(ids),
            TokenIndices::All(ids) => Some(ids),
            TokenIndices::Layers(layers) => {
                let found = layers.iter().find(|(name, _)| layer == *name || ends_with(layer, name));
                found.map(|(_, ids)| ids.as_slice())
            }
        }
    }
}

/// PEFT's interpretation of `init_lora_weights` when it opens an adapter.
fn taken(value: &Value) -> Result<Taken> {
    let name = match value {
        Value::Null | Value::Bool(_) => return Ok(Taken::Nothing),
        Value::String(name) => name.as_str(),
        other => return Err(wrong("init_lora_weights", other, "a name, true or false")),
    };
    const CONVERT: &str =
        "`save_pretrained(…, path_initial_model_for_weight_conversion=…)` of PEFT makes plain LoRA of it";
    let refuse =
        |why: &str| Err(Error::new(WHO, format!("`init_lora_weights: {name}` is not supported: {why}")).help(CONVERT));
    match name.to_lowercase().as_str() {
        "true" | "false" | "gaussian" | "eva" | "orthogonal" | "mica" => Ok(Taken::Nothing),
        "pissa" => Ok(Taken::Principal),
        "olora" => Ok(Taken::Leading),
        other if other.starts_with("pissa_niter_") => {
            refuse("PEFT takes a part out of the base that depends on its random numbers")
        }
        "loftq" => refuse("PEFT quantizes the base when it opens it"),
        "corda" => refuse("what was taken out of the base is not in the folder"),
        "lora_ga" => refuse("what was taken out of the base is not in the folder"),
        _ => refuse("it is not known here, and may change the base"),
    }
}

/// Not null, false, empty or 0.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn whole(key: &str, value: &Value) -> Result<usize> {
    value.as_u64().map(|number| number as usize).ok_or_else(|| wrong(key, value, "a whole number"))
}

fn ids_of(key: &str, value: &Value) -> Result<Vec<u32>> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let list = value.as_array().ok_or_else(|| wrong(key, value, "a list of token ids"))?;
    list.iter().map(|value| id(value).ok_or_else(|| wrong(key, value, "a token id"))).collect()
}
