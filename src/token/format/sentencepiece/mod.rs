//! A `tokenizer.model` of SentencePiece alone: its pieces in the pipeline of the class named in the config, otherwise in
//! SentencePiece's own.

mod alone;
mod proto;

use super::assemble::complete;
use super::class::Class;
use super::config::Settings;
use super::pipeline::{self, Vocabulary, by_ids};
use crate::token::engine::WHO;
use crate::token::{Tokenizer, base64};
use crate::{Error, Result, bail};
use proto::{Model, ModelType, PieceKind};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

pub fn open(bytes: &[u8], mut settings: Settings) -> Result<Tokenizer> {
    let model = proto::read(bytes)?;
    let kind = match model.kind {
        ModelType::Word => "words",
        ModelType::Char => "characters",
        _ => "",
    };
    if !kind.is_empty() {
        bail!(WHO, "this SentencePiece model cuts text into {kind}: BPE and Unigram are read");
    }
    if model.whitespace_as_suffix {
        bail!(
            WHO,
            "this SentencePiece model puts white space after words (treat_whitespace_as_suffix), which is not read"
        );
    }
    let bpe = model.kind == ModelType::Bpe;
    let rows = match settings.class {
        Class::Llama | Class::CodeLlama | Class::Gemma if bpe => {
            settings.take_class_tokens();
            add_pieces(&model, &mut settings, true);
            let spec = pipeline::build(by_ids(ids(&model)?, merges_by_id(&model)), &settings)?;
            return complete(spec, settings);
        }
        Class::T5 if !bpe => t5(&model, &mut settings),
        Class::XlmRoberta if !bpe => reordered(&model, &mut settings, &[]),
        Class::Camembert if !bpe => reordered(&model, &mut settings, &["NOTUSED"]),
        Class::Albert if !bpe => (scored(&model), 1),
        Class::DebertaV2 if !bpe => (scored(&model), model.ids[0].max(0) as u64),
        Class::Unnamed | Class::AsItIs | Class::Llama | Class::CodeLlama | Class::Gemma => {
            return alone::open(model, settings);
        }
        _ => {
            let name = settings.config.get("tokenizer_class").and_then(Value::as_str).unwrap_or("this model's class");
            let error = format!("what `{name}` makes of a SentencePiece model is not known here");
            return Err(
                Error::new(WHO, error).help("open it once with transformers and save it: that writes a tokenizer.json")
            );
        }
    };
    settings.take_class_tokens();
    add_pieces(&model, &mut settings, true);
    let (vocab, unknown) = rows;
    let charsmap = (!model.charsmap.is_empty()).then(|| base64::encode(&model.charsmap));
    let vocabulary = Vocabulary { vocab, merges: Vec::new(), charsmap, unknown: Some(unknown) };
    let spec = pipeline::build(vocabulary, &settings)?;
    complete(spec, settings)
}

/// Ids by piece.
fn ids(model: &Model) -> Result<Map<String, Value>> {
    let mut ids = Map::new();
    for (id, piece) in model.pieces.iter().enumerate() {
        if let Some(before) = ids.insert(piece.text.clone(), json!(id)) {
            bail!(WHO, "the piece `{}` is there twice, at {before} and {id}", piece.text);
        }
    }
    Ok(ids)
}

/// One merge for each way to write a piece as two others, in the order of the pieces: as `LlamaTokenizer` reads the file.
fn merges_by_id(model: &Model) -> Vec<Value> {
    let known: HashMap<&str, usize> = (0..).zip(&model.pieces).map(|(id, piece)| (piece.text.as_str(), id)).collect();
    let mut merges = Vec::new();
    for piece in &model.pieces {
        for (cut, _) in piece.text.char_indices().skip(1) {
            let (left, right) = piece.text.split_at(cut);
            if known.contains_key(left) && known.contains_key(right) {
                merges.push(json!([left, right]));
            }
        }
    }
    merges
}

fn scored(model: &Model) -> Value {
    model.pieces.iter().map(|piece| json!([piece.text, piece.score])).collect()
}

/// Control and user-defined pieces are added tokens: matched before anything else.
fn add_pieces(model: &Model, settings: &mut Settings, users: bool) {
    let token = |piece: &proto::Piece| {
        let special = piece.kind == PieceKind::Control;
        let wanted = special || users && piece.kind == PieceKind::UserDefined;
        wanted.then(|| json!({"content": piece.text, "normalized": false, "special": special}))
    };
    settings.pieces = model.pieces.iter().filter_map(token).collect();
}

/// T5's sentinels `<extra_id_99>` to `<extra_id_0>` follow the pieces.
fn t5(model: &Model, settings: &mut Settings) -> (Value, u64) {
    let count = settings.config.get("extra_ids").and_then(Value::as_u64).unwrap_or(100).min(10_000);
    let blanks: Vec<String> = (0..count).rev().map(|blank| format!("<extra_id_{blank}>")).collect();
    let mut rows = scored(model);
    if let Some(rows) = rows.as_array_mut() {
        rows.extend(blanks.iter().map(|blank| json!([blank, 0.0])));
    }
    settings.config.entry("extra_special_tokens").or_insert_with(|| json!(blanks));
    (rows, 2)
}

/// fairseq's ids: four special tokens first, then the pieces without their own three, and the mask at the end.
fn reordered(model: &Model, settings: &mut Settings, unused: &[&str]) -> (Value, u64) {
    settings.take_class_tokens();
    let name = |token: &str| settings.token(token).unwrap_or_default().to_string();
    let (bos, pad, eos, unk) = (name("bos_token"), name("pad_token"), name("eos_token"), name("unk_token"));
    let (first, skipped): (Vec<(String, f64)>, usize) = match unused {
        [mark] => (
            vec![
                (format!("<s>{mark}"), 0.0),
                (pad, 0.0),
                (format!("</s>{mark}"), 0.0),
                (unk, 0.0),
                (format!("<unk>{mark}"), -100.0),
            ],
            1,
        ),
        _ => (vec![(bos, 0.0), (pad, 0.0), (eos, 0.0), (unk, 0.0)], 3),
    };
    let pieces = model.pieces.iter().skip(skipped).map(|piece| (piece.text.clone(), f64::from(piece.score)));
    let rows = first.into_iter().chain(pieces).chain([(name("mask_token"), 0.0)]);
    (rows.map(|(text, score)| json!([text, score])).collect(), 3)
}
