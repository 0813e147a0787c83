//! Checks files beside a model's weights that do not fit them, and prints a warning when the model is opened.

use super::config::Config;
use crate::text::thousands;
use crate::{Result, files, progress};
use std::path::Path;

/// A larger `tokenizer.json` is not checked: reading it would take longer than opening the model.
const LARGEST: u64 = 64 << 20;

/// Architectures whose positions and special tokens belong to byte-level BPE or Unigram.
const NOT_WORDPIECE: [&str; 3] = ["roberta", "xlm-roberta", "camembert"];

/// Checks the vocabulary in a model's folder.
pub fn tell(folder: &Path, config: &Config) -> Result<()> {
    let Some(list) = files::read_if_there("model", &folder.join("vocab.txt"))? else { return Ok(()) };
    let tokens = list.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count();
    let (place, model) = (folder.display(), config.model_type());
    if tokens > config.vocab {
        let (tokens, rows) = (thousands(tokens), thousands(config.vocab));
        let cure = "`net.resize_embeddings(tok.len())` grows them";
        progress::warn(
            "model",
            format!("{place}: vocab.txt has {tokens} tokens, and the embeddings {rows} rows: {cure}"),
        );
    }
    if NOT_WORDPIECE.contains(&model) && is_wordpiece(folder)? {
        let cure = "a BERT by that name (as Chinese RoBERTas are) needs `\"model_type\": \"bert\"` in its config.json";
        progress::warn("model", format!("{place}: a {model} with a WordPiece vocabulary: {cure}"));
    }
    Ok(())
}

/// Whether a folder with a `vocab.txt` has a WordPiece vocabulary, as far as its files show.
fn is_wordpiece(folder: &Path) -> Result<bool> {
    let here = |name: &str| files::exists(&folder.join(name));
    if ["merges.txt", "vocab.json", "sentencepiece.bpe.model", "spm.model"].into_iter().any(here) {
        return Ok(false);
    }
    let json = folder.join("tokenizer.json");
    if !files::exists(&json) || files::size(&json).is_none_or(|size| size > LARGEST) {
        return Ok(true);
    }
    let bytes = files::read_if_there("model", &json)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(["\"type\":\"WordPiece\"", "\"type\": \"WordPiece\""].into_iter().any(|sign| text.contains(sign)))
}
