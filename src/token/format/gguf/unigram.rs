//! A Unigram tokenizer as the metadata of a `.gguf`: llama.cpp's `t5`.

use super::tokens::{Entry, list};
use crate::format::gguf::Value as Meta;
use crate::token::base64;
use crate::{Error, Result};
use serde_json::Value;

/// The treatment of white space and letters by a normalizer and a pre-tokenizer, in llama.cpp's terms.
#[derive(Default)]
struct Cleaning {
    /// The replacements of SentencePiece's normalizer.
    charsmap: Vec<u8>,
    /// Runs of spaces are reduced to one, and removed at the ends.
    one_space: bool,
    prefix: bool,
}

/// The model's entries for `rows` rows; those beyond its tokens have the lowest score.
pub fn metadata(spec: &Value, rows: usize) -> Result<Vec<Entry>> {
    if spec["model"]["byte_fallback"] == true {
        let error = "llama.cpp's Unigram has no bytes for letters that it does not know, and this tokenizer has";
        return Err(Error::new("save", error).help("a folder keeps it as it is: name one"));
    }
    let mut cleaning = Cleaning::default();
    for part in ["normalizer", "pre_tokenizer"] {
        cleaning.read(&spec[part])?;
    }
    let scores = spec["model"]["vocab"].as_array().into_iter().flatten().map(|row| row[1].as_f64().unwrap_or(0.0));
    let scores: Vec<f64> = scores.collect();
    let lowest = scores.iter().copied().fold(0.0, f64::min);
    let scores = (0..rows).map(|id| Meta::Float(scores.get(id).copied().unwrap_or(lowest)));
    let mut entries = vec![
        ("model", Meta::Text("t5".into())),
        ("pre", Meta::Text("default".into())),
        ("scores", list(scores)),
        ("add_space_prefix", Meta::Bool(cleaning.prefix)),
        ("remove_extra_whitespaces", Meta::Bool(cleaning.one_space)),
    ];
    if !cleaning.charsmap.is_empty() {
        let bytes = cleaning.charsmap.iter().map(|&byte| Meta::Int(byte.into()));
        entries.push(("precompiled_charsmap", list(bytes)));
    }
    Ok(entries)
}

impl Cleaning {
    fn read(&mut self, step: &Value) -> Result<()> {
        let steps = step.get("normalizers").or_else(|| step.get("pretokenizers")).and_then(Value::as_array);
        if let Some(steps) = steps {
            return steps.iter().try_for_each(|step| self.read(step));
        }
        let pattern = step["pattern"]["String"].as_str().or_else(|| step["pattern"]["Regex"].as_str());
        match (step["type"].as_str(), pattern) {
            (None, _) if step.is_null() => {}
            (Some("Precompiled"), _) => {
                let map = step["precompiled_charsmap"].as_str().unwrap_or_default();
                self.charsmap = base64::decode(map.as_bytes()).unwrap_or_default();
            }
            (Some("WhitespaceSplit"), _) => self.one_space = true,
            (Some("Metaspace"), _) => self.prefix = step["prepend_scheme"] != "never",
            (Some("Prepend"), _) if step["prepend"] == "▁" => self.prefix = true,
            (Some("Replace"), Some(" ")) if step["content"] == "▁" => {}
            // SentencePiece also inserts one before a text that begins with one
            (Some("Replace"), Some(r"\A▁")) if step["content"] == "▁▁" => self.prefix = true,
            // runs of spaces are reduced to one, and removed at the ends
            (Some("Replace"), Some(" {2,}" | r"\s{2,}")) => self.one_space = true,
            (Some("Replace"), Some(r"\A +| +\z")) | (Some("Strip"), _) => self.one_space = true,
            _ => {
                let error = format!("llama.cpp's Unigram has nothing for this step of a tokenizer: {step}");
                return Err(Error::new("save", error).help("a folder keeps it as it is: name one"));
            }
        }
        Ok(())
    }
}
