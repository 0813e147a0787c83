//! What scripts see of likelihoods of text.

use crate::data::Encoded;
use crate::measure::{Likelihood, Windows};
use crate::model::Model;
use crate::script::prelude::*;
use crate::token::Tokenizer;

const LIKELIHOOD: &[Opt] = &[
    opt("seq", Kind::Int, "512", "tokens in a window"),
    opt(
        "stride",
        Kind::Int,
        "",
        "tokens from one window's start to the next one's; half of `seq` where it is not given",
    ),
    opt("size", Kind::Int, "8", "rows in a batch: memory, not the result, depends on it"),
];

const ROWS: &[Opt] = &[opt("size", Kind::Int, "8", "rows in a batch: memory, not the result, depends on it")];

fn map(found: Likelihood) -> Map {
    let mut map = Map::new();
    map.insert("nats".into(), found.nats.into());
    map.insert("tokens".into(), (found.tokens as INT).into());
    map.insert("bytes".into(), (found.bytes as INT).into());
    map
}

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("likelihood", LIKELIHOOD);
}

#[export_module]
mod verbs {
    /// How likely a model finds some texts: `nats` (negative log likelihood), the `tokens` that were predicted and their `bytes`.
    ///
    /// Texts are a dataset (its field `text`), a list or one text. Each begins after the tokenizer's start or end
    /// token, so that its first token is predicted too. `measure::bits_per_byte` and `measure::perplexity` are made of this.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// let net = model(#{ kind: "llama", vocab: tok.len(), hidden: 8, layers: 1, heads: 2 }, #{ seed: 1 });
    /// let all = likelihood(net, tok, ["The people of the United States"]);
    /// all.bytes                                //=> 31
    /// ```
    #[rhai_fn(return_raw)]
    pub fn likelihood(net: Model, tok: Tokenizer, texts: Dynamic) -> Res<Map> {
        likelihood_with(net, tok, texts, Map::new())
    }

    /// How likely a model finds some texts, read by windows of `seq` tokens that are `stride` apart.
    ///
    /// A text longer than a window is read by windows that overlap; each token counts once, and all but those of the
    /// first window have at least `seq - stride` tokens before them.
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ vocab_size: 260 });
    /// let net = model(#{ kind: "llama", vocab: tok.len(), hidden: 8, layers: 1, heads: 2 }, #{ seed: 1 });
    /// likelihood(net, tok, ["The people"], #{ seq: 64, stride: 64 })
    /// //=> error: likelihood: windows of 64 tokens, 64 apart, 8 at a time
    /// ```
    #[rhai_fn(name = "likelihood", return_raw)]
    pub fn likelihood_with(net: Model, tok: Tokenizer, texts: Dynamic, options: Map) -> Res<Map> {
        let options = Options::read("likelihood", LIKELIHOOD, options)?;
        let seq = options.count("seq")?;
        let stride = options.maybe("stride", Options::count)?.unwrap_or(seq / 2);
        let by = Windows { seq, stride, size: options.count("size")? };
        Ok(map(crate::measure::likelihood(&net, &tok, &crate::data::api::texts("likelihood", texts, None)?, by)?))
    }

    /// How likely a model finds what is learned in encoded rows.
    ///
    /// ```rhai
    /// let tok  = tokenizer(["to be"], #{ vocab_size: 260 });
    /// let net  = model(#{ kind: "llama", vocab: tok.len(), hidden: 8, layers: 1, heads: 2 }, #{ seed: 1 });
    /// let rows = dataset(["abc"]).encode(tok);
    /// likelihood(net, rows).tokens             //=> 3
    /// ```
    #[rhai_fn(name = "likelihood", return_raw)]
    pub fn likelihood_of_rows(net: Model, rows: Encoded) -> Res<Map> {
        likelihood_of_rows_with(net, rows, Map::new())
    }

    /// How likely a model finds what is learned in encoded rows, read `size` at a time.
    ///
    /// ```rhai
    /// let tok  = tokenizer(["to be"], #{ vocab_size: 260 });
    /// let net  = model(#{ kind: "llama", vocab: tok.len(), hidden: 8, layers: 1, heads: 2 }, #{ seed: 1 });
    /// let rows = dataset(["abc", "de"]).encode(tok);
    /// likelihood(net, rows, #{ size: 1 }).tokens   //=> 5
    /// ```
    #[rhai_fn(name = "likelihood", return_raw)]
    pub fn likelihood_of_rows_with(net: Model, rows: Encoded, options: Map) -> Res<Map> {
        let options = Options::read("likelihood", ROWS, options)?;
        Ok(map(crate::measure::likelihood_of_rows(&net, &rows, options.count("size")?)?))
    }
}
