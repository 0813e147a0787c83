//! Fused operations of a decoder, for models written in a script.

use super::{PRECISION, places, precision, tensor_of};
use crate::script::prelude::*;
use crate::sync::unpoisoned;
use crate::tensor::nn::{self, Dropout, Mask, Rotary, RotaryScaling};
use crate::tensor::{Rng, Tensor, is_recording, ops, rng, values};
use std::sync::{Arc, Mutex};

const LINEAR: &[Opt] = &[opt("bias", Kind::Any, "", "bias, shape [out]"), PRECISION];
const ROTARY: &[Opt] = &[
    opt("theta", Kind::Float, "10000.0", "base of the frequencies (`rope_theta`)"),
    opt("positions", Kind::Any, "", "position ids, a tensor `[batch, length]`; by default 0, 1, 2 … in each row"),
];
const ATTENTION: &[Opt] = &[
    opt("causal", Kind::Bool, "true", "causal: a position attends to itself and earlier positions"),
    opt("window", Kind::Int, "", "sliding window: number of positions a query attends to, its own included"),
    opt(
        "segments",
        Kind::Any,
        "",
        "segment ids of the keys, a tensor `[batch, length]`: attention stays within a segment; 0 is padding",
    ),
    opt(
        "query_segments",
        Kind::Any,
        "",
        "segment ids of the queries in cross-attention (with `causal: false`); 0 is padding",
    )
    .also(&["cross attention", "key_padding_mask", "memory_key_padding_mask"]),
    opt("scale", Kind::Float, "", "scale of the scores; by default 1 / √width"),
    opt("dropout", Kind::Float, "0.0", "probability of dropping a weight, while gradients are recorded").also(&[
        "dropout_p",
        "attention dropout",
        "attention_probs_dropout_prob",
    ]),
    opt("seed", Kind::Int, "", "seed of dropout's own random stream; by default the run's"),
    PRECISION,
];
const LOSS: &[Opt] = &[
    opt("bias", Kind::Any, "", "bias, shape [classes]"),
    opt("ignore_index", Kind::Int, "-100", "target class to ignore"),
    opt("label_smoothing", Kind::Float, "0.0", "share of the target spread over all classes"),
    opt("reduction", Kind::OneOf(&["mean", "sum"]), "\"mean\"", "mean over the targets that are not ignored, or sum"),
    PRECISION,
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("linear", LINEAR);
    host.options("rotary", ROTARY);
    host.options("attention", ATTENTION);
    host.options("linear_cross_entropy", LOSS);
}

/// Dropout of attention weights; none in evaluation.
fn dropped(options: &Options) -> Res<Option<Dropout>> {
    let p = options.float("dropout")?;
    let seed = options.maybe("seed", Options::int)?;
    if p == 0.0 {
        return Ok(None);
    }
    let mut rng = seed.map_or_else(rng::dropout, |seed| Rng::new(seed as u64));
    let dropout = Dropout::new("attention", p, rng.next_u64())?;
    Ok(is_recording().then_some(dropout))
}

/// Rotary angles for heads of this width, computed once.
fn angles(width: usize, theta: f64) -> Arc<Rotary> {
    static MADE: Mutex<Vec<(usize, u64, Arc<Rotary>)>> = Mutex::new(Vec::new());
    let mut made = unpoisoned(MADE.lock());
    let key = (width, theta.to_bits());
    if let Some((.., rotary)) = made.iter().find(|(width, theta, _)| (*width, *theta) == key) {
        return rotary.clone();
    }
    let rotary = Arc::new(Rotary::new(width, theta, &RotaryScaling::None, 1024));
    made.push((key.0, key.1, rotary.clone()));
    rotary
}

/// Batch and length of heads `[batch, length, heads, width]`.
fn heads(who: &str, x: &Tensor) -> Res<(usize, usize, usize)> {
    match x.shape()[..] {
        [batch, length, _, width] => Ok((batch, length, width)),
        ref dims => bail!(who, "shape {dims:?} is not [batch, length, heads, width]"),
    }
}

#[export_module]
mod verbs {
    /// Applies a linear layer, x · weightᵀ, for a weight `[out, in]`, optionally with a bias or with operands in bf16.
    ///
    /// also: nn.Linear, Dense, fully connected layer, affine
    ///
    /// ```rhai
    /// linear(tensor([[1.0, 2.0]]), tensor([[3.0, 4.0]]))      //=> tensor([[11.]])
    /// linear(tensor([[1.0, 2.0]]), tensor([[3.0, 4.0]]), #{ precision: "bf16" })      //=> tensor([[11.]])
    /// ```
    #[rhai_fn(name = "linear", return_raw)]
    pub fn linear_options(x: Tensor, weight: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("linear", LINEAR, options)?;
        Ok(nn::linear(&x, &weight, tensor_of(&options, "bias")?.as_ref(), precision(&options)?)?)
    }

    /// Computes silu(gate) · up elementwise: SwiGLU, the gate of Llama's feed-forward layer (Shazeer 2020).
    ///
    /// also: gated linear unit, GLU
    ///
    /// ```rhai
    /// swiglu(tensor([1.0, 2.0]), tensor([1.0, -1.0]))      //=> tensor([ 0.7311, -1.7616])
    /// ```
    #[rhai_fn(return_raw)]
    pub fn swiglu(gate: Tensor, up: Tensor) -> Res<Tensor> {
        Ok(nn::swiglu(&ops::real(&gate)?, &ops::real(&up)?)?)
    }

    /// Applies rotary position embeddings to heads `[batch, length, heads, width]`, in the layout of Hugging Face. Pairs are half
    /// a head apart (Su et al. 2021).
    ///
    /// also: rope, apply_rotary_pos_emb
    ///
    /// ```rhai
    /// rotary(ones([1, 2, 1, 2]))[0][1]         //=> tensor([[-0.3012,  1.3818]])
    /// rotary(ones([2, 2]))                     //=> error: rotary: shape [2, 2] is not [batch, length, heads, width]
    /// let x = ones([1, 2, 1, 2]);
    /// rotary(x, #{ positions: tensor([[0, 0]]) })[0][1]        //=> tensor([[1., 1.]])
    /// ```
    #[rhai_fn(name = "rotary", return_raw)]
    pub fn rotary(x: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("rotary", ROTARY, options)?;
        let (batch, length, width) = heads("rotary", &x)?;
        let theta = options.float("theta")?;
        if !width.is_multiple_of(2) || theta.is_nan() || theta <= 1.0 {
            bail!("rotary", "heads of {width} numbers and theta {theta}: the width is even, theta above 1");
        }
        let positions = places(&options, "positions", &[batch, length])?;
        let positions = positions.unwrap_or_else(|| (0..batch).flat_map(|_| 0..length as u32).collect());
        Ok(nn::rotary(&x, &angles(width, theta), &positions)?)
    }

    /// Computes attention, softmax(q·kᵀ / √width)·v, causal by default. q is `[batch, length, heads, width]`; k and v have as
    /// many heads or a divisor of them (grouped-query attention, Ainslie et al. 2023). Memory is linear in the length (Dao et al.
    /// 2022).
    ///
    /// With `causal: false`, keys and values may come from another sequence, of any length: cross-attention. `segments` and
    /// `query_segments` then decide which keys a query attends to. `dropout` drops weights at random, as `dropout` does, unless
    /// gradients are off.
    ///
    /// also: scaled_dot_product_attention, flash attention, GQA, cross attention, nn.MultiheadAttention
    ///
    /// ```rhai
    /// let x = randn([1, 4, 2, 8]);
    /// let y = attention(x, x, x);
    /// close(y[0][0], x[0][0], 1e-6)            // the first position attends only to itself
    /// //=> true
    /// let y = attention(x, x, x, #{ causal: false, segments: tensor([[1, 2, 2, 0]]) });
    /// close(y[0][0], x[0][0], 1e-6)            //=> true
    /// y[0][3].abs().sum().item()               //=> 0.0
    /// let memory = randn([1, 3, 2, 8]);
    /// attention(x, memory, memory, #{ causal: false }).shape       //=> [1, 4, 2, 8]
    /// let how = #{ causal: false, query_segments: tensor([[1, 1, 2, 0]]), segments: tensor([[1, 2, 0]]) };
    /// let y = attention(x, memory, memory, how);
    /// close(y[0][2], memory[0][1], 1e-6)       // one key is in its segment
    /// //=> true
    /// equal(attention(x, x, x, #{ dropout: 0.5, seed: 1 }), attention(x, x, x, #{ dropout: 0.5, seed: 1 }))     //=> true
    /// no_grad(|| equal(attention(x, x, x, #{ dropout: 0.5 }), attention(x, x, x)))     //=> true
    /// attention(x, x, x, #{ dropout: 1.0 })    //=> error: attention: probability 1 of dropout is not in 0..1
    /// attention(x, memory, memory)             //=> error: attention: 4 queries are more than 3 keys: they are the last of their places
    /// ```
    #[rhai_fn(name = "attention", return_raw)]
    pub fn attention(q: Tensor, k: Tensor, v: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("attention", ATTENTION, options)?;
        let (batch, queries, width) = heads("attention", &q)?;
        let (_, keys, _) = heads("attention", &k)?;
        let segments = places(&options, "segments", &[batch, keys])?;
        let window = options.maybe("window", Options::count)?;
        if window == Some(0) {
            bail!("attention", "option `window` is 0: a query sees at least its own place");
        }
        let causal = options.bool("causal")?;
        let scale = options.maybe("scale", Options::float)?.unwrap_or(1.0 / (width as f64).sqrt());
        let of_queries = places(&options, "query_segments", &[batch, queries])?;
        if of_queries.is_some() && (causal || window.is_some() || segments.is_none()) {
            return Err(Error::new("attention", "`query_segments` are for queries of another sequence than the keys")
                .help("give `segments` of the keys too, `causal: false`, and no `window`")
                .into());
        }
        let plain = !causal && window.is_none() && segments.is_none();
        let dropout = dropped(&options)?;
        if of_queries.is_some() || plain {
            let segments = of_queries.as_deref().zip(segments.as_deref());
            return Ok(nn::cross_attention(&q, &k, &v, scale, segments, dropout, precision(&options)?)?);
        }
        let mask = Mask { causal, window, segments: segments.as_deref(), dropout };
        Ok(nn::attention(&q, &k, &v, scale, &mask, precision(&options)?)?)
    }

    /// Computes the mean cross-entropy of the logits `hidden · weightᵀ` and target classes without holding all logits: a
    /// language model's head and its loss in one. A target of -100 is ignored.
    ///
    /// also: fused cross entropy, cut cross entropy, chunked loss
    ///
    /// ```rhai
    /// let hidden = tensor([[1.0, 0.0], [0.0, 1.0]]);
    /// linear_cross_entropy(hidden, tensor([[2.0, 0.0], [0.0, 1.0]]), tensor([0, 1]))      //=> tensor(0.2201)
    /// let weight = tensor([[2.0, 0.0], [0.0, 1.0]]);
    /// linear_cross_entropy(hidden, weight, tensor([0, 0]), #{ ignore_index: 0 })
    /// //=> error: linear_cross_entropy: all 2 targets are 0: there is nothing to learn
    /// ```
    #[rhai_fn(name = "linear_cross_entropy", return_raw)]
    pub fn linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, options: Map) -> Res<Tensor> {
        const WHO: &str = "linear_cross_entropy";
        let options = Options::read(WHO, LOSS, options)?;
        let (dims, smoothing, ignore) =
            (hidden.shape(), options.float("label_smoothing")?, options.int("ignore_index")?);
        let Some((width, rows)) = dims.split_last() else { bail!(WHO, "the hidden states are a single number") };
        if targets.shape() != rows {
            bail!(WHO, "targets of shape {:?} for hidden states of shape {dims:?}", targets.shape());
        }
        if !(0.0..1.0).contains(&smoothing) {
            bail!(WHO, "smoothing {smoothing} is not in 0 to 1");
        }
        let mut ids = values::values_i64(WHO, &targets.value())?;
        ids.iter_mut().filter(|id| **id == ignore).for_each(|id| *id = -100);
        let count = ids.iter().filter(|id| **id != -100).count();
        if count == 0 {
            bail!(WHO, "all {} targets are {ignore}: there is nothing to learn", ids.len());
        }
        let hidden = ops::reshape(&hidden, &[ids.len() as i64, *width as i64])?;
        let bias = tensor_of(&options, "bias")?;
        let sum = nn::linear_cross_entropy(&hidden, &weight, bias.as_ref(), &ids, smoothing, precision(&options)?)?;
        Ok(if options.text("reduction")? == "sum" { sum } else { ops::divide(&sum, count as f64)? })
    }
}
