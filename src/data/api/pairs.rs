//! Script API of pairs of neighboring parts of documents.

use super::value::RowCollector;
use crate::data::pairs::{PairKind, PairPlan};
use crate::script::prelude::*;
use crate::token::Tokenizer;

const PAIRS: &[Opt] = &[
    opt("text", Kind::Text, "", "text field; default `text`, or the only field"),
    opt("group", Kind::Text, "", "field: rows with equal values form one document, joined by line breaks"),
    opt(
        "kind",
        Kind::OneOf(&["next", "order"]),
        "\"next\"",
        "task: whether the second part follows (BERT), or whether both are in order (ALBERT)",
    )
    .also(&["NSP", "SOP"]),
    opt("max_length", Kind::Int, "128", "target tokens per pair, including three special tokens")
        .also(&["max_seq_length", "block_size"]),
    opt("short_seq_prob", Kind::Float, "0.1", "share of pairs shortened to a random length")
        .also(&["short_seq_probability"]),
    opt("seed", Kind::Int, "0", "seed of lengths, split points and other documents"),
];

/// Special tokens around and between two texts.
const SPECIAL: usize = 3;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("sentence_pairs", PAIRS);
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;

    /// Makes pairs of neighboring parts of documents: rows of `first`, `second`, `label` and `document` (its row number, or the
    /// value of `group`).
    ///
    /// A document is the text of a row, or of all rows of a `group`. It is split into sentences, at line ends and by Unicode's
    /// rules; each run of sentences that fills `max_length` is cut at a random sentence into two parts. With `kind: "next"`
    /// (Devlin et al. 2019) half of the pairs get a second part from another document, `label` 1, and the unused part begins the
    /// next pair; a run of one sentence always gets one. With `"order"` (Lan et al. 2020) half are swapped, `label` 1.
    /// `encode(tok, #{ text: "first", pair: "second", label: "label", mask: #{} })` encodes them, and `nsp::run` trains on
    /// documents. The same seed gives the same pairs; another seed gives other pairs of the same documents.
    ///
    /// also: next sentence prediction, NSP, sentence order prediction, SOP, TextDatasetForNextSentencePrediction, create_pretraining_data
    ///
    /// ```rhai
    /// let tok   = tokenizer(["to be or not to be"], #{ model_type: "wordpiece", vocab_size: 40 });
    /// let texts = dataset(["To be. Or not. To be!", "Not to be. Or to be."]);
    /// let pairs = texts.sentence_pairs(tok, #{ kind: "order", short_seq_prob: 0.0, seed: 1 });
    /// pairs.len()                                             //=> 2
    /// pairs.fields                                            //=> ["document", "first", "label", "second"]
    /// dataset(["To be."]).sentence_pairs(tok)                 //=> error: sentence_pairs: 1 documents with a sentence: a second part that does not follow is of another
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn sentence_pairs(data: &mut Dataset, tok: Tokenizer, options: Map) -> Res<Dataset> {
        const WHO: &str = "sentence_pairs";
        let options = Options::read(WHO, PAIRS, options)?;
        let plan = PairPlan {
            kind: if options.text("kind")?.as_str() == "order" { PairKind::Order } else { PairKind::Next },
            tokens: options.count("max_length")?.saturating_sub(super::SPECIAL),
            short: options.float("short_seq_prob")?,
            seed: options.int("seed")? as u64,
        };
        let (text, group) = (options.maybe("text", Options::text)?, options.maybe("group", Options::text)?);
        let (names, texts) = crate::data::api::chunk::documents(WHO, data, text.as_deref(), group.as_deref())?;
        let mut rows = RowCollector::new("text");
        for pair in crate::data::pairs::sentence_pairs(&texts, &tok, &plan)? {
            let fields: [(&str, Dynamic); 4] = [
                ("first", pair.first.into()),
                ("second", pair.second.into()),
                ("label", INT::from(pair.class).into()),
                ("document", names[pair.document].clone().into()),
            ];
            let row: Map = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
            rows.push(WHO, &row.into())?;
        }
        Ok(rows.finish())
    }
}
