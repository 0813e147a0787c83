//! The config's flags applied to a `tokenizer.json`. transformers rebuilds the pipeline of a known class with the flags of
//! `tokenizer_config.json`; here they change the corresponding parts of the file.

use super::class::Class;
use super::config::Settings;
use super::pipeline;
use serde_json::{Value, json};

/// Changes a description by the flags of its class. Flags that can't be applied are recorded.
pub fn apply(spec: &mut Value, settings: &mut Settings) {
    match settings.class {
        Class::Gpt2 | Class::Roberta | Class::Qwen2 | Class::Qwen35 | Class::NeoX | Class::Cohere => {
            prefix(spec, settings);
        }
        Class::Bert => bert(spec, settings),
        Class::Llama => llama(spec, settings),
        Class::Albert => albert(spec, settings),
        Class::XlmRoberta | Class::Camembert => metaspace(spec, settings),
        _ => unused(spec, settings),
    }
    around(spec, settings);
}

/// The steps of a pre-tokenizer or normalizer, which may be a single one.
fn parts<'v>(part: Option<&'v mut Value>, list: &str) -> Vec<&'v mut Value> {
    match part {
        None => Vec::new(),
        Some(part) if part["type"] == "Sequence" => {
            part.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().collect()
        }
        Some(part) => vec![part],
    }
}

fn of_type<'v>(part: Option<&'v mut Value>, list: &str, name: &str) -> Option<&'v mut Value> {
    parts(part, list).into_iter().find(|step| step["type"] == name)
}

/// `add_prefix_space` of byte-level BPE.
fn prefix(spec: &mut Value, settings: &mut Settings) {
    let Some(wanted) = settings.flag("add_prefix_space") else { return };
    match of_type(spec.get_mut("pre_tokenizer"), "pretokenizers", "ByteLevel") {
        Some(step) => step["add_prefix_space"] = json!(wanted),
        None => settings.unused.push(said("add_prefix_space")),
    }
}

fn said(flag: &str) -> String {
    format!("tokenizer_config.json: `{flag}` is not used: tokenizer.json says otherwise")
}

/// Records the given flags as unused.
fn note(settings: &mut Settings, flags: &[&str]) {
    let given: Vec<String> = flags.iter().filter(|flag| settings.flag(flag).is_some()).map(|flag| said(flag)).collect();
    settings.unused.extend(given);
}

/// `do_lower_case`, `tokenize_chinese_chars` and `strip_accents`.
fn bert(spec: &mut Value, settings: &mut Settings) {
    let Some(step) = of_type(spec.get_mut("normalizer"), "normalizers", "BertNormalizer") else {
        return note(settings, &["do_lower_case", "tokenize_chinese_chars", "strip_accents"]);
    };
    step["lowercase"] = json!(settings.flag("do_lower_case").unwrap_or(true));
    step["handle_chinese_chars"] = json!(settings.flag("tokenize_chinese_chars").unwrap_or(true));
    step["strip_accents"] = json!(settings.flag("strip_accents"));
}

/// Where a space is inserted before the text: `add_prefix_space` and `legacy`. Unchanged if a file has steps other than Llama's.
fn llama(spec: &mut Value, settings: &mut Settings) {
    let known = |part: Option<&mut Value>, list: &str| {
        parts(part, list).into_iter().all(|step| {
            step.is_null() || step["type"] == "Prepend" || step["type"] == "Metaspace" || is_space_to_underline(step)
        })
    };
    let usual =
        known(spec.get_mut("normalizer"), "normalizers") && known(spec.get_mut("pre_tokenizer"), "pretokenizers");
    if !usual || spec["model"]["type"] == "Unigram" {
        return note(settings, &["add_prefix_space", "legacy"]);
    }
    let prefix = settings.flag("add_prefix_space").unwrap_or(true);
    let (normalizer, pre, decoder) = pipeline::llama_parts(prefix, settings.flag("legacy").unwrap_or(false));
    spec["normalizer"] = normalizer;
    spec["pre_tokenizer"] = pre;
    spec["decoder"] = decoder;
}

fn is_space_to_underline(step: &Value) -> bool {
    step["type"] == "Replace" && step["pattern"]["String"] == " " && step["content"] == "▁"
}

/// `do_lower_case` and `keep_accents`, before the file's other normalizers.
fn albert(spec: &mut Value, settings: &mut Settings) {
    if settings.flag("do_lower_case").is_none() && settings.flag("keep_accents").is_none() {
        return;
    }
    let own = ["Lowercase", "NFKD", "StripAccents"];
    let quotes = |step: &Value| step["type"] == "Replace" && step["content"] == "\"";
    let rest: Vec<Value> = parts(spec.get_mut("normalizer"), "normalizers")
        .into_iter()
        .filter(|step| !step.is_null() && !quotes(step) && !own.iter().any(|name| step["type"] == *name))
        .map(|step| step.clone())
        .collect();
    spec["normalizer"] = pipeline::sequence(pipeline::albert(settings).into_iter().chain(rest).collect());
    metaspace(spec, settings);
}

/// `add_prefix_space` of SentencePiece.
fn metaspace(spec: &mut Value, settings: &mut Settings) {
    let Some(wanted) = settings.flag("add_prefix_space") else { return };
    let scheme = json!(if wanted { "always" } else { "never" });
    match of_type(spec.get_mut("pre_tokenizer"), "pretokenizers", "Metaspace") {
        Some(step) => step["prepend_scheme"] = scheme,
        None => return settings.unused.push(said("add_prefix_space")),
    }
    if spec["decoder"]["type"] == "Metaspace" {
        spec["decoder"]["prepend_scheme"] = json!(if wanted { "always" } else { "never" });
    }
}

/// `PreTrainedTokenizerFast` uses its file unchanged.
fn unused(spec: &mut Value, settings: &mut Settings) {
    let step = of_type(spec.get_mut("pre_tokenizer"), "pretokenizers", "ByteLevel");
    let is = step.and_then(|step| step["add_prefix_space"].as_bool());
    if settings.flag("add_prefix_space").is_some_and(|wanted| is.is_some_and(|is| is != wanted)) {
        settings.unused.push(said("add_prefix_space"));
    }
    let step = of_type(spec.get_mut("normalizer"), "normalizers", "BertNormalizer");
    let is = step.and_then(|step| step["lowercase"].as_bool());
    if settings.flag("do_lower_case").is_some_and(|wanted| is.is_some_and(|is| is != wanted)) {
        settings.unused.push(said("do_lower_case"));
    }
}

/// `add_bos_token` and `add_eos_token`: tokenizer.json determines the post-processor.
fn around(spec: &Value, settings: &mut Settings) {
    let processor = spec["post_processor"].to_string();
    for (flag, name) in [("add_bos_token", "bos_token"), ("add_eos_token", "eos_token")] {
        let Some(token) = settings.token(name) else { continue };
        let wanted = settings.flag(flag) == Some(true);
        if wanted && !processor.contains(&json!(token).to_string()) {
            settings.unused.push(said(flag));
        }
    }
}
