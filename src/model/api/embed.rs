//! Texts to embeddings.

use crate::model::{EmbedOverflow, EmbedPlan};
use crate::script::prelude::*;
use crate::token::api::with_texts;

const EMBED: &[Opt] = &[
    opt("prompt", Kind::Text, "", "prefix of each text").also(&["instruction"]),
    opt("prompt_name", Kind::Text, "", "name of one of the model's own prompts; default: its default prompt, or none")
        .also(&["query", "passage", "encode_query", "encode_document"]),
    opt(
        "max_length",
        Kind::Int,
        "",
        "maximum tokens per text; default: the limit in the model's folder, or its positions",
    )
    .also(&["max_seq_length", "truncation"]),
    opt(
        "overflow",
        Kind::OneOf(&["truncate", "mean"]),
        "",
        "longer texts: truncate them (the default, with a warning), or take the mean of their parts",
    )
    .also(&["long texts", "chunking", "windows"]),
    opt("batch_size", Kind::Int, "32", "texts per batch"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("embed", EMBED);
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;
    pub type Tensor = crate::tensor::Tensor;
    pub type Tokenizer = crate::token::Tokenizer;

    /// Returns embeddings of texts, a tensor `[texts, hidden_size]`: of a list of strings, of a dataset's texts, or of one
    /// string.
    ///
    /// The model needs an `embed` head: a base model has one, and `#{ head: "embed" }` adds one. A folder of
    /// sentence-transformers defines the pooling of token states, the maximum length, normalization to length 1, and the prompts;
    /// the vectors are that library's. Longer texts are truncated, and their number is reported; `overflow: "mean"` takes the
    /// mean of their parts, weighted by tokens. Texts are batched without padding. Nothing is recorded for gradients: train with
    /// `net.loss`.
    ///
    /// also: encode, SentenceTransformer.encode, sentence embeddings, feature extraction, encode_query
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be or not to be"], #{ model_type: "wordpiece", vocab_size: 40 });
    /// let net = model(#{ model_type: "bert", vocab_size: tok.len(), hidden_size: 16, num_hidden_layers: 1 }, #{ head: "embed", normalize: true, seed: 1 });
    /// let vectors = net.embed(tok, ["to be", "not to be"]);
    /// vectors.shape                                                //=> [2, 16]
    /// (vectors @ vectors.t())[[0, 0]].item().digits(3)                      //=> 1.000
    /// net.embed(tok, "to be or not to be", #{ max_length: 4, overflow: "mean" }).shape     //=> [1, 16]
    /// net.embed(tok, "to be", #{ prompt_name: "query" })           //=> error: embed: the model has no prompt `query`
    /// ```
    #[rhai_fn(name = "embed", pure, return_raw)]
    pub fn embed(net: &mut Model, tok: Tokenizer, texts: Dynamic, options: Map) -> Res<Tensor> {
        let options = Options::read("embed", EMBED, options)?;
        let text = |name: &str| options.maybe(name, Options::text).map(|text| text.map(|text| text.to_string()));
        let plan = EmbedPlan {
            prompt: text("prompt")?,
            prompt_name: text("prompt_name")?,
            max_length: options.maybe("max_length", Options::count)?,
            overflow: options.maybe("overflow", Options::text)?.map(|name| match name.as_str() {
                "mean" => EmbedOverflow::Mean,
                _ => EmbedOverflow::Truncate,
            }),
            batch_size: options.count("batch_size")?,
        };
        Ok(with_texts("embed", &texts, |texts| net.embed(&tok, texts, &plan))?.into())
    }
}
