//! The fields of a `config.json`, in the forms of transformers 4 and 5.

use super::config::Problem;
use crate::files::{self, Stage};
use crate::{Error, Result, bail};
use serde_json::{Map, Value};
use std::path::Path;

/// A JSON file of a model's folder.
pub fn read_json(file: &Path) -> Result<Value> {
    let text = files::text("model", file)?;
    serde_json::from_str(&text).map_err(|error| Error::new("model", format!("{} is not JSON: {error}", file.display())))
}

/// Writes a JSON file of a model's folder.
pub fn write_json(stage: &Stage, name: &str, json: &Value) -> Result<()> {
    stage.write_all(name, format!("{json:#}\n").as_bytes())
}

/// The fields of a `config.json`, under any of the names used for a field.
pub struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The first of `names` that is present and not null.
    pub fn get(&self, names: &[&str]) -> Option<&'a Value> {
        names.iter().find_map(|name| self.0.get(*name)).filter(|value| !value.is_null())
    }

    /// The fields of the object under `name`.
    pub fn under(&self, name: &str) -> Option<Fields<'a>> {
        self.get(&[name]).and_then(Value::as_object).map(Fields)
    }

    pub fn count(&self, names: &[&str]) -> Result<usize> {
        match self.get(names) {
            Some(value) => whole(names[0], value),
            None => bail!("model", "`{}` is missing", names[0]),
        }
    }

    /// A number of layers. Names and specs of every layer are made before the first weight: too many would end the process.
    pub fn layers(&self, names: &[&str]) -> Result<usize> {
        const MOST: usize = 1 << 16;
        match self.count(names)? {
            layers if layers <= MOST => Ok(layers),
            layers => bail!("model", "`{}` is {layers}, above {MOST}", names[0]),
        }
    }

    pub fn count_or(&self, names: &[&str], otherwise: usize) -> Result<usize> {
        self.get(names).map_or(Ok(otherwise), |value| whole(names[0], value))
    }

    pub fn float_or(&self, names: &[&str], otherwise: f64) -> Result<f64> {
        match self.get(names) {
            None => Ok(otherwise),
            Some(value) => match value.as_f64() {
                Some(number) if number.is_finite() => Ok(number),
                _ => bail!("model", "`{}` is {value}, not a number", names[0]),
            },
        }
    }

    pub fn bool_or(&self, name: &str, otherwise: bool) -> Result<bool> {
        match self.get(&[name]) {
            None => Ok(otherwise),
            Some(value) => match value.as_bool() {
                Some(value) => Ok(value),
                None => bail!("model", "`{name}` is {value}, not true or false"),
            },
        }
    }

    pub fn text(&self, name: &str) -> Result<&'a str> {
        match self.get(&[name]).map(|value| (value, value.as_str())) {
            Some((_, Some(text))) => Ok(text),
            Some((value, None)) => bail!("model", "`{name}` is {value}, not a string"),
            None => bail!("model", "`{name}` is missing"),
        }
    }

    pub fn text_or(&self, names: &[&str], otherwise: &'a str) -> &'a str {
        self.get(names).and_then(Value::as_str).unwrap_or(otherwise)
    }

    /// Ids given as a single id or a list.
    pub fn ids(&self, name: &str) -> Vec<u32> {
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        match self.get(&[name]) {
            Some(Value::Array(many)) => many.iter().filter_map(id).collect(),
            Some(one) => id(one).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Attention heads of a new model: one per 64 of its hidden size.
    pub fn heads(&self, hidden: usize) -> Result<usize> {
        match self.count_or(&["num_attention_heads", "n_head"], (hidden / 64).max(1))? {
            0 => bail!("model", "`num_attention_heads` is 0"),
            heads => Ok(heads),
        }
    }

    /// Head size of a new model: the hidden size divided by the heads.
    pub fn head_dim(&self, hidden: usize, heads: usize) -> Result<usize> {
        if self.get(&["head_dim"]).is_none() && !hidden.is_multiple_of(heads) {
            bail!("model", "hidden_size {hidden} is not divisible by {heads} heads");
        }
        Ok(hidden / heads)
    }

    /// The number of classes: from `id2label`, from `num_labels`, or two.
    pub fn labels(&self) -> Result<usize> {
        match self.get(&["id2label"]) {
            Some(Value::Object(names)) if !names.is_empty() => {
                match (0..names.len()).find(|id| !names.contains_key(&id.to_string())) {
                    Some(id) => bail!("model", "`id2label` names {} classes, and none is {id}", names.len()),
                    None => Ok(names.len()),
                }
            }
            Some(Value::Object(_)) | None => match self.count_or(&["num_labels"], 2)? {
                0 => bail!("model", "`num_labels` is 0"),
                count => Ok(count),
            },
            Some(other) => bail!("model", "`id2label` is {other}, not a map of names"),
        }
    }

    /// The names of the classes.
    pub fn label_names(&self, count: usize) -> Vec<String> {
        let names = self.get(&["id2label"]).and_then(Value::as_object);
        let name = |id: usize| match names.and_then(|names| names.get(&id.to_string())) {
            Some(Value::String(name)) => name.clone(),
            Some(other) => other.to_string(),
            None => format!("LABEL_{id}"),
        };
        (0..count).map(name).collect()
    }

    /// `problem_type`; if not given, one class means regression, and several are alternatives.
    pub fn problem(&self, labels: usize) -> Result<Problem> {
        match self.get(&["problem_type"]).map(|value| (value, value.as_str())) {
            None if labels == 1 => Ok(Problem::Regression),
            None => Ok(Problem::SingleLabel),
            Some((_, Some(name))) => Problem::named("model", name),
            Some((value, None)) => bail!("model", "`problem_type` is {value}, not a string"),
        }
    }

    /// `layer_types`: which layers have a sliding window.
    pub fn sliding_layers(&self, layers: usize) -> Result<Option<Vec<bool>>> {
        let kinds = match self.get(&["layer_types"]) {
            None => return Ok(None),
            Some(Value::Array(kinds)) if kinds.len() == layers => kinds,
            Some(Value::Array(kinds)) => {
                bail!("model", "`layer_types` has {} entries for {layers} layers", kinds.len())
            }
            Some(other) => bail!("model", "`layer_types` is {other}, not a list"),
        };
        let slides = |(layer, kind): (usize, &Value)| match kind.as_str() {
            Some("sliding_attention") => Ok(true),
            Some("full_attention") => Ok(false),
            _ => {
                bail!("model", "`layer_types` of layer {layer} is {kind}, neither sliding_attention nor full_attention")
            }
        };
        kinds.iter().enumerate().map(slides).collect::<Result<_>>().map(Some)
    }

    /// The first of `architectures`.
    pub fn class(&self) -> Option<&'a str> {
        self.get(&["architectures"])?.as_array()?.first()?.as_str()
    }
}

fn whole(name: &str, value: &Value) -> Result<usize> {
    match value.as_u64().and_then(|value| usize::try_from(value).ok()) {
        Some(value) if value < 1 << 40 => Ok(value),
        _ => bail!("model", "`{name}` is {value}, not a whole number that makes sense"),
    }
}
