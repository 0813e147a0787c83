//! What a model computes, and what of it learns.

use super::read::Ids;
use crate::data::Batch;
use crate::model::{Model, Reduce, Rows};
use crate::script::prelude::*;
use crate::tensor::nn::Precision;
use crate::tensor::no_grad;

const LOSS: &[Opt] = &[
    opt("reduction", Kind::Text, "\"mean\"", "`mean` over what is learned, or `sum`"),
    opt("label_smoothing", Kind::Float, "0.0", "label smoothing, from 0 to 1"),
    opt("train", Kind::Bool, "true", "keep what a gradient needs, and drop out where LoRA does; false to evaluate"),
];

/// The map of a loss by hand.
const ROWS: &[Opt] = &[
    opt("ids", Kind::Any, "", "rows of ids"),
    opt("labels", Kind::Any, "", "rows of labels, -100 where nothing is learned; the ids where it is not given"),
    opt("segments", Kind::Any, "", "which sequence of its row each place belongs to, 0 is padding"),
];

const PARAMS: &[Opt] = &[opt("frozen", Kind::Bool, "false", "those that do not learn now too")];

const LEARN: &[Opt] = &[opt("from", Kind::Int, "", "the first new row; what the last `resize` added, if not given")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("learn", LEARN);
    host.options("params", PARAMS);
    host.options("loss", LOSS);
}

fn loss_of(net: &Model, rows: &Rows, options: Map) -> Res<crate::tensor::Tensor> {
    let options = Options::read("loss", LOSS, options)?;
    let reduce = match options.text("reduction")?.as_str() {
        "mean" => Reduce::Mean,
        "sum" => Reduce::Sum,
        other => {
            return Err(Error::new("loss", format!("`reduction` is `{other}`")).help("it takes mean, sum").into());
        }
    };
    let smoothing = options.float("label_smoothing")?;
    if !(0.0..1.0).contains(&smoothing) {
        bail!("loss", "smoothing {smoothing} is not in 0..1");
    }
    let work = || net.loss(rows, reduce, smoothing);
    Ok(if options.bool("train")? { work()? } else { no_grad(work)? })
}

impl<'a> From<&'a Batch> for Rows<'a> {
    fn from(batch: &'a Batch) -> Rows<'a> {
        Rows {
            rows: batch.rows,
            length: batch.length,
            ids: &batch.ids,
            labels: Some(&batch.labels),
            segments: Some(&batch.segments),
            positions: Some(&batch.positions),
            step: batch.step as u64,
        }
    }
}

/// A word, or a list of words.
fn words(who: &str, given: Dynamic) -> Res<Vec<String>> {
    if given.is_string() {
        return Ok(vec![given.to_string()]);
    }
    let kind = given.type_name();
    match given.into_typed_array::<ImmutableString>() {
        Ok(words) => Ok(words.iter().map(|word| word.to_string()).collect()),
        Err(_) => bail!(who, "parts are a word or a list of words, not {kind}"),
    }
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;
    pub type Batch = crate::data::Batch;
    pub type Tensor = crate::tensor::Tensor;

    /// Logits of every place of some rows of ids, `[rows, length, vocab]`.
    ///
    /// `ids` is a list of ids, a list of lists of equal length, or a tensor. Gradients flow through.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.forward([[5, 6, 7], [8, 9, 10]]).shape       //=> [2, 3, 160]
    /// net.forward([5, 600])    //=> error: forward: id 600 (row 0, place 1) is outside the table of 160 rows
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn forward(net: &mut Model, ids: Dynamic) -> Res<Tensor> {
        let given = Ids::read("forward", "ids", ids)?;
        let ids = given.unsigned("forward")?;
        let rows = Rows { rows: given.rows, length: given.length, ids: &ids, ..Rows::default() };
        Ok(net.forward(&rows)?)
    }

    /// States after the last norm, before the output table: `[rows, length, hidden]`.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").states([5, 6, 7]).shape     //=> [1, 3, 48]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn states(net: &mut Model, ids: Dynamic) -> Res<Tensor> {
        let given = Ids::read("states", "ids", ids)?;
        let ids = given.unsigned("states")?;
        let rows = Rows { rows: given.rows, length: given.length, ids: &ids, ..Rows::default() };
        Ok(net.hidden(&rows)?)
    }

    /// Mean cross-entropy of a batch over what is learned, without ever holding all logits.
    ///
    /// Labels are aligned with the ids, as in Hugging Face: place t predicts the label of place t + 1, where both are of
    /// one segment. A batch that learns nothing is an error.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.loss(#{ ids: [5, 6, 7, 8], labels: [-100, 6, 7, 8] }).backward();
    /// ```
    #[rhai_fn(name = "loss", pure, return_raw)]
    pub fn loss(net: &mut Model, batch: Batch) -> Res<Tensor> {
        loss_with(net, batch, Map::new())
    }

    /// Cross-entropy of a batch: summed for accumulation, or without a graph for evaluation.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// let sum = net.loss(#{ ids: [5, 6, 7, 8] }, #{ reduction: "sum", train: false }).item();
    /// assert::close(sum / 3, net.loss(#{ ids: [5, 6, 7, 8] }).item(), 1e-4);
    /// ```
    #[rhai_fn(name = "loss", pure, return_raw)]
    pub fn loss_with(net: &mut Model, batch: Batch, options: Map) -> Res<Tensor> {
        loss_of(net, &Rows::from(&batch), options)
    }

    /// Mean cross-entropy of rows given by hand: `#{ ids, labels, segments }`, of which only `ids` must be.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.loss(#{ ids: [5, 6, 7, 8] }).shape                       //=> []
    /// net.loss(#{ ids: [5, 6], labels: [-100, -100] })
    /// //=> error: loss: no label of this batch is learned: all are -100
    /// ```
    #[rhai_fn(name = "loss", pure, return_raw)]
    pub fn loss_of_map(net: &mut Model, rows: Map) -> Res<Tensor> {
        loss_of_map_with(net, rows, Map::new())
    }

    /// Cross-entropy of rows given by hand, with options.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.loss(#{ ids: [5, 6, 7, 8] }, #{ reduse: "sum" })         //=> error: loss: there is no option `reduse`
    /// ```
    #[rhai_fn(name = "loss", pure, return_raw)]
    pub fn loss_of_map_with(net: &mut Model, rows: Map, options: Map) -> Res<Tensor> {
        let given = Options::read("loss", ROWS, rows)?;
        if !given.has("ids") {
            bail!("loss", "`ids` must be given");
        }
        let all = Ids::read("loss", "ids", given.get("ids"))?;
        let labels =
            if given.has("labels") { Ids::read("loss", "labels", given.get("labels"))?.ids } else { all.ids.clone() };
        let segments = match given.has("segments") {
            true => Some(Ids::read("loss", "segments", given.get("segments"))?.unsigned("loss")?),
            false => None,
        };
        let ids = all.unsigned("loss")?;
        let rows = Rows {
            rows: all.rows,
            length: all.length,
            ids: &ids,
            labels: Some(&labels),
            segments: segments.as_deref(),
            ..Rows::default()
        };
        loss_of(net, &rows, options)
    }

    /// From now on these parts of the model learn, and nothing else; tells how many weights that are.
    ///
    /// `parts` is a word or a list of words:
    ///
    /// - `new_rows`: the rows that the last `resize` added, of both tables (`new_input`, `new_output`: of one);
    /// - `tables`: all rows of both tables (`input`, `output`: of one);
    /// - `layers`: everything but the tables;
    /// - `lora`, `adapters`: what `attach_lora` and `attach_adapters` attached;
    /// - `all`.
    ///
    /// While new rows learn without the old ones they are a weight of their own, `model.embed_tokens.new_rows`, and the old
    /// rows are frozen: weight decay can't move them, and they cost no gradient and no state. `save` and `resize` put the
    /// table together again. Optimisers made before know the weights as they were: make them after.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.resize(170);
    /// net.learn("new_rows")                    //=> 2
    /// net["model.embed_tokens.new_rows"].shape //=> [10, 48]
    /// net.attach_lora(#{ rank: 2, seed: 1 });
    /// net.learn(["new_rows", "lora"])          //=> 10
    /// net.learn("new_row")                     //=> error: learn: there is no part `new_row`
    /// ```
    #[rhai_fn(name = "learn", pure, return_raw)]
    pub fn learn(net: &mut Model, parts: Dynamic) -> Res<INT> {
        learn_with(net, parts, Map::new())
    }

    /// Parts that learn, with the id that new rows begin at: needed for a table that had rows to spare, or did not grow
    /// since it was opened.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.learn("new_rows", #{ from: 150 });
    /// net["lm_head.new_rows"].shape            //=> [10, 48]
    /// net.learn("new_rows")                    //=> error: learn: which rows are new is not known: the tables did not grow here
    /// ```
    #[rhai_fn(name = "learn", pure, return_raw)]
    pub fn learn_with(net: &mut Model, parts: Dynamic, options: Map) -> Res<INT> {
        let options = Options::read("learn", LEARN, options)?;
        let parts = crate::model::parts("learn", &words("learn", parts)?)?;
        Ok(net.learn(&parts, options.maybe("from", Options::count)?)? as INT)
    }

    /// The parameters of some parts of the model (see `learn`) that learn: for the groups of an optimiser.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.params("tables").len()               //=> 2
    /// adamw(net.params(), #{ lr: 1e-4, groups: [#{ parameters: net.params("tables"), lr: 1e-3 }] });
    /// ```
    #[rhai_fn(name = "params", pure, return_raw)]
    pub fn params_of(net: &mut Model, parts: Dynamic) -> Res<List> {
        params_with(net, parts, Map::new())
    }

    /// The parameters of some parts, the frozen ones too when asked for: what a checkpoint of a run in stages has to hold.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.learn("layers");
    /// net.params("tables").len()                       //=> 0
    /// net.params("tables", #{ frozen: true }).len()    //=> 2
    /// ```
    #[rhai_fn(name = "params", pure, return_raw)]
    pub fn params_with(net: &mut Model, parts: Dynamic, options: Map) -> Res<List> {
        let options = Options::read("params", PARAMS, options)?;
        let parts = crate::model::parts("params", &words("params", parts)?)?;
        Ok(net.params_of(&parts, options.bool("frozen")?).into_iter().map(Dynamic::from).collect())
    }

    /// The parameters that learn, in name order: what an optimiser takes. Frozen weights are not among them.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.params().len()                       //=> 21
    /// let opt = adamw(net.params(), #{ lr: 1e-3 });
    /// opt.step(net.loss(#{ ids: [5, 6, 7, 8] }).backward());
    /// ```
    #[rhai_fn(pure)]
    pub fn params(net: &mut Model) -> List {
        net.params().into_iter().map(Dynamic::from).collect()
    }

    /// Freeze the weights whose names match, and tell how many did. They cost nothing in training.
    ///
    /// `*` stands for any part of a name.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.freeze("*.mlp.*")                    //=> 6
    /// net.freeze("*.mlb.*")                    //=> error: freeze: no weight matches `*.mlb.*`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn freeze(net: &mut Model, pattern: &str) -> Res<INT> {
        Ok(net.freeze(pattern, true)? as INT)
    }

    /// Let the weights whose names match learn again, and tell how many did.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.freeze("*");
    /// net.unfreeze("lm_head.weight");
    /// net.params().len()                       //=> 1
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn unfreeze(net: &mut Model, pattern: &str) -> Res<INT> {
        Ok(net.freeze(pattern, false)? as INT)
    }

    /// What the factors of products are rounded to: `f32`, or `bf16`, which is faster where the processor has it.
    /// Weights and sums stay f32.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").precision           //=> f32
    /// ```
    #[rhai_fn(pure, get = "precision")]
    pub fn precision(net: &mut Model) -> String {
        match net.precision() {
            Precision::F32 => "f32".into(),
            Precision::Bf16 => "bf16".into(),
        }
    }

    /// Choose what the factors of products are rounded to.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.precision = "bf16";
    /// net.precision = "f8"                     //=> error: precision: there is no precision `f8`
    /// ```
    #[rhai_fn(pure, set = "precision", return_raw)]
    pub fn set_precision(net: &mut Model, name: &str) -> Res<()> {
        match name {
            "f32" => net.set_precision(Precision::F32),
            "bf16" => net.set_precision(Precision::Bf16),
            other => return Err(Error::unknown("precision", "precision", other, ["f32", "bf16"]).into()),
        }
        Ok(())
    }

    /// Whether blocks keep only their input for backward and compute the rest again: less memory for more time, to the
    /// same bits.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").recompute           //=> false
    /// ```
    #[rhai_fn(pure, get = "recompute")]
    pub fn recompute(net: &mut Model) -> bool {
        net.recompute()
    }

    /// Choose whether blocks are computed again in backward.
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
