//! Opens a tokenizer from each of its formats.

use super::assemble::{assemble, complete};
use super::class::Class;
use super::config::{Settings, content, read_json, read_text};
use super::pipeline::{self, by_ids};
use super::{added, flags, sentencepiece, tekken, tiktoken, wordpiece};
use crate::format::gguf::Gguf;
use crate::token::Tokenizer;
use crate::token::engine::WHO;
use crate::{Error, Result, bail, files, progress};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

impl Tokenizer {
    /// Opens a Hugging Face folder, a `tokenizer.json`, a `vocab.json` with its `merges.txt`, a `vocab.txt`, a `tokenizer.model`
    /// of SentencePiece or tiktoken, a `tekken.json`, or a `.gguf`. Unused settings of its files are reported, a line each.
    pub fn open(path: impl AsRef<Path>) -> Result<Tokenizer> {
        let path = path.as_ref();
        files::readable(WHO, path)?;
        let is_folder = files::is_folder(path);
        files::settle(WHO, if is_folder { path } else { path.parent().unwrap_or(path) })?;
        let tokenizer = if is_folder { open_folder(path)? } else { open_file(path)? };
        for line in tokenizer.unused() {
            progress::warn(WHO, format_args!("{}: {line}", path.display()));
        }
        Ok(tokenizer)
    }
}

const FORMS: &str = "it takes a Hugging Face folder, tokenizer.json, vocab.json with merges.txt, vocab.txt (WordPiece), \
                     tokenizer.model (SentencePiece or tiktoken), tekken.json, or a .gguf";

fn open_file(path: &Path) -> Result<Tokenizer> {
    if !files::exists(path) {
        bail!(WHO, "{} is not there", path.display());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("gguf") => Tokenizer::of_gguf(&Gguf::open(path).map_err(|error| error.attributed_to(WHO))?)
            .map_err(|error| error.at(path.display())),
        Some("json") if name.ends_with("vocab.json") => {
            open_pair(path, &folder.join(name.replace("vocab.json", "merges.txt")), folder)
        }
        Some("json") if name.contains("tekken") => open_tekken(path, folder),
        Some("json") => open_json(path, folder),
        Some("txt") if name.ends_with("vocab.txt") => wordpiece::open(path, Settings::read(folder)?),
        Some("txt") if name.ends_with("merges.txt") => {
            open_pair(&folder.join(name.replace("merges.txt", "vocab.json")), path, folder)
        }
        Some("model" | "spm" | "tiktoken") => open_model(path, folder),
        _ => Err(Error::new(WHO, format!("{} is not a tokenizer file", path.display())).help(FORMS)),
    }
}

/// File names of SentencePiece models.
const MODELS: [&str; 5] = ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model", "tiktoken.model"];

fn open_folder(folder: &Path) -> Result<Tokenizer> {
    let file = |name: &str| Some(folder.join(name)).filter(|path| files::is_file(path));
    if let Some(path) = file("tokenizer.json") {
        return open_json(&path, folder);
    }
    if let (Some(vocab), Some(merges)) = (file("vocab.json"), file("merges.txt")) {
        return open_pair(&vocab, &merges, folder);
    }
    if let Some(path) = file("vocab.txt") {
        return wordpiece::open(&path, Settings::read(folder)?);
    }
    // before SentencePiece's: a Mistral folder may also hold the file of an earlier model
    if let Some(path) = file("tekken.json") {
        return open_tekken(&path, folder);
    }
    if let Some(path) = MODELS.into_iter().find_map(file) {
        return open_model(&path, folder);
    }
    if let [path] = ending(folder, "tiktoken")?.as_slice() {
        return open_model(path, folder);
    }
    match ending(folder, "gguf")?.as_slice() {
        [one] => open_file(one),
        [] => Err(Error::new(WHO, format!("there is no tokenizer in the folder {}", folder.display())).help(FORMS)),
        several => Err(Error::new(WHO, format!("{} holds {} .gguf files", folder.display(), several.len()))
            .help("name one of them")),
    }
}

fn open_tekken(path: &Path, folder: &Path) -> Result<Tokenizer> {
    tekken::open(&read_json(path)?, Settings::read(folder)?).map_err(|error| error.at(path.display()))
}

/// The files of a folder with this suffix.
fn ending(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut paths = files::list(WHO, folder)?;
    paths.retain(|path| path.extension().is_some_and(|own| own == ending));
    Ok(paths)
}

fn open_json(path: &Path, folder: &Path) -> Result<Tokenizer> {
    let mut spec = read_json(path)?;
    let mut settings = Settings::read(folder)?;
    let told = |error: Error| error.at(path.display());
    if spec.is_object() {
        // of files with `LlamaTokenizer`, those of Llama 3 are different
        if settings.class == Class::Llama && is_byte_level(&spec) {
            settings.class = Class::AsItIs;
        }
        if settings.class != Class::Unnamed {
            settings.take_class_tokens();
        }
        flags::apply(&mut spec, &mut settings);
        added::complete(&mut spec, &mut settings).map_err(told)?;
        pipeline::renew_ends(&mut spec, &settings);
    }
    assemble(spec, settings).map_err(told)
}

fn is_byte_level(spec: &Value) -> bool {
    ["pre_tokenizer", "decoder"].into_iter().any(|part| spec[part].to_string().contains("\"ByteLevel\""))
}

/// `vocab.json` and `merges.txt`: byte-level BPE, split as in its class; as in GPT-2 if none is named.
fn open_pair(vocab: &Path, merges: &Path, folder: &Path) -> Result<Tokenizer> {
    let Value::Object(entries) = read_json(vocab)? else { bail!(WHO, "{}: this is not a map", vocab.display()) };
    let lines: Vec<Value> = read_text(merges)?
        .lines()
        .filter(|line| !line.starts_with("#version") && !line.is_empty())
        .map(|line| json!(line))
        .collect();
    let mut settings = Settings::read(folder)?;
    settings.take_class_tokens();
    if settings.class == Class::Unnamed {
        // a vocabulary other than GPT-2's may have no EOS
        settings.config.retain(|_, token| {
            content(token).is_none_or(|token| token != "<|endoftext|>" || entries.contains_key(token))
        });
    }
    let spec = pipeline::build(by_ids(entries, lines), &settings);
    spec.and_then(|spec| complete(spec, settings)).map_err(|error| error.at(vocab.display()))
}

/// `tokenizer.model`: SentencePiece, or tiktoken's lines under the same name.
fn open_model(path: &Path, folder: &Path) -> Result<Tokenizer> {
    let bytes = files::read(WHO, path)?;
    let settings = Settings::read(folder)?;
    let opened = match tiktoken::is(&bytes) {
        true => tiktoken::open(&bytes, &path.file_name().unwrap_or_default().to_string_lossy(), settings),
        false => sentencepiece::open(&bytes, settings),
    };
    opened.map_err(|error| error.at(path.display()))
}
