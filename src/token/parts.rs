//! Checks the parts of a description before they are built: regular expressions as Oniguruma reads them, and input on which the
//! engine would panic.

use crate::token::{charsmap, oniguruma};
use crate::{Result, bail};
use serde_json::{Value, json};

const WHO: &str = "tokenizer";

/// Checks a normalizer, pre-tokenizer, post-processor or decoder, and rewrites its expressions.
pub fn check(part: &mut Value, normalizer: bool) -> Result<()> {
    if let Some(same) = ends_stripped(part) {
        *part = same;
    }
    match part {
        Value::Array(steps) => return steps.iter_mut().try_for_each(|step| check(step, normalizer)),
        Value::Object(_) => {}
        _ => return Ok(()),
    }
    if part["type"] == "FixedLength" && part["length"] == 0 {
        bail!(WHO, "a step cuts text into parts of the length 0");
    }
    if part["type"] == "TemplateProcessing" {
        template(part)?;
    }
    let kind = part["type"].as_str().unwrap_or_default().to_string();
    let Some(fields) = part.as_object_mut() else { return Ok(()) };
    if let Some(pattern) = fields.get_mut("pattern") {
        if pattern.get("String").is_some_and(|text| text == "") {
            bail!(WHO, "a step looks for a pattern that is empty");
        }
        if let Some(Value::String(pattern)) = pattern.get_mut("Regex") {
            let (written, empty) = oniguruma::translate(pattern)?;
            if empty && normalizer && kind == "Replace" {
                bail!(WHO, "a step replaces what matches `{pattern}`, which may be nothing");
            }
            *pattern = written;
        }
    }
    if let Some(map) = fields.get("precompiled_charsmap") {
        charsmap::check(map.as_str().unwrap_or_default())?;
    }
    fields.values_mut().filter(|value| value.is_array()).try_for_each(|steps| check(steps, normalizer))
}

/// Checks that every special token of a template is described.
fn template(part: &Value) -> Result<()> {
    let pieces = ["single", "pair"].into_iter().filter_map(|name| part.get(name)?.as_array()).flatten();
    for id in pieces.filter_map(|piece| piece.get("SpecialToken")?.get("id")?.as_str()) {
        if part.get("special_tokens").and_then(|known| known.get(id)).is_none() {
            bail!(WHO, "its post-processor puts `{id}` around a text and does not say what that is");
        }
    }
    Ok(())
}

/// A decoder that strips letters from the ends of tokens, as expressions: the engine's own panics on an empty token.
fn ends_stripped(part: &Value) -> Option<Value> {
    let (start, stop) = (part.get("start")?.as_u64()?, part.get("stop")?.as_u64()?);
    if part["type"] != "Strip" || stop == 0 {
        return None;
    }
    let letter = regex_syntax::escape(part["content"].as_str()?);
    let replace = |pattern: String| json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": ""});
    let first = (start > 0).then(|| replace(format!(r"\A(?:{letter}){{1,{start}}}")));
    let last = replace(format!(r"(?:{letter}){{1,{stop}}}\z"));
    Some(json!({"type": "Sequence", "decoders": first.into_iter().chain([last]).collect::<Vec<Value>>()}))
}
