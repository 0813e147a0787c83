//! Assembles a tokenizer from a description and its settings.

use super::config::{Settings, template_in};
use super::{added, pipeline};
use crate::Result;
use crate::token::{ExtensionInfo, Tokenizer, engine, special};
use serde_json::{Map, Value};

impl Tokenizer {
    /// The tokenizer described by a `tokenizer.json`, with an optional `tokenizer_config.json`, whose tokens are already in the
    /// former.
    pub fn from_json(spec: Value, config: Map<String, Value>) -> Result<Tokenizer> {
        assemble(spec, Settings::of(config))
    }
}

/// The tokenizer of a complete description.
pub fn assemble(spec: Value, settings: Settings) -> Result<Tokenizer> {
    let Settings { config, unused, .. } = settings;
    let template = template_in(&config);
    let engine = engine::build(spec)?;
    let ids = special::find(&engine, &config);
    let extension = config.get(ExtensionInfo::KEY).cloned();
    let tokenizer = Tokenizer::assemble(engine, config, ids, template);
    let extension = extension.map(|saved| ExtensionInfo::read(&saved, tokenizer.len())).transpose()?;
    Ok(tokenizer.with_extension(extension).with_unused(unused))
}

/// The tokenizer of a vocabulary in a pipeline: adds its added tokens and post-processor.
pub fn complete(mut spec: Value, mut settings: Settings) -> Result<Tokenizer> {
    added::complete(&mut spec, &mut settings)?;
    spec["post_processor"] = pipeline::surround(&spec, &settings);
    assemble(spec, settings)
}
