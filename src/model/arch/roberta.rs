//! RoBERTa (Liu et al. 2019): BERT whose positions count the tokens that are not padding, starting after the padding id, and
//! whose heads have other names. XLM-R and CamemBERT are the same under their own names.

use super::bert;
use crate::Result;
use crate::bail;
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::head::names::{DenseNames, HeadNames, MaskedNames};
use crate::model::head::{embed, masked, sequence, token};
use crate::model::spec::Arch;
use serde_json::{Value, json};

pub const LAYOUT: Layout = Layout {
    model_type: "roberta",
    embeddings: "roberta.embeddings.word_embeddings.weight",
    prefix: "roberta.",
    blocks: "roberta.encoder.layer.",
    heads: HeadNames {
        masked: Some(MaskedNames {
            prefixes: &["lm_head."],
            dense: "lm_head.dense",
            norm: "lm_head.layer_norm",
            decoder: "lm_head.decoder",
            bias: "lm_head.bias",
        }),
        dense: Some(DenseNames { name: "classifier.dense", norm: None, of_tokens: false }),
        drops_input: true,
        classifier: "classifier.out_proj",
        ..HeadNames::ENCODER
    },
    unused: &["roberta.pooler."],
    ..bert::LAYOUT
};

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("RobertaForMaskedLM", &masked::HEAD),
        ("RobertaForSequenceClassification", &sequence::HEAD),
        ("RobertaForTokenClassification", &token::HEAD),
        ("RobertaModel", &embed::HEAD),
    ],
    defaults,
    config: |fields| config(fields, &LAYOUT),
    embed: |pass| bert::embeddings(pass, &positions(pass)),
    gguf: None,
    ..bert::ARCH
};

pub fn defaults(fields: &Fields) -> Result<Value> {
    let mut json = bert::defaults(fields)?;
    json["max_position_embeddings"] = json!(514);
    json["type_vocab_size"] = json!(1);
    json["layer_norm_eps"] = json!(1e-5);
    json["pad_token_id"] = json!(1);
    json["bos_token_id"] = json!(0);
    json["eos_token_id"] = json!(2);
    Ok(json)
}

pub fn config(fields: &Fields, layout: &'static Layout) -> Result<Config> {
    let config = bert::config(fields, layout)?;
    let pad = fields.count_or(&["pad_token_id"], 1)?;
    if config.max_positions <= pad + 1 {
        bail!("model", "`max_position_embeddings` is {}, and the first is that of {}", config.max_positions, pad + 1);
    }
    Ok(Config {
        first_position: pad + 1,
        max_positions: config.max_positions - pad - 1,
        // independent of the layers' activation
        masked_activation: Activation::Gelu,
        ..config
    })
}

/// Positions: the count of non-padding tokens in the segment up to each one, plus the padding id; padding has the padding id.
/// Determined by ids and not by the mask, as in fairseq.
fn positions(pass: &Forward) -> Vec<u32> {
    let pad = pass.config().first_position as u32 - 1;
    let mut count = 0;
    let position = |(&id, &from): (&u32, &u32)| {
        if from == 0 {
            count = 0;
        }
        if id == pad {
            return pad;
        }
        count += 1;
        pad + count
    };
    pass.ids().iter().zip(pass.positions()).map(position).collect()
}
