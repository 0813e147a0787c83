//! A served model and its name.

use super::grammar::Grammars;
use crate::model::Model;
use crate::token::Tokenizer;
use crate::{Error, Result, bail};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

/// A model with its tokenizer, under its name in requests.
pub struct Served {
    pub name: String,
    pub net: Model,
    pub tok: Tokenizer,
    /// Ids that end a text.
    pub ends: BTreeSet<u32>,
    /// `generation_config.json`: the defaults of requests.
    pub defaults: Map<String, Value>,
    grammars: OnceLock<Result<Grammars>>,
}

impl Served {
    pub fn new(name: &str, net: &Model, tok: &Tokenizer) -> Result<Served> {
        net.check_vocabulary("serve", tok)?;
        if name.is_empty() || name.chars().any(char::is_control) {
            bail!("serve", "`{}` is no name for a model", name.escape_debug());
        }
        Ok(Served {
            name: name.to_string(),
            net: net.clone(),
            tok: tok.clone(),
            ends: net.ends().into_iter().chain(tok.eos()).collect(),
            defaults: net.generation_config(),
            grammars: OnceLock::new(),
        })
    }

    /// The same model with a PEFT adapter; the weights are shared.
    pub fn adapted(&self, name: &str, folder: &Path) -> Result<Served> {
        let net = self.net.share()?;
        net.open_lora(folder).map_err(|error| error.attributed_to("serve"))?;
        Served::new(name, &net, &self.tok)
    }

    /// Whether it generates text.
    pub fn is_causal(&self) -> bool {
        self.net.check_causal("serve").is_ok()
    }

    /// Whether it scores how well a text answers a query.
    pub fn reranks(&self) -> bool {
        self.net.head() == "sequence" && self.net.config().labels == 1
    }

    /// Maximum number of tokens of a prompt and its answer.
    pub fn context(&self) -> usize {
        self.net.config().max_positions
    }

    /// The vocabulary data for grammars, computed once.
    pub fn grammars(&self) -> Result<&Grammars> {
        let made = self.grammars.get_or_init(|| Grammars::new(&self.tok, &self.ends, self.net.config().vocab));
        made.as_ref().map_err(Error::clone)
    }
}
