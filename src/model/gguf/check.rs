//! Verifies that a written `.gguf` reproduces its source: a wrong row order or pre-tokenizer would be read without an error.

use crate::format::gguf::Gguf;
use crate::model::{Model, TokenRows, divergence};
use crate::tensor::{Array, DType, Device, no_grad};
use crate::token::Tokenizer;
use crate::{Error, Result, bail};
use std::path::Path;

/// The maximum mean divergence, in nats per token, of an unquantized model.
const LIMIT: f64 = 0.05;
/// The maximum relative distance of weights: rounding to 2 bits stays below it, wrongly ordered rows do not.
const FAR: f64 = 0.7;
/// Number of ids over which logits are compared.
const LENGTH: usize = 24;

/// Reads the tokenizer in the file by GGUF's rules, and compares its ids with those of `own`: for each token's text, alone and in
/// a sentence, and for `texts`.
pub fn tokenizer(path: &Path, own: &Tokenizer, texts: &[String]) -> Result<()> {
    let written = Tokenizer::of_gguf(&Gguf::open(path)?).map_err(|error| error.attributed_to("save"))?;
    let all: Vec<String> = (0..own.len() as u32).filter_map(|id| own.decode(&[id], false).ok()).collect();
    let whole = all.iter().filter(|text| !text.contains('\u{fffd}'));
    let within = whole.clone().map(|text| format!("a {text} b{text}"));
    let texts: Vec<String> = whole.cloned().chain(within).chain(texts.iter().cloned()).collect();
    let (theirs, ours) = (written.encode_batch(&texts, true)?, own.encode_batch(&texts, true)?);
    let mut wrong = (0..texts.len()).filter(|&at| theirs[at] != ours[at]);
    let Some(first) = wrong.next() else { return Ok(()) };
    let count = 1 + wrong.count();
    let error = format!(
        "by GGUF's rules {count} of {} texts get other ids; `{}` is {:?} here and {:?} there",
        texts.len(),
        texts[first].escape_debug(),
        ours[first],
        theirs[first]
    );
    Err(Error::new("save", error).help(match own.looks_up() {
        true => {
            "this tokenizer takes words whole (`ignore_merges`), for which GGUF has no key: extend with `method: \"merges\"`"
        }
        false => "llama.cpp would read another tokenizer than this one; a folder keeps it as it is",
    }))
}

/// Compares the weights of the file with those of `own`, by name, and the logits over some ids; if weights were `rounded` to
/// blocks, only checks that the logits are numbers.
pub fn model<'a>(
    path: &Path,
    own: &Model,
    names: impl Iterator<Item = (&'a str, bool)>,
    rounded: bool,
    tokens: usize,
) -> Result<()> {
    let transposed = own.config().layout.transposed;
    let written = if transposed { Model::open(path, DType::F32)? } else { Model::open_quantized(path, DType::F32)? };
    let (weights, read) = (own.weights(), written.weights());
    for (name, transposed) in names {
        let far = distance(&weights.merged(name, transposed)?, &read.get(name)?.value()?)?;
        if !far.is_finite() || far > FAR {
            bail!("save", "the weight `{name}` is not what was to be written: it differs by {far:.2} of its length");
        }
    }
    let rows = own.config().vocab.min(tokens) as u32;
    let length = LENGTH.min(own.config().max_positions);
    // arbitrary ids, but the same ones each time
    let ids: Vec<u32> = (0..length as u32).map(|at| at.wrapping_mul(2_654_435_761) % rows.max(1)).collect();
    let batch = TokenRows { rows: 1, length, ids: &ids, ..TokenRows::default() };
    let of = |net: &Model| -> Result<Vec<Vec<f32>>> {
        let outputs = no_grad(|| net.forward(&batch))?.value().to_dtype(DType::F32)?;
        let width = outputs.dims().last().copied().unwrap_or(1);
        Ok(outputs.reshape(((), width))?.to_vec2()?)
    };
    let (ours, theirs) = (of(own)?, of(&written)?);
    let nats =
        ours.iter().zip(&theirs).map(|(own, theirs)| divergence(own, theirs)).sum::<f64>() / length.max(1) as f64;
    if !nats.is_finite() || (nats > LIMIT && !rounded) {
        bail!("save", "what was written predicts otherwise than the model: they differ by {nats:.2} nats a token");
    }
    Ok(())
}

/// The norm of the difference relative to the norm of the first.
fn distance(own: &Array, read: &Array) -> Result<f64> {
    let here = |x: &Array| -> Result<Array> { Ok(x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?) };
    let (own, read) = (here(own)?, here(read)?);
    let length = |x: &Array| -> Result<f64> { Ok(f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt()) };
    let (far, long) = (length(&(&own - &read)?)?, length(&own)?);
    Ok(if far == 0.0 { 0.0 } else { far / long })
}
