//! Post-processors: special tokens around a text.

use serde_json::{Map, Value, json};

/// A special token and its id.
pub type Mark<'a> = (&'a str, u64);

/// Tokens before and after a text; for a pair, around both.
pub fn template(before: Option<Mark>, after: Option<Mark>) -> Value {
    let part = |name: &str, kind: u32| {
        let mark = |(token, _): Mark| json!({"SpecialToken": {"id": token, "type_id": kind}});
        let middle = json!({"Sequence": {"id": name, "type_id": kind}});
        before.map(mark).into_iter().chain([middle]).chain(after.map(mark)).collect::<Vec<Value>>()
    };
    let pair = part("A", 0).into_iter().chain(part("B", 1)).collect::<Vec<Value>>();
    processing(part("A", 0), pair, &[before, after])
}

/// As in BERT: `[CLS] A [SEP]`, and for a pair `[CLS] A [SEP] B [SEP]`.
pub fn bert(cls: Mark, sep: Mark) -> Value {
    let mark = |(token, _): Mark, kind: u32| json!({"SpecialToken": {"id": token, "type_id": kind}});
    let text = |name: &str, kind: u32| json!({"Sequence": {"id": name, "type_id": kind}});
    let single = vec![mark(cls, 0), text("A", 0), mark(sep, 0)];
    let pair = single.iter().cloned().chain([text("B", 1), mark(sep, 1)]).collect();
    processing(single, pair, &[Some(cls), Some(sep)])
}

/// As in T5: EOS after each text, all of one type.
pub fn ends(end: Mark) -> Value {
    let mark = || json!({"SpecialToken": {"id": end.0, "type_id": 0}});
    let text = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
    processing(vec![text("A"), mark()], vec![text("A"), mark(), text("B"), mark()], &[Some(end)])
}

/// As in RoBERTa: `<s> A </s>`, and for a pair `<s> A </s></s> B </s>`.
pub fn roberta(bos: Mark, eos: Mark) -> Value {
    let mark = |(token, _): Mark| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let text = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
    let single = vec![mark(bos), text("A"), mark(eos)];
    let pair = single.iter().cloned().chain([mark(eos), text("B"), mark(eos)]).collect();
    processing(single, pair, &[Some(bos), Some(eos)])
}

fn processing(single: Vec<Value>, pair: Vec<Value>, marks: &[Option<Mark>]) -> Value {
    let special: Map<String, Value> = marks
        .iter()
        .flatten()
        .map(|(token, id)| (token.to_string(), json!({"id": token, "ids": [id], "tokens": [token]})))
        .collect();
    json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special})
}
