//! Script API of encoded rows.

use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    pub type Encoded = crate::data::Encoded;
    pub type Batch = crate::data::Batch;

    /// Number of rows.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes")).len()    //=> 1
    /// ```
    #[rhai_fn(name = "len", pure)]
    pub fn encoded_len(rows: &mut Encoded) -> i64 {
        rows.len() as i64
    }

    /// Returns the first `count` rows, or all if there are fewer.
    ///
    /// ```rhai
    /// dataset(["ab", "cd"]).encode(tokenizer("tests/data/tokenizer-bytes")).take(1).len()    //=> 1
    /// ```
    #[rhai_fn(name = "take", pure, return_raw)]
    pub fn encoded_take(rows: &mut Encoded, count: i64) -> Res<Encoded> {
        Ok(rows.take(crate::data::api::encode::length("take", count)?))
    }

    /// Returns one row as a batch of one, to inspect its labels.
    ///
    /// ```rhai
    /// let rows = dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows[0].loss_tokens    //=> 2
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn encoded_row(rows: &mut Encoded, at: i64) -> Res<Batch> {
        let at = crate::data::api::place("index", at, rows.len())?;
        Ok(rows.batch(&[at], 0))
    }

    /// Number of tokens in all rows, without padding.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"), #{ eos: false }).tokens    //=> 2
    /// ```
    #[rhai_fn(get = "tokens", pure)]
    pub fn encoded_tokens(rows: &mut Encoded) -> i64 {
        rows.tokens() as i64
    }

    /// Number of tokens in the loss: labeled tokens except the first of each sequence. For masked rows it is the expected number.
    ///
    /// also: num_items_in_batch, trainable tokens, label tokens
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"), #{ eos: false }).loss_tokens    //=> 1
    /// ```
    #[rhai_fn(get = "loss_tokens", pure)]
    pub fn encoded_loss_tokens(rows: &mut Encoded) -> i64 {
        rows.loss_tokens() as i64
    }

    /// Bytes of text of the tokens in the loss.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes")).bytes    //=> 1
    /// ```
    #[rhai_fn(get = "bytes", pure)]
    pub fn encoded_bytes(rows: &mut Encoded) -> i64 {
        rows.bytes() as i64
    }

    /// Returns facts: rows, tokens, loss tokens, bytes, longest, the numbers of truncated, split and skipped rows, and for rows
    /// of fixed length that length and the share of padding.
    ///
    /// ```rhai
    /// dataset(["ab", "c"]).encode(tokenizer("tests/data/tokenizer-bytes")).info().longest    //=> 3
    /// ```
    #[rhai_fn(name = "info", pure)]
    pub fn encoded_info(rows: &mut Encoded) -> Map {
        let counts = rows.counts();
        let facts = [
            ("rows", rows.len()),
            ("tokens", rows.tokens()),
            ("loss_tokens", rows.loss_tokens()),
            ("bytes", rows.bytes()),
            ("longest", rows.longest()),
            ("truncated", counts.truncated),
            ("split", counts.split),
            ("skipped", counts.skipped),
        ];
        let mut map: Map = facts.into_iter().map(|(name, count)| (name.into(), (count as i64).into())).collect();
        map.insert("length".into(), rows.length().map_or(Dynamic::UNIT, |length| (length as i64).into()));
        map.insert("padding".into(), rows.padding().map_or(Dynamic::UNIT, Dynamic::from));
        map
    }

    /// Rows, tokens, and tokens in the loss.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn encoded_text(rows: &mut Encoded) -> String {
        rows.to_string()
    }
}
