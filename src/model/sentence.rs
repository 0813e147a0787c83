//! sentence-transformers folders: their settings for pooling, length and prompts.

use super::fields::{Fields, read_json, write_json};
use super::pooling::Pooling;
use crate::files::{self, Stage};
use crate::{Error, Result, bail, progress};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The embedding settings of a folder.
#[derive(Clone, Debug, Default)]
pub struct Sentence {
    pub pooling: Option<Pooling>,
    pub normalize: bool,
    /// Maximum tokens of a text, including special ones.
    pub max_length: Option<usize>,
    pub lowercase: bool,
    /// Prefixes of a text, by name: `query`, `passage`.
    pub prompts: Vec<(String, String)>,
    pub default_prompt: Option<String>,
    /// The original `config_sentence_transformers.json`.
    json: Map<String, Value>,
}

const MODULES: &str = "modules.json";
const PROMPTS: &str = "config_sentence_transformers.json";
const LENGTH: &str = "sentence_bert_config.json";

/// The folder of the model itself: a subfolder, in old folders without a config of their own.
pub fn model_folder(folder: &Path) -> PathBuf {
    let inner = folder.join("0_Transformer");
    let is_old = files::exists(&folder.join(MODULES)) && !files::exists(&folder.join("config.json"));
    if is_old && files::exists(&inner.join("config.json")) { inner } else { folder.into() }
}

/// The settings, if it is a sentence-transformers folder.
pub fn read(folder: &Path) -> Result<Option<Sentence>> {
    let place = folder.join(MODULES);
    if !files::exists(&place) {
        return Ok(None);
    }
    let Value::Array(modules) = read_json(&place)? else {
        bail!("model", "{}: not a list of modules", place.display());
    };
    let mut sentence = Sentence::default();
    for module in modules.iter().filter_map(Value::as_object) {
        let fields = Fields(module);
        let (path, kind) = (folder.join(fields.text_or(&["path"], "")), fields.text("type")?);
        match kind.rsplit('.').next().unwrap_or(kind) {
            "Transformer" => sentence.read_length(&path)?,
            "Pooling" => sentence.pooling = Some(pooling(&path.join("config.json"))?),
            "Normalize" => sentence.normalize = true,
            other => {
                let error = format!("{}: a module of the kind `{other}` is not supported", place.display());
                return Err(Error::new("model", error).help("Transformer, Pooling and Normalize are"));
            }
        }
    }
    let prompts = folder.join(PROMPTS);
    if files::exists(&prompts)
        && let Value::Object(json) = read_json(&prompts)?
    {
        let fields = Fields(&json);
        if let Some(named) = fields.under("prompts") {
            let text = |(name, text): (&String, &Value)| Some((name.clone(), text.as_str()?.to_string()));
            sentence.prompts = named.0.iter().filter_map(text).collect();
        }
        sentence.default_prompt = fields.get(&["default_prompt_name"]).and_then(Value::as_str).map(String::from);
        sentence.json = json;
    }
    Ok(Some(sentence))
}

fn pooling(place: &Path) -> Result<Pooling> {
    let Value::Object(json) = read_json(place)? else { bail!("model", "{}: not a JSON object", place.display()) };
    let fields = Fields(&json);
    if !fields.bool_or("include_prompt", true)? {
        let what = "`include_prompt` is false: embeddings are made of the prompt's tokens too here";
        progress::warn("model", format!("{}: {what}", place.display()));
    }
    if let Some(name) = fields.get(&["pooling_mode"]).and_then(Value::as_str) {
        return Pooling::named("model", name).map_err(|error| error.at(place.display()));
    }
    let keys = [
        ("pooling_mode_cls_token", Pooling::First),
        ("pooling_mode_mean_tokens", Pooling::Mean),
        ("pooling_mode_max_tokens", Pooling::Max),
        ("pooling_mode_mean_sqrt_len_tokens", Pooling::MeanSqrt),
        ("pooling_mode_weightedmean_tokens", Pooling::WeightedMean),
        ("pooling_mode_lasttoken", Pooling::Last),
    ];
    let mut found = Vec::new();
    for (key, pooling) in keys {
        if fields.bool_or(key, false)? {
            found.push(pooling);
        }
    }
    match found[..] {
        [one] => Ok(one),
        [] => bail!("model", "{}: it names no pooling that is known here", place.display()),
        _ => bail!("model", "{}: {} poolings side by side are not supported", place.display(), found.len()),
    }
}

impl Sentence {
    fn read_length(&mut self, folder: &Path) -> Result<()> {
        // the file is named after the class that wrote it
        let names = ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"];
        let found = names.iter().map(|name| folder.join(format!("sentence_{name}_config.json")));
        let Some(place) = found.into_iter().find(|place| files::exists(place)) else { return Ok(()) };
        let Value::Object(json) = read_json(&place)? else { bail!("model", "{}: not a JSON object", place.display()) };
        let fields = Fields(&json);
        self.max_length = fields.get(&["max_seq_length"]).map(|_| fields.count(&["max_seq_length"])).transpose()?;
        self.lowercase = fields.bool_or("do_lower_case", false)?;
        Ok(())
    }

    /// The prompt of this name, or the default one.
    pub fn prompt(&self, name: Option<&str>) -> Result<&str> {
        let Some(name) = name.or(self.default_prompt.as_deref()) else { return Ok("") };
        match self.prompts.iter().find(|(own, _)| own == name) {
            Some((_, text)) => Ok(text),
            None => Err(Error::new("embed", format!("the model has no prompt `{name}`"))
                .choose(name, self.prompts.iter().map(|(name, _)| name.as_str()))),
        }
    }

    /// Writes the sentence-transformers files beside the model's.
    pub fn save(&self, stage: &Stage, pooling: Pooling, normalize: bool, width: usize) -> Result<()> {
        let kind = |name: &str| format!("sentence_transformers.models.{name}");
        let module = |at: usize, path: &str, name: &str| json!({ "idx": at, "name": at.to_string(), "path": path, "type": kind(name) });
        let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
        if normalize {
            modules.push(module(2, "2_Normalize", "Normalize"));
            stage.make_folder("2_Normalize")?;
        }
        let on = |own: Pooling| pooling == own;
        let how = json!({
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": on(Pooling::First),
            "pooling_mode_mean_tokens": on(Pooling::Mean),
            "pooling_mode_max_tokens": on(Pooling::Max),
            "pooling_mode_mean_sqrt_len_tokens": on(Pooling::MeanSqrt),
            "pooling_mode_weightedmean_tokens": on(Pooling::WeightedMean),
            "pooling_mode_lasttoken": on(Pooling::Last),
            "include_prompt": true,
        });
        write_json(stage, "1_Pooling/config.json", &how)?;
        let length = json!({ "max_seq_length": self.max_length, "do_lower_case": self.lowercase });
        write_json(stage, LENGTH, &length)?;
        let mut more = self.json.clone();
        more.entry("prompts").or_insert_with(|| json!({}));
        more.entry("default_prompt_name").or_insert(Value::Null);
        more.entry("similarity_fn_name").or_insert_with(|| json!("cosine"));
        write_json(stage, PROMPTS, &Value::Object(more))?;
        write_json(stage, MODULES, &Value::Array(modules))
    }
}
