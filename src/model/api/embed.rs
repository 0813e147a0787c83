//! Texts to embeddings.

use crate::model::{EmbedOverflow, EmbedPlan};
use crate::script::prelude::*;
use crate::token::api::with_texts;

const EMBED: &[Opt] = &[
    opt("prompt", Kind::Text, "", "written before each text").also(&["instruction"]),
    opt("prompt_name", Kind::Text, "", "name of one of the model's own prompts; default: its default prompt, or none")
        .also(&["query", "passage", "encode_query", "encode_document"]),
    opt("max_length", Kind::Int, "", "most tokens of a text; default: what the model's folder says, or its positions")
        .also(&["max_seq_length", "truncation"]),
    opt(
        "overflow",
        Kind::OneOf(&["truncate", "mean"]),
        "",
        "treatment of a longer text: it is cut off, which is told where nothing is asked for, or the mean of its parts is taken",
    )
    .also(&["long texts", "chunking", "windows"]),
    opt("batch_size", Kind::Int, "32", "texts at a time"),
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

    /// Embeddings of texts, a tensor `[texts, hidden_size]`: of a list of strings, of a dataset's texts, or of one string.
    ///
    /// The model has an `embed` head: a base model has one, and `#{ head: "embed" }` puts one on. A folder of
    /// sentence-transformers says how token states are pooled, how long texts may be, whether vectors are scaled to length 1,
    /// and which prompts there are; the vectors are that library's. A longer text is cut off, and the number of such texts told;
    /// `overflow: "mean"` takes the mean of its parts, weighted by their tokens. Texts are computed side by side without padding. Nothing is
    /// recorded for gradients: `net.loss` trains.
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
