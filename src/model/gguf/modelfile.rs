//! A `Modelfile` beside a `.gguf`, from which Ollama creates a model: the chat template in Ollama's form, the stop strings, and
//! the defaults of `generation_config.json`.

use crate::model::Model;
use crate::token::{Around, Tokenizer, TurnForm};
use crate::{Error, Result, files, progress};
use std::path::Path;

const WHO: &str = "save";

/// Ollama's parameters, and their names in transformers.
const PARAMETERS: [(&str, &str); 5] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("repeat_penalty", "repetition_penalty"),
];

impl Model {
    /// Writes `NAME.Modelfile` beside the file `NAME.gguf`.
    pub fn save_modelfile(&self, gguf: &Path, tokenizer: &Tokenizer) -> Result<()> {
        let Some(name) = gguf.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::new(WHO, format!("{} is no name that a Modelfile can hold", gguf.display())));
        };
        let path = gguf.with_extension("Modelfile");
        let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = gguf.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut text = format!("# ollama create {stem} -f {own}\nFROM ./{name}\n");
        match tokenizer.own_template().map(|_| tokenizer.turn_form().and_then(|form| Some((written(&form)?, form)))) {
            Some(Some((template, form))) => {
                text += &format!("TEMPLATE \"\"\"{template}\"\"\"\n");
                if let Some(system) = &form.default_system {
                    text += &format!("SYSTEM \"\"\"{system}\"\"\"\n");
                }
                let stop = form.assistant.behind.trim();
                if !stop.is_empty() {
                    text += &format!("PARAMETER stop {}\n", quoted(stop));
                }
            }
            Some(None) => progress::warn(
                WHO,
                format!(
                    "{own} has no template: this one does more than to write each message between two texts, which is what Ollama's \
                     templates do. Ollama takes one that it knows by the file's, or none"
                ),
            ),
            None => {}
        }
        let defaults = self.generation_config();
        for (theirs, ours) in PARAMETERS {
            if let Some(value) = defaults.get(ours).filter(|value| value.is_number()) {
                text += &format!("PARAMETER {theirs} {value}\n");
            }
        }
        files::write_all(WHO, &path, text.as_bytes())
    }
}

/// A quoted text. Ollama takes the content literally, without escapes: a multi-line text is enclosed in triple quotes.
fn quoted(text: &str) -> String {
    let quotes = if text.contains('\n') { "\"\"\"" } else { "\"" };
    format!("{quotes}{text}{quotes}")
}

/// The template in Go's language: a message of each role, and the beginning of an answer after the last.
fn written(form: &TurnForm) -> Option<String> {
    let parts = [&form.system, &form.user, &form.assistant];
    let texts = parts.iter().flat_map(|part| [&part.before, &part.behind]).chain(&form.default_system);
    let ends_quotes = |text: &str| text.contains("\"\"\"") || text.trim().starts_with("\"\"");
    if texts.into_iter().any(|text| text.contains("{{") || ends_quotes(text)) {
        return None;
    }
    let turn = |Around { before, behind }: &Around| format!("{before}{{{{ .Content }}}}{behind}");
    Some(format!(
        "{{{{ range .Messages }}}}{{{{ if eq .Role \"system\" }}}}{}{{{{ else if eq .Role \"user\" }}}}{}{{{{ else if eq .Role \
         \"assistant\" }}}}{}{{{{ end }}}}{{{{ end }}}}{}",
        turn(&form.system),
        turn(&form.user),
        turn(&form.assistant),
        form.assistant.before
    ))
}
