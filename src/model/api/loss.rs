//! Outputs, hidden states and losses of a model.

use super::read::{self, Ids};
use crate::data::Batch;
use crate::model::{LossPlan, Reduce, TokenRows};
use crate::script::prelude::*;
use crate::tensor::nn::Precision;
use crate::tensor::no_grad;

const FORWARD: &[Opt] = &[opt("dropout", Kind::Bool, "false", "apply training dropout: the config's and LoRA's")];

const LOSS: &[Opt] = &[
    opt("reduction", Kind::OneOf(&["mean", "sum"]), "\"mean\"", "reduction over the tokens with a loss"),
    opt("label_smoothing", Kind::Float, "0.0", "label smoothing, from 0 to 1"),
    opt("class_weight", Kind::List, "", "weight of each class; the mean then divides by the weights of the targets")
        .also(&["weight", "CrossEntropyLoss(weight)", "imbalanced classes"]),
    opt("pos_weight", Kind::List, "", "weight of positive targets in multi-label classification: one number per label")
        .also(&["BCEWithLogitsLoss(pos_weight)"]),
    opt("gamma", Kind::Float, "0.0", "focal loss: each loss times (1 - p)^gamma of its target's probability p")
        .also(&["focal loss", "focal_gamma"]),
    opt("scale", Kind::Float, "20.0", "factor of cosines of embeddings: 1 / temperature").also(&["temperature"]),
    opt(
        "symmetric",
        Kind::Bool,
        "false",
        "embeddings: also match positives to their anchors, and take the mean of both losses",
    )
    .also(&["MultipleNegativesSymmetricRankingLoss", "bidirectional"]),
    opt("train", Kind::Bool, "true", "record for backward, and apply dropout; false to evaluate").also(&["eval"]),
];

/// Options of rows in a map.
const ROWS: &[Opt] = &[
    opt("ids", Kind::Any, "", "rows of ids").also(&["input_ids"]),
    opt(
        "labels",
        Kind::Any,
        "",
        "rows of labels, -100 where there is no loss; default: the ids, if the head predicts tokens",
    ),
    opt("targets", Kind::Any, "", "target of each sequence: a class, or a list of numbers"),
    opt("segments", Kind::Any, "", "segment id of each token: its sequence within the row; 0 is padding")
        .also(&["attention_mask"]),
    opt("token_types", Kind::Any, "", "part of a pair that each token belongs to (BERT)").also(&["token_type_ids"]),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("forward", FORWARD);
    host.options("loss", LOSS);
    host.options("loss_weight", LOSS);
}

/// The loss plan from the options.
fn plan(options: &Options) -> Res<LossPlan> {
    let smoothing = options.float("label_smoothing")?;
    if !(0.0..1.0).contains(&smoothing) {
        bail!("loss", "label_smoothing {smoothing} is not in 0..1");
    }
    let weights = |name: &str| match options.has(name) {
        true => read::numbers("loss", name, options.get(name)).map(Some),
        false => Ok(None),
    };
    Ok(LossPlan {
        smoothing,
        class_weight: weights("class_weight")?,
        pos_weight: weights("pos_weight")?,
        gamma: options.float("gamma")?,
        scale: options.float("scale")?,
        symmetric: options.bool("symmetric")?,
    })
}

/// Rows read from ids or a map.
struct Given {
    rows: usize,
    length: usize,
    ids: Vec<u32>,
    labels: Option<Vec<i64>>,
    targets: Option<Vec<f64>>,
    segments: Option<Vec<u32>>,
    token_types: Option<Vec<u32>>,
}

impl Given {
    /// Reads ids, or a map with them.
    fn read(who: &'static str, given: Dynamic) -> Res<Given> {
        let map = match given.is_map() {
            true => given.cast::<Map>(),
            false => Map::from([("ids".into(), given)]),
        };
        let map = Options::read(who, ROWS, map)?;
        if !map.has("ids") {
            bail!(who, "`ids` must be given");
        }
        let all = Ids::read(who, "ids", map.get("ids"))?;
        let unsigned = |name: &str| match map.has(name) {
            true => Ids::read(who, name, map.get(name))?.unsigned(who).map(Some),
            false => Ok(None),
        };
        Ok(Given {
            rows: all.rows,
            length: all.length,
            ids: all.unsigned(who)?,
            segments: unsigned("segments")?,
            token_types: unsigned("token_types")?,
            labels: if map.has("labels") { Some(Ids::read(who, "labels", map.get("labels"))?.ids) } else { None },
            targets: if map.has("targets") { Some(read::numbers(who, "targets", map.get("targets"))?) } else { None },
        })
    }

    fn rows(&self) -> TokenRows<'_> {
        TokenRows {
            rows: self.rows,
            length: self.length,
            ids: &self.ids,
            labels: self.labels.as_deref(),
            targets: self.targets.as_deref(),
            segments: self.segments.as_deref(),
            token_types: self.token_types.as_deref(),
            ..TokenRows::default()
        }
    }
}

/// Calls `work` with the rows of a batch, a map or ids.
pub fn with_rows<T>(who: &'static str, given: Dynamic, work: impl FnOnce(&TokenRows) -> crate::Result<T>) -> Res<T> {
    if let Some(batch) = given.read_lock::<Batch>() {
        return Ok(work(&TokenRows::from(&*batch))?);
    }
    Ok(work(&Given::read(who, given)?.rows())?)
}

impl<'a> From<&'a Batch> for TokenRows<'a> {
    fn from(batch: &'a Batch) -> TokenRows<'a> {
        let given = |values: &'a [u32]| (!values.is_empty()).then_some(values);
        TokenRows {
            rows: batch.rows,
            length: batch.length,
            ids: &batch.ids,
            labels: Some(&batch.labels),
            segments: Some(&batch.segments),
            positions: Some(&batch.positions),
            token_types: given(&batch.token_types),
            targets: (!batch.targets.is_empty()).then_some(&batch.targets),
        }
    }
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;
    pub type Tensor = crate::tensor::Tensor;

    /// Returns the outputs of the model's head for rows of ids. Gradients flow through.
    ///
    /// Causal and masked heads return logits `[rows, length, vocab_size]`, `token` heads `[rows, length, labels]`,
    /// `replaced_token` `[rows, length]`; heads of whole sequences return logits `[sequences, labels]` (`sequence`,
    /// `next_sentence`) or embeddings `[sequences, hidden_size]` (`embed`). A row is a sequence, or each of its segments.
    ///
    /// `rows` is a list of ids, a list of lists of equal length, a tensor, a batch, or a map of `ids`, `segments` and
    /// `token_types`. `dropout: true` is for custom losses: it applies the config's dropout while gradients are recorded.
    ///
    /// also: logits, __call__, forward pass, train mode
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.forward([[5, 6, 7], [8, 9, 10]]).shape       //=> [2, 3, 160]
    /// net.forward([5, 600])    //=> error: forward: id 600 (row 0, position 1) is outside the embeddings of 160 rows
    /// let bert = model("tests/data/parity/bert-mlm");
    /// bert.forward(#{ ids: [5, 6, 7], token_types: [0, 0, 1] }).shape      //=> [1, 3, 160]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn forward(net: &mut Model, rows: Dynamic, options: Map) -> Res<Tensor> {
        let drops = Options::read("forward", FORWARD, options)?.bool("dropout")?;
        super::with_rows("forward", rows, |rows| if drops { net.forward_dropping(rows) } else { net.forward(rows) })
    }

    /// Returns the hidden states after the last layer and its norm, `[rows, length, hidden_size]`. Accepts rows as `forward`
    /// does.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").hidden_states([5, 6, 7]).shape     //=> [1, 3, 48]
    /// ```
    ///
    /// also: last_hidden_state, output_hidden_states
    #[rhai_fn(pure, return_raw)]
    pub fn hidden_states(net: &mut Model, rows: Dynamic) -> Res<Tensor> {
        super::with_rows("hidden_states", rows, |rows| net.hidden_states(rows))
    }

    /// Returns the mean loss of a batch, or of a map of `ids` and optionally `labels`, `segments` and `token_types`.
    ///
    /// Labels are aligned with the ids, as in Hugging Face, and -100 where there is no loss. A causal model predicts the label of
    /// position t + 1 at position t, if both are in one segment; a masked model predicts labels in place. The logits are never
    /// all in memory. A batch without targets is an error.
    ///
    /// Heads of whole sequences read `targets`: a class for each (-100: none), or a list of numbers for multi-label
    /// classification and regression. For `embed` they are group numbers: sequences of one group are anchor, positive and further
    /// negatives (without targets, neighbors are pairs), and the loss is InfoNCE over the batch.
    ///
    /// Heads with classes accept `class_weight` (by class, as `torch.nn.CrossEntropyLoss`: the mean divides by the weights of
    /// the targets), `pos_weight` for multi-label classification (`BCEWithLogitsLoss`), and `gamma` of the focal loss (Lin et
    /// al. 2017).
    ///
    /// `reduction: "sum"` is for gradient accumulation, `train: false` for evaluation: it records nothing for backward. In
    /// training, the dropout of encoders (`hidden_dropout_prob`, `attention_probs_dropout_prob`, `classifier_dropout` of the
    /// config, where transformers applies them) and of LoRA draws a new mask at every call; `seed(n)` and checkpoints set and
    /// restore its random state. A new model has no dropout unless its config sets it.
    ///
    /// also: labels, training loss, forward pass with labels
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.loss(#{ ids: [5, 6, 7, 8], labels: [-100, 6, 7, 8] }).backward();
    /// net.loss(#{ ids: [5, 6, 7, 8] }).shape                       //=> []
    /// net.loss(#{ ids: [5, 6], labels: [-100, -100] })
    /// //=> error: loss: no token of this batch has a loss: all labels are -100
    /// let sum = net.loss(#{ ids: [5, 6, 7, 8] }, #{ reduction: "sum", train: false }).item();
    /// assert::close(sum / 3, net.loss(#{ ids: [5, 6, 7, 8] }).item(), 1e-4);
    /// net.loss(#{ ids: [5, 6, 7, 8] }, #{ reductoin: "sum" })         //=> error: loss: there is no option `reductoin`
    /// let classifier = model("tests/data/parity/bert-classify");
    /// classifier.loss(#{ ids: [[5, 6, 7], [8, 9, 5]], targets: [2, 0] }).shape     //=> []
    /// classifier.loss(#{ ids: [[5, 6, 7]], targets: [2] }, #{ class_weight: [1, 1, 2, 1, 1], gamma: 2.0 }).shape     //=> []
    /// classifier.loss(#{ ids: [[5, 6, 7]], targets: [2] }, #{ pos_weight: [2] })
    /// //=> error: loss: `pos_weight` is not for a head that learns a single_label_classification
    /// classifier.loss(#{ ids: [[5, 6, 7]], targets: [7] })    //=> error: loss: target 7, and this head has 5 classes
    /// ```
    #[rhai_fn(name = "loss", pure, return_raw)]
    pub fn loss(net: &mut Model, batch: Dynamic, options: Map) -> Res<Tensor> {
        let options = Options::read("loss", LOSS, options)?;
        let reduce = if options.text("reduction")? == "sum" { Reduce::Sum } else { Reduce::Mean };
        let plan = super::plan(&options)?;
        let train = options.bool("train")?;
        super::with_rows("loss", batch, |rows| {
            let work = || net.loss(rows, reduce, plan.clone());
            if train { work() } else { no_grad(work) }
        })
    }

    /// Returns the number of targets in the loss of a batch: the divisor of the mean.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").loss_tokens(#{ ids: [5, 6, 7, 8] })                                 //=> 3
    /// model("tests/data/parity/bert-mlm").loss_tokens(#{ ids: [5, 6, 7], labels: [-100, 9, -100] })        //=> 1
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn loss_tokens(net: &mut Model, batch: Dynamic) -> Res<INT> {
        super::with_rows("loss_tokens", batch, |rows| Ok(net.targets(rows)?.count as INT))
    }

    /// Returns the divisor of the mean loss of a batch. It is the number of targets, or with `class_weight` the sum of their
    /// weights, as in PyTorch. Accepts the options of `loss`.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/bert-classify");
    /// let batch = #{ ids: [[5, 6, 7], [8, 9, 5]], targets: [2, 0] };
    /// net.loss_weight(batch)                                            //=> 2.0
    /// net.loss_weight(batch, #{ class_weight: [0.5, 1, 3, 1, 1] })      //=> 3.5
    /// net.loss_weight(batch, #{ class_weight: [1, 2] })
    /// //=> error: loss: `class_weight` has 2 numbers, and this head 5 classes
    /// ```
    #[rhai_fn(name = "loss_weight", pure, return_raw)]
    pub fn loss_weight(net: &mut Model, batch: Dynamic, options: Map) -> Res<FLOAT> {
        let plan = super::plan(&Options::read("loss", LOSS, options)?)?;
        super::with_rows("loss_weight", batch, |rows| net.loss_weight(rows, &plan))
    }

    /// Precision of the operands of matrix products: `f32`; `bf16`, which is faster where the processor supports it; `bf16x3`,
    /// the sum of three bf16 per number; or `int8`. Weights and accumulation stay f32.
    ///
    /// `int8` is the default of a model with quantized weights: a product with a quantized weight rounds its input to 8 bits, 32
    /// numbers per scale, and multiplies integers, as llama.cpp does; everything else is in f32, gradients too. Such products
    /// have the same bits on every processor with AVX2. `f32` dequantizes the weights and rounds nothing, at a fraction of the
    /// speed.
    ///
    /// `f32` has the same bits on every processor with AVX2. `bf16x3` is as exact and faster with AMX (Intel, from Sapphire
    /// Rapids on); other processors with AVX512-BF16 compute the same sums with vectors, many times slower; elsewhere it is an
    /// error. `bf16` has different bits with AMX and with AVX512-BF16. Without either, products in `bf16` are f32.
    ///
    /// also: autocast, mixed precision, bf16, set_float32_matmul_precision, matmul precision high, tf32, int8 activations, w8a8, w4a8
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").precision           //=> f32
    /// ```
    #[rhai_fn(pure, get = "precision")]
    pub fn precision(net: &mut Model) -> String {
        net.precision().name().into()
    }

    /// Sets the precision of the operands of matrix products.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.precision = "bf16";
    /// net.precision = "f8"                     //=> error: precision: there is no precision `f8`
    /// ```
    #[rhai_fn(pure, set = "precision", return_raw)]
    pub fn set_precision(net: &mut Model, name: &str) -> Res<()> {
        net.set_precision(Precision::named("precision", name)?);
        Ok(())
    }

    /// Whether layers keep only their input for backward and recompute the rest. It takes less memory and more time, with the
    /// same bits.
    ///
    /// also: gradient checkpointing, activation checkpointing, gradient_checkpointing_enable
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").recompute           //=> false
    /// ```
    #[rhai_fn(pure, get = "recompute")]
    pub fn recompute(net: &mut Model) -> bool {
        net.recompute()
    }

    /// Sets whether layers are recomputed in backward.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.recompute = true;
    /// net.loss(#{ ids: [5, 6, 7, 8] }).backward();
    /// ```
    #[rhai_fn(pure, set = "recompute")]
    pub fn set_recompute(net: &mut Model, recompute: bool) {
        net.set_recompute(recompute);
    }
}
