//! The architectures, one file each: the file's name is the `model_type` of `config.json`, with `_` for `-`.
//!
//! To add an architecture, add a file and its line in [`ALL`].

mod albert;
mod bert;
mod camembert;
mod deberta_v2;
mod distilbert;
mod electra;
mod gemma2;
mod gemma3_text;
mod gpt2;
mod llama;
mod mistral;
mod modernbert;
mod nomic_bert;
mod phi3;
mod qwen2;
mod qwen3;
mod rates;
mod roberta;
mod xlm_roberta;

use super::fields::Fields;
use super::head::{embed, token};
use super::pooling::Pooling;
use super::spec::{Arch, Blueprint, Head, NewHead};
use crate::{Error, Result};
use serde_json::{Map, Value, json};

/// Every architecture that levain can build.
pub const ALL: &[&Arch] = &[
    &albert::ARCH,
    &bert::ARCH,
    &camembert::ARCH,
    &deberta_v2::ARCH,
    &distilbert::ARCH,
    &electra::ARCH,
    &gemma2::ARCH,
    &gemma3_text::ARCH,
    &gpt2::ARCH,
    &llama::ARCH,
    &mistral::ARCH,
    &modernbert::ARCH,
    &nomic_bert::ARCH,
    &phi3::ARCH,
    &qwen2::ARCH,
    &qwen3::ARCH,
    &roberta::ARCH,
    &xlm_roberta::ARCH,
];

/// The architecture with this `model_type`.
pub fn find(model_type: &str) -> Option<&'static Arch> {
    ALL.iter().copied().find(|arch| arch.model_type() == model_type)
}

/// Like [`find`], but an error if there is none.
pub fn named(model_type: &str) -> Result<&'static Arch> {
    find(model_type).ok_or_else(|| {
        Error::new("model", format!("model_type `{model_type}` is not supported"))
            .choose(model_type, ALL.iter().map(|arch| arch.model_type()))
    })
}

/// The model described by a complete `config.json`; its `architectures` choose the head, unless `wanted` does.
pub fn read(mut json: Map<String, Value>, wanted: Option<&NewHead>) -> Result<Blueprint> {
    let arch = named(Fields(&json).text("model_type")?)?;
    if let Some(head) = wanted {
        head.write(&mut json);
    }
    let fields = Fields(&json);
    let head = match wanted {
        Some(head) => arch.head(&head.name)?,
        None => head_of(arch, &fields)?,
    };
    let mut config = (arch.config)(&fields)?;
    if !arch.layout.causal {
        config.dropout = rates::dropout(&fields, arch.model_type(), arch.layout.heads.drops_input)?;
    }
    config.labels = fields.labels()?;
    config.problem = fields.problem(config.labels)?;
    config.crf = head.name == token::HEAD.name && fields.bool_or("crf", false)?;
    if head.name == embed::HEAD.name {
        config.pooling = wanted.and_then(|head| head.pooling).unwrap_or(Pooling::Mean);
        config.normalize = wanted.and_then(|head| head.normalize).unwrap_or(false);
    }
    config.check()?;
    config.output = (head.output)(&config);
    let class = fields.class();
    if arch.heads.iter().all(|(own, of)| Some(*own) != class || of.name != head.name) {
        json.insert("architectures".into(), json!([arch.class(head)]));
    }
    config.json = json;
    Ok(Blueprint { arch, head, config })
}

/// The head of the file's class; the base if the file names none.
fn head_of(arch: &'static Arch, fields: &Fields) -> Result<&'static Head> {
    let Some(class) = fields.class() else {
        let base = if arch.layout.causal { "" } else { embed::HEAD.name };
        return Ok(arch.head(base).unwrap_or(arch.heads[0].1));
    };
    if let Some((_, head)) = arch.heads.iter().find(|(own, _)| *own == class) {
        return Ok(head);
    }
    let names: Vec<String> = arch.heads.iter().map(|(_, head)| format!("`#{{ head: \"{}\" }}`", head.name)).collect();
    Err(Error::new("model", format!("the head of `{class}` is not supported"))
        .help(format!("to put a new head on it, open it with {}", names.join(" or "))))
}

/// Completes the `config.json` of a new model. One that names its `architectures` is already complete; otherwise the
/// architecture's defaults are added, and an unknown key is an error.
pub fn complete(given: Map<String, Value>) -> Result<Map<String, Value>> {
    if given.contains_key("architectures") {
        return Ok(given);
    }
    let arch = named(Fields(&given).text("model_type")?)?;
    let own = |(key, value): (String, Value)| (arch.own_key(&key).to_string(), value);
    let given: Map<String, Value> = given.into_iter().filter(|(_, value)| !value.is_null()).map(own).collect();
    let mut json = Map::new();
    json.insert("architectures".into(), json!([arch.heads[0].0]));
    json.insert("model_type".into(), json!(arch.model_type()));
    json.insert("vocab_size".into(), json!(Fields(&given).count(&["vocab_size"])?));
    if let Value::Object(defaults) = (arch.defaults)(&Fields(&given))? {
        json.extend(defaults);
    }
    if let Some(key) = given.keys().find(|key| !json.contains_key(*key)) {
        let error = Error::new("model", format!("a {} config has no `{key}`", arch.model_type()));
        return Err(error.choose(key, json.keys().map(String::as_str)));
    }
    json.extend(given);
    Ok(json)
}
