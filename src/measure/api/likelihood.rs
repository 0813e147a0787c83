//! Script API of text likelihoods.

use crate::data::Encoded;
use crate::measure::{Likelihood, Windows};
use crate::model::Model;
use crate::script::prelude::*;
use crate::token::Tokenizer;
use crate::token::api::start_token;

const LIKELIHOOD: &[Opt] = &[
    opt("max_length", Kind::Int, "512", "tokens per window"),
    opt("stride", Kind::Int, "", "tokens between the starts of two windows; half of `max_length` by default"),
    opt("batch_size", Kind::Int, "8", "rows per batch: affects memory, not the result"),
    opt("context", Kind::Any, "", "preceding text, read but not counted: a list of texts, or a field of the dataset")
        .also(&["prefix", "left context", "rolling"]),
    opt(
        "bos",
        Kind::Any,
        "true",
        "token prepended to each text: true for BOS (EOS where there is no BOS), a token or its id, or false for none",
    )
    .also(&["prefix_token_id", "add_start_token", "add_bos_token", "start token"]),
];

const DIVERGENCE: &[Opt] = &[
    opt("max_length", Kind::Int, "512", "tokens per window").also(&["context", "n_ctx"]),
    opt("stride", Kind::Int, "", "tokens between the starts of two windows; half of `max_length` by default"),
    opt("bos", Kind::Any, "true", "token prepended to each text, as in `likelihood`"),
];

const PSEUDO: &[Opt] = &[
    opt("max_length", Kind::Int, "512", "tokens per window, including special ones; windows of a text do not overlap"),
    opt("batch_tokens", Kind::Int, "4096", "tokens per forward pass: affects memory, not the result"),
    opt(
        "metric",
        Kind::OneOf(&["original", "within_word_l2r"]),
        "\"original\"",
        "whether to mask the rest of a token's word too",
    )
    .also(&["PLL_metric"]),
];

const ROWS: &[Opt] = &[opt("batch_size", Kind::Int, "8", "rows per batch: affects memory, not the result")];

fn map(found: Likelihood) -> Map {
    let mut map = Map::new();
    map.insert("nats".into(), found.nats.into());
    map.insert("tokens".into(), (found.tokens as INT).into());
    map.insert("bytes".into(), (found.bytes as INT).into());
    map
}

/// Contexts of `texts`: given, or a field of their dataset.
fn contexts(texts: &Dynamic, context: Dynamic) -> Res<Vec<String>> {
    let field = context.clone().into_immutable_string().ok().filter(|_| texts.is::<crate::data::Dataset>());
    match field {
        Some(field) => crate::data::api::texts("likelihood", texts.clone(), Some(&field)),
        None => crate::data::api::texts("likelihood", context, None),
    }
}

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("likelihood", LIKELIHOOD);
    host.options("divergence", DIVERGENCE);
    host.options("pseudo_likelihood", PSEUDO);
}

#[export_module]
mod verbs {
    /// Computes the negative log likelihood of texts: `nats`, the number of predicted `tokens`, and their `bytes`.
    ///
    /// Texts are a dataset (its field `text`), a list or one text. BOS (EOS if the tokenizer has no BOS) is prepended to each, so
    /// that its first token is predicted too. `measure::bits_per_byte` and `measure::perplexity` normalize the result.
    ///
    /// `bos` chooses another token: a model pretrained with `<|endoftext|>` between texts may name another token as BOS after
    /// chat tuning. With `false` a text's first token is not predicted, and its bytes do not count.
    ///
    /// A text longer than `max_length` tokens is read in overlapping windows, `stride` apart; each token counts once, and all but
    /// those of the first window have at least `max_length - stride` tokens of context. With `context`, up to that many tokens of
    /// its own context (including BOS) precede each text, uncounted: a passage then has the same likelihood as within its
    /// document.
    ///
    /// also: log likelihood, nll, cross entropy, evaluate
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
    /// let all = likelihood(net, tok, ["The people of the United States"]);
    /// all.bytes                                //=> 31
    /// let part = likelihood(net, tok, ["of the United States"], #{ context: ["The people "] });
    /// (all.nats - likelihood(net, tok, "The people ").nats - part.nats).abs() < 1e-3      //=> true
    /// likelihood(net, tok, ["The people"], #{ bos: "e" }).tokens          //=> 10
    /// likelihood(net, tok, ["The people"], #{ bos: false }).tokens        //=> 9
    /// likelihood(net, tok, ["The people"], #{ bos: "<|endoftxt|>" })      //=> error: likelihood: there is no token `<|endoftxt|>`
    /// likelihood(net, tok, ["The people"], #{ max_length: 64, stride: 64 })
    /// //=> error: likelihood: windows of 64 tokens, 64 apart, 8 at a time
    /// ```
    #[rhai_fn(return_raw)]
    pub fn likelihood(net: Model, tok: Tokenizer, texts: Dynamic, options: Map) -> Res<Map> {
        let options = Options::read("likelihood", LIKELIHOOD, options)?;
        let max_length = options.count("max_length")?;
        let stride = options.maybe("stride", Options::count)?.unwrap_or(max_length / 2);
        let start = start_token("likelihood", &tok, options.get("bos"))?;
        let by = Windows { max_length, stride, batch_size: options.count("batch_size")?, start };
        let context = options.get("context");
        let contexts = if context.is_unit() { None } else { Some(super::contexts(&texts, context)?) };
        let texts = crate::data::api::texts("likelihood", texts, None)?;
        Ok(map(match contexts {
            Some(contexts) => crate::measure::likelihood_in_context(&net, &tok, &contexts, &texts, by)?,
            None => crate::measure::likelihood(&net, &tok, &texts, by)?,
        }))
    }

    /// Computes the pseudo-log-likelihood of texts by a masked model: a list with a map per text, `nats`, `tokens` and `bytes`.
    ///
    /// Each non-special token is masked in turn and scored by its negative log probability given all others (Salazar et al. 2020,
    /// arXiv 1910.14659). A text of n tokens takes n passes, which are packed. The sum is not a likelihood of the text, but ranks
    /// texts as one does. `metric: "within_word_l2r"` masks the later tokens of the same word too (Kauf and Ivanova 2023, arXiv
    /// 2305.10588): otherwise a long word is cheap because its tokens reveal each other. Unknown tokens and their bytes are not
    /// counted: compare vocabularies only where neither has any.
    ///
    /// also: PLL, pseudo-perplexity, minicons, mlm-scoring, sentence acceptability
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be or not to be"], #{ model_type: "wordpiece", vocab_size: 40 });
    /// let net = model(#{ model_type: "bert", vocab_size: tok.len(), hidden_size: 16, num_hidden_layers: 1 }, #{ seed: 1 });
    /// let found = pseudo_likelihood(net, tok, ["to be", "or not to be"]);
    /// found.map(|text| text.tokens)                                                  //=> [2, 7]
    /// let same = pseudo_likelihood(net, tok, "to be", #{ batch_tokens: 4 })[0].nats;
    /// assert::close(same, found[0].nats, 1e-4);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pseudo_likelihood(net: Model, tok: Tokenizer, texts: Dynamic, options: Map) -> Res<List> {
        let options = Options::read("pseudo_likelihood", PSEUDO, options)?;
        let by = crate::measure::PseudoPlan {
            max_length: options.count("max_length")?.min(net.config().max_positions),
            batch_tokens: options.count("batch_tokens")?,
            within_word: options.text("metric")?.as_str() == "within_word_l2r",
        };
        let texts = crate::data::api::texts("pseudo_likelihood", texts, None)?;
        let found = crate::measure::pseudo_likelihood(&net, &tok, &texts, by)?;
        Ok(found.into_iter().map(|text| map(text).into()).collect())
    }

    /// Computes the divergence of the predictions of `other` from those of `net` over the tokens of texts: the sum of KL
    /// divergences (Kullback and Leibler 1951) in `nats`, the number of predictions with the `same` top token, and the number of
    /// `tokens`.
    ///
    /// Both models must share their tokens. Windows are those of `likelihood`. `measure::kld` normalizes the result, and
    /// `measure::quantization` compares quantizations by it.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// let shape = #{ model_type: "llama", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 };
    /// let found = divergence(model(shape, #{ seed: 1 }), model(shape, #{ seed: 1 }), tok, "The people");
    /// found                                    //=> #{"nats": 0.0, "same": 10, "tokens": 10}
    /// divergence(model(shape, #{ seed: 1 }), model(shape, #{ seed: 2 }), tok, "The people").nats > 0.0      //=> true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn divergence(net: Model, other: Model, tok: Tokenizer, texts: Dynamic, options: Map) -> Res<Map> {
        let options = Options::read("divergence", DIVERGENCE, options)?;
        let max_length = options.count("max_length")?;
        let stride = options.maybe("stride", Options::count)?.unwrap_or(max_length / 2);
        let start = start_token("divergence", &tok, options.get("bos"))?;
        let texts = crate::data::api::texts("divergence", texts, None)?;
        let by = Windows { max_length, stride, batch_size: 1, start };
        let found = crate::measure::divergence(&net, &other, &tok, &texts, by)?;
        let mut map = Map::new();
        map.insert("nats".into(), found.nats.into());
        map.insert("same".into(), (found.same as INT).into());
        map.insert("tokens".into(), (found.tokens as INT).into());
        Ok(map)
    }

    /// Computes the negative log likelihood of the loss tokens of encoded rows.
    ///
    /// ```rhai
    /// let tok  = tokenizer(["to be"], #{ vocab_size: 260 });
    /// let net  = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 }, #{ seed: 1 });
    /// likelihood(net, dataset(["abc"]).encode(tok)).tokens     //=> 3
    /// let rows = dataset(["abc", "de"]).encode(tok);
    /// likelihood(net, rows, #{ batch_size: 1 }).tokens   //=> 5
    /// ```
    #[rhai_fn(name = "likelihood", return_raw)]
    pub fn likelihood_of_rows(net: Model, rows: Encoded, options: Map) -> Res<Map> {
        let options = Options::read("likelihood", ROWS, options)?;
        Ok(map(crate::measure::likelihood_of_rows(&net, &rows, options.count("batch_size")?)?))
    }
}
