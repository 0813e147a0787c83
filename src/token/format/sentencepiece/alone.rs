//! SentencePiece's own pipeline, by the settings in its file: the normalizer's replacements, white space, a `▁` before the text,
//! merges by the scores of pieces, and user-defined pieces that are never split.

use super::proto::{Model, ModelType, PieceKind};
use super::{add_pieces, scored};
use crate::Result;
use crate::token::format::assemble::complete;
use crate::token::format::config::Settings;
use crate::token::format::pipeline::sequence;
use crate::token::{Tokenizer, base64};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

pub fn open(mut model: Model, mut settings: Settings) -> Result<Tokenizer> {
    rename(&mut model, &mut settings);
    let legacy = settings.flag("legacy").unwrap_or(true);
    let spec = json!({
        "normalizer": normalizer(&model, legacy),
        "pre_tokenizer": pre_tokenizer(&model, legacy),
        "post_processor": null,
        "decoder": decoder(&model),
        "model": segmentation(&model)?,
    });
    for (slot, name) in ["unk_token", "bos_token", "eos_token"].into_iter().enumerate() {
        if model.ids[slot] >= 0 {
            settings.config.entry(name).or_insert_with(|| json!(model.names[slot]));
        }
    }
    add_pieces(&model, &mut settings, false);
    complete(spec, settings)
}

/// Renames placeholder pieces to the config's name for their id.
fn rename(model: &mut Model, settings: &mut Settings) {
    let Some(decoder) = settings.config.get_mut("added_tokens_decoder").and_then(Value::as_object_mut) else { return };
    let named: HashMap<usize, String> = decoder
        .iter()
        .filter_map(|(id, token)| Some((id.parse().ok()?, token["content"].as_str()?.to_string())))
        .collect();
    let kept =
        |text: &str| model.pieces.iter().enumerate().any(|(id, piece)| piece.text == text && !named.contains_key(&id));
    let renamed: Vec<(usize, String)> = named
        .iter()
        .filter(|(id, text)| **id < model.pieces.len() && !kept(text))
        .map(|(id, text)| (*id, text.clone()))
        .collect();
    for (id, text) in renamed {
        model.pieces[id].text = text;
    }
    if model.dummy_prefix {
        // matched in the raw text, so that each part between them gets its own prefix
        decoder.values_mut().filter_map(Value::as_object_mut).for_each(|token| {
            token.insert("normalized".into(), json!(false));
        });
    }
}

fn normalizer(model: &Model, legacy: bool) -> Value {
    let replace = |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
    let expression = |pattern: &str| json!({"Regex": pattern});
    let mut steps = Vec::new();
    if !model.charsmap.is_empty() {
        steps.push(json!({"type": "Precompiled", "precompiled_charsmap": base64::encode(&model.charsmap)}));
    }
    if model.remove_extra_whitespaces {
        steps.push(replace(expression(r"\A +| +\z"), ""));
        steps.push(replace(expression(" {2,}"), " "));
    }
    if model.escape_whitespaces {
        steps.push(replace(json!({"String": " "}), "▁"));
    }
    if model.dummy_prefix && legacy {
        // the step that inserts it skips a text that begins with one
        steps.push(replace(expression(r"\A▁"), "▁▁"));
    }
    sequence(steps)
}

fn pre_tokenizer(model: &Model, legacy: bool) -> Value {
    let scheme = if legacy { "always" } else { "first" };
    let mut steps = Vec::new();
    if model.dummy_prefix {
        steps.push(json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false}));
    }
    let mut users: Vec<&str> = of_kind(model, PieceKind::UserDefined).collect();
    if !users.is_empty() {
        users.sort_by_key(|text| std::cmp::Reverse(text.chars().count()));
        let escaped: Vec<String> = users.into_iter().map(regex_syntax::escape).collect();
        steps.push(json!({
            "type": "Split", "pattern": {"Regex": escaped.join("|")}, "behavior": "Isolated", "invert": false,
        }));
    }
    if steps.is_empty() { Value::Null } else { json!({"type": "Sequence", "pretokenizers": steps}) }
}

fn of_kind(model: &Model, kind: PieceKind) -> impl Iterator<Item = &str> {
    model.pieces.iter().filter(move |piece| piece.kind == kind).map(|piece| piece.text.as_str())
}

fn decoder(model: &Model) -> Value {
    let mut steps = vec![json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "})];
    if model.byte_fallback {
        steps.push(json!({"type": "ByteFallback"}));
    }
    if model.dummy_prefix || model.byte_fallback {
        steps.push(json!({"type": "Fuse"}));
    }
    if model.dummy_prefix {
        steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": steps})
}

fn segmentation(model: &Model) -> Result<Value> {
    if model.kind == ModelType::Unigram {
        let unknown = (model.ids[0] >= 0).then_some(model.ids[0]);
        return Ok(json!({
            "type": "Unigram", "unk_id": unknown, "vocab": scored(model), "byte_fallback": model.byte_fallback,
        }));
    }
    Ok(json!({
        "type": "BPE", "vocab": super::ids(model)?, "merges": merges(model), "unk_token": model.names[0], "fuse_unk": true,
        "byte_fallback": model.byte_fallback, "ignore_merges": of_kind(model, PieceKind::UserDefined).next().is_some(),
    }))
}

/// Only normal pieces merge: the best score first, then the smaller id.
fn merges(model: &Model) -> Vec<Value> {
    let normal: Map<String, Value> =
        of_kind(model, PieceKind::Normal).map(|text| (text.to_string(), Value::Null)).collect();
    let mut ranked: Vec<(f32, usize, &str, &str)> = Vec::new();
    for (id, piece) in model.pieces.iter().enumerate().filter(|(_, piece)| piece.kind == PieceKind::Normal) {
        for (cut, _) in piece.text.char_indices().skip(1) {
            let (left, right) = piece.text.split_at(cut);
            if normal.contains_key(left) && normal.contains_key(right) {
                ranked.push((piece.score, id, left, right));
            }
        }
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
    ranked.into_iter().map(|(.., left, right)| json!([left, right])).collect()
}
