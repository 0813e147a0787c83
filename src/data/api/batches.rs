//! Script API of batches.

use crate::data::{Batch, Encoded, batches};
use crate::kernel::default_device;
use crate::script::prelude::*;
use crate::tensor::{Array, Rng, Tensor};

const BATCHES: &[Opt] = &[
    opt("batch_size", Kind::Int, "8", "rows per batch; the last batch of an epoch may have fewer").also(&[
        "size",
        "per_device_train_batch_size",
        "rows",
    ]),
    opt("epochs", Kind::Int, "1", "passes over the rows").also(&["num_train_epochs"]),
    opt("steps", Kind::Int, "", "number of batches, over as many epochs as needed; replaces `epochs`")
        .also(&["max_steps"]),
    opt("shuffle", Kind::Bool, "true", "shuffle the rows anew in every epoch").also(&["sampler"]),
    opt("seed", Kind::Int, "", "seed of the order; by default the script's `seed(…)`"),
    opt("start_step", Kind::Int, "0", "first step, to resume a run").also(&[
        "from",
        "resume_from_checkpoint",
        "skip_first_batches",
    ]),
    opt(
        "group_by_length",
        Kind::Bool,
        "false",
        "batch rows of similar length: less padding, where rows are not packed",
    )
    .also(&["bucketing", "bucket", "LengthGroupedSampler", "sortish sampler"]),
    opt("replay", Kind::Map, "", "`#{ rows, ratio }`: rows to replay, and their share of each batch")
        .also(&["rehearsal", "interleave_datasets"]),
];

const REPLAY: &[Opt] = &[
    opt("rows", Kind::Any, "", "encoded rows to replay"),
    opt("ratio", Kind::Float, "0.1", "share of each batch, from 0 to 1").also(&["probabilities"]),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("batches", BATCHES);
    host.engine.register_iterator::<crate::data::Batches>();
}

/// Rows to replay, and their share.
pub(super) fn replay(given: Dynamic) -> Res<batches::Replay> {
    let options = Options::read("batches", REPLAY, given.try_cast::<Map>().unwrap_or_default())?;
    let rows = options.get("rows");
    let kind = type_in_words(&rows);
    match rows.try_cast::<Encoded>() {
        Some(data) => Ok(batches::Replay { data, ratio: options.float("ratio")? }),
        None => Err(Error::new("batches", format!("`rows` of `replay` are encoded rows, not {kind}"))
            .help("`data.encode(tok).pack(seq)` makes them")
            .into()),
    }
}

fn tensor<T>(values: Vec<T>, batch: &Batch) -> Res<Tensor>
where
    Vec<T>: Into<TensorValues>,
{
    let dims = [batch.rows, batch.length];
    let there = default_device()?;
    let made = match values.into() {
        TensorValues::Ids(values) => Array::from_vec(values, dims.as_slice(), &there),
        TensorValues::Labels(values) => Array::from_vec(values, dims.as_slice(), &there),
    };
    Ok(Tensor::from(made.map_err(Error::from)?))
}

enum TensorValues {
    Ids(Vec<u32>),
    Labels(Vec<i64>),
}

impl From<Vec<u32>> for TensorValues {
    fn from(values: Vec<u32>) -> TensorValues {
        TensorValues::Ids(values)
    }
}

impl From<Vec<i64>> for TensorValues {
    fn from(values: Vec<i64>) -> TensorValues {
        TensorValues::Labels(values)
    }
}

#[export_module]
mod verbs {
    /// Batches of rows in an order: `for batch in batches { … }`.
    pub type Batches = crate::data::Batches;
    /// The input of a model in one step.
    pub type Batch = crate::data::Batch;

    /// Returns batches in a seeded order: the same seed gives the same batches, and every row occurs once per epoch.
    ///
    /// `start_step` resumes with the batches that an uninterrupted run would have from there. `replay` mixes in rows of other
    /// text to prevent forgetting: their share holds within one row in every stretch of the run, and none repeats before all have
    /// been used. Every batch then has `batch_size` rows, and epochs count the rows of this dataset.
    ///
    /// `group_by_length` sorts the shuffled rows by length within stretches of 50 batches, then shuffles these batches: rows of
    /// similar length share a batch, which is padded to its longest row. Packed rows do not need it.
    ///
    /// also: DataLoader, dataloader, sampler, per_device_train_batch_size, num_train_epochs, max_steps, rehearsal, drop_last
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cde", "f"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// for batch in rows.batches() { print(`${batch.step} of ${batch.total}: ${batch.tokens} tokens`); }
    /// let all  = rows.batches(#{ batch_size: 2, epochs: 3, seed: 7 });
    /// all.total     //=> 6
    /// for batch in all { batch.ids.shape; batch.labels; batch.epoch; }
    /// let longest = 0;
    /// for batch in rows.batches(#{ batch_size: 2, group_by_length: true, seed: 1 }) { longest += batch.ids.shape[1]; }
    /// longest                                         //=> 6
    /// rows.batches(#{ batch_sise: 2 })    //=> error: batches: there is no option `batch_sise`
    /// let other = dataset(["xyz"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows.batches(#{ batch_size: 2, epochs: 4, replay: #{ rows: other, ratio: 0.25 } }).total    //=> 8
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn batches(rows: &mut Encoded, options: Map) -> Res<Batches> {
        let options = Options::read("batches", BATCHES, options)?;
        let seed = options.maybe("seed", Options::int)?.map(|seed| seed as u64);
        let plan = batches::BatchPlan {
            batch_size: options.count("batch_size")?,
            epochs: options.count("epochs")?,
            steps: options.maybe("steps", Options::count)?,
            order: options.bool("shuffle")?.then(|| Rng::or_run(seed)),
            group_by_length: options.bool("group_by_length")?,
            replay: options.maybe("replay", |options, name| replay(options.get(name)))?,
            start_step: options.count("start_step")?,
        };
        if plan.group_by_length && (plan.order.is_none() || plan.replay.is_some()) {
            bail!("batches", "`group_by_length` is an order of shuffled rows, without `replay`");
        }
        Ok(crate::data::Batches::new(rows.clone(), plan)?)
    }

    /// Number of steps, counted from step 0.
    ///
    /// ```rhai
    /// dataset(["ab", "cd"]).encode(tokenizer("tests/data/tokenizer-bytes")).batches(#{ batch_size: 1 }).total    //=> 2
    /// ```
    #[rhai_fn(name = "total", get = "total", pure)]
    pub fn batches_total(batches: &mut Batches) -> i64 {
        batches.total() as i64
    }

    /// Number of batches per epoch.
    ///
    /// ```rhai
    /// dataset(["ab", "cd"]).encode(tokenizer("tests/data/tokenizer-bytes")).batches(#{ batch_size: 1, epochs: 3 }).per_epoch    //=> 2
    /// ```
    #[rhai_fn(get = "per_epoch", pure)]
    pub fn per_epoch(batches: &mut Batches) -> i64 {
        batches.per_epoch() as i64
    }

    /// Number of batches left.
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cd"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// rows.batches(#{ batch_size: 1, start_step: 1 }).len()    //=> 1
    /// ```
    #[rhai_fn(name = "len", pure)]
    pub fn batches_len(batches: &mut Batches) -> i64 {
        batches.len() as i64
    }

    /// Range of steps, and rows per batch.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn batches_text(batches: &mut Batches) -> String {
        batches.to_string()
    }

    /// Token ids, `[rows, length]`, u32.
    ///
    /// also: input_ids
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].ids.shape    //=> [1, 3]
    /// ```
    #[rhai_fn(get = "ids", pure, return_raw)]
    pub fn ids(batch: &mut Batch) -> Res<Tensor> {
        tensor(batch.ids.clone(), batch)
    }

    /// Labels: the ids of tokens in the loss, -100 elsewhere; `[rows, length]`, i64. Aligned with `ids`; the model shifts them.
    ///
    /// also: ignore_index, loss mask, assistant_masks, completion_mask
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].labels.shape    //=> [1, 3]
    /// ```
    #[rhai_fn(get = "labels", pure, return_raw)]
    pub fn labels(batch: &mut Batch) -> Res<Tensor> {
        tensor(batch.labels.clone(), batch)
    }

    /// Index of each token's sequence within its row, from 1; 0 is padding. `[rows, length]`, u32.
    ///
    /// also: attention_mask, sequence ids, seq_idx, document ids
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].segments.shape    //=> [1, 3]
    /// ```
    #[rhai_fn(get = "segments", pure, return_raw)]
    pub fn segments(batch: &mut Batch) -> Res<Tensor> {
        tensor(batch.segments.clone(), batch)
    }

    /// Position of each token in its sequence, from 0. `[rows, length]`, u32.
    ///
    /// also: position_ids
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].positions.shape    //=> [1, 3]
    /// ```
    #[rhai_fn(get = "positions", pure, return_raw)]
    pub fn positions(batch: &mut Batch) -> Res<Tensor> {
        tensor(batch.positions.clone(), batch)
    }

    /// Targets of each sequence: classes or numbers; empty where tokens are predicted.
    ///
    /// also: class labels, labels
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ model_type: "wordpiece", vocab_size: 40 });
    /// dataset([#{ text: "to be", label: 1 }]).encode(tok, #{ text: "text", label: "label" })[0].targets    //=> [1.0]
    /// ```
    #[rhai_fn(get = "targets", pure)]
    pub fn targets(batch: &mut Batch) -> List {
        batch.targets.iter().map(|&target| target.into()).collect()
    }

    /// Segment of a pair that each token belongs to, `[rows, length]`, u32: 0 is the first.
    ///
    /// also: token_type_ids
    ///
    /// ```rhai
    /// let tok = tokenizer(["to be"], #{ model_type: "wordpiece", vocab_size: 40 });
    /// dataset([#{ a: "to", b: "be" }]).encode(tok, #{ text: "a", pair: "b" })[0].token_types.to_list()    //=> [[0, 0, 0, 0, 1, 1, 1]]
    /// ```
    #[rhai_fn(get = "token_types", pure, return_raw)]
    pub fn token_types(batch: &mut Batch) -> Res<Tensor> {
        let mut types = batch.token_types.clone();
        types.resize(batch.ids.len(), 0);
        tensor(types, batch)
    }

    /// Splits a batch into at most `parts` micro-batches, for gradient accumulation: their gradients sum to that of the batch.
    ///
    /// also: gradient accumulation, micro-batch
    ///
    /// ```rhai
    /// let rows = dataset(["ab", "cde", "f"]).encode(tokenizer(["to be"], #{ vocab_size: 260 }));
    /// for batch in rows.batches(#{ batch_size: 3, shuffle: false }) { print(batch.split(2)[1].tokens); }
    /// ```
    #[rhai_fn(name = "split", pure, return_raw)]
    pub fn batch_split(batch: &mut Batch, parts: i64) -> Res<List> {
        let Ok(parts @ 1..) = usize::try_from(parts) else { bail!("split", "{parts} parts of a batch") };
        Ok((*batch).split(parts).into_iter().map(Dynamic::from).collect())
    }

    /// Number of tokens in the loss: labeled tokens except the first of each sequence.
    ///
    /// also: num_items_in_batch
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].loss_tokens    //=> 2
    /// ```
    #[rhai_fn(get = "loss_tokens", pure)]
    pub fn batch_loss_tokens(batch: &mut Batch) -> i64 {
        batch.loss_tokens() as i64
    }

    /// Number of tokens, without padding.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].tokens    //=> 3
    /// ```
    #[rhai_fn(get = "tokens", pure)]
    pub fn batch_tokens(batch: &mut Batch) -> i64 {
        batch.tokens() as i64
    }

    /// Bytes of text of the tokens in the loss.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].bytes    //=> 1
    /// ```
    #[rhai_fn(get = "bytes", pure)]
    pub fn batch_bytes(batch: &mut Batch) -> i64 {
        batch.bytes() as i64
    }

    /// Number of the batch, from 0.
    ///
    /// ```rhai
    /// dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"))[0].step    //=> 0
    /// ```
    #[rhai_fn(get = "step", pure)]
    pub fn step(batch: &mut Batch) -> i64 {
        batch.step as i64
    }

    /// Number of batches in the run.
    ///
    /// ```rhai
    /// let rows = dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// for batch in rows.batches(#{ epochs: 2 }) { print(batch.total); }
    /// ```
    #[rhai_fn(get = "total", pure)]
    pub fn total(batch: &mut Batch) -> i64 {
        batch.total as i64
    }

    /// Epoch, from 0.
    ///
    /// ```rhai
    /// let rows = dataset(["ab"]).encode(tokenizer("tests/data/tokenizer-bytes"));
    /// for batch in rows.batches(#{ epochs: 2 }) { print(batch.epoch); }
    /// ```
    #[rhai_fn(get = "epoch", pure)]
    pub fn epoch(batch: &mut Batch) -> i64 {
        batch.epoch as i64
    }

    /// Number of the batch, and its size.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn batch_text(batch: &mut Batch) -> String {
        let (rows, length) = (batch.rows, batch.length);
        format!("batch {} of {}: {rows} × {length}, {} loss tokens", batch.step, batch.total, batch.loss_tokens())
    }
}
