//! Embeddings that support adapters: tables indexed by ids, positions or types, and separately trained rows.

use crate::model::config::Config;
use crate::model::spec::Head;
use crate::model::weights::Weights;
use crate::{Error, Result, bail};
use std::collections::BTreeMap;

const WHO: &str = "attach_lora";

/// Tables other than the token embeddings: their module names in transformers.
const BESIDE: [&str; 3] = ["wpe", "position_embeddings", "token_type_embeddings"];

/// The module name of a weight.
fn layer(weight: &str) -> &str {
    weight.strip_suffix(".weight").unwrap_or(weight)
}

/// Every lookup table: its name, and `[embedding, rows]`, the shape for LoRA.
pub fn lookups(config: &Config, weights: &Weights) -> Vec<(String, [usize; 2])> {
    let layout = config.layout;
    let mut found = vec![(layer(layout.embeddings).to_string(), [config.embedding, config.vocab])];
    let is_beside = |name: &str| {
        let last = layer(name).rsplit('.').next().unwrap_or_default();
        BESIDE.contains(&last) && !name.starts_with(layout.blocks)
    };
    found.extend(weights.iter().filter(|(name, _)| is_beside(name)).filter_map(
        |(name, weight)| match *weight.dims() {
            [rows, width] => Some((layer(name).to_string(), [width, rows])),
            _ => None,
        },
    ));
    found
}

/// The separately trained rows, by the name of the embeddings: `None` is the input embeddings.
pub type TokenIndices = BTreeMap<Option<String>, Vec<u32>>;

/// The selected tables, with their validated ids. A copy of tied embeddings is included if its rows differ from the input's: as
/// in PEFT, they are then untied.
pub fn rows(config: &Config, head: &Head, indices: &TokenIndices) -> Result<BTreeMap<String, Vec<u32>>> {
    let mut found = BTreeMap::new();
    for (name, ids) in indices {
        let table = table(config, head, name.as_deref())?;
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        match (sorted.last(), sorted.windows(2).find(|pair| pair[0] == pair[1])) {
            (None, _) => bail!(WHO, "`trainable_token_indices` names no ids of `{}`", layer(&table)),
            (Some(&last), _) if last as usize >= config.vocab => {
                bail!(WHO, "`trainable_token_indices` names id {last}, and the embeddings have {} rows", config.vocab)
            }
            (_, Some(twice)) => bail!(WHO, "`trainable_token_indices` names id {} twice", twice[0]),
            _ => {}
        }
        if let Some(other) = found.insert(table.clone(), ids.clone())
            && other != *ids
        {
            bail!(WHO, "`trainable_token_indices` names other ids of `{}` a second time", layer(&table));
        }
    }
    if config.tied {
        let input = found.get(config.layout.embeddings).cloned();
        found.retain(|table, ids| table == config.layout.embeddings || input.as_ref() != Some(&*ids));
    }
    Ok(found)
}

/// The weight that a name refers to.
fn table(config: &Config, head: &Head, name: Option<&str>) -> Result<String> {
    let input = config.layout.embeddings.to_string();
    let Some(name) = name else { return Ok(input) };
    let mut known = vec![(layer(&input).to_string(), input.clone())];
    match &config.output {
        Some(_) if config.tied => {
            let copies = (head.ties)(config).into_iter().filter(|(_, of)| *of == input);
            known.extend(copies.map(|(copy, _)| (layer(&copy).to_string(), copy)));
        }
        Some(output) => known.push((output.layer().to_string(), output.weight.clone())),
        None => {}
    }
    let named = |module: &str| module == name || module.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    if let Some((_, table)) = known.iter().find(|(module, _)| named(module)) {
        return Ok(table.clone());
    }
    let modules: Vec<&str> = known.iter().map(|(module, _)| module.as_str()).collect();
    let error = Error::new(WHO, format!("`trainable_token_indices` names `{name}`, which are no embeddings of ids"));
    Err(error.meant(name, modules.iter().copied()).or_help(format!("this model has {}", modules.join(", "))))
}
