//! Layers and losses.

use super::{tensor_of, tensors};
use crate::script::prelude::*;
use crate::tensor::ops::{self, CrossEntropy, Reduction};
use crate::tensor::{Rng, Tensor, is_recording, nn, rng, values};

const NORM: &[Opt] = &[opt("eps", Kind::Float, "1e-5", "added to the variance, or to the mean square")];
const DROPOUT: &[Opt] = &[opt("seed", Kind::Int, "", "seed of its own random stream; by default the run's")];
const REDUCTIONS: Kind = Kind::OneOf(&["mean", "sum", "none"]);
const LOSS: &[Opt] = &[opt("reduction", REDUCTIONS, "\"mean\"", "mean, sum, or none: one loss each")];
const BCE: &[Opt] = &[
    opt("logits", Kind::Bool, "false", "the input is logits; probabilities are their sigmoid"),
    opt(
        "pos_weight",
        Kind::Any,
        "",
        "weight of positive targets, with `logits`: a tensor, one number per label, or for all",
    ),
    opt("reduction", REDUCTIONS, "\"mean\"", "mean, sum, or none: one loss each"),
];
const CROSS_ENTROPY: &[Opt] = &[
    opt("ignore_index", Kind::Int, "-100", "target class to ignore"),
    opt("label_smoothing", Kind::Float, "0.0", "share of the target spread over all classes"),
    opt(
        "weight",
        Kind::Any,
        "",
        "weight of each class, a tensor [classes]; the mean then divides by the weights of the targets",
    )
    .also(&["class_weights", "class_weight", "imbalance"]),
    opt("gamma", Kind::Float, "0.0", "focal loss: each loss times (1 - p)^gamma of the target's probability p")
        .also(&["focal loss"]),
    opt("reduction", REDUCTIONS, "\"mean\"", "mean over the targets that are not ignored, sum, or none: one loss each"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("layer_norm", NORM);
    host.options("rms_norm", NORM);
    host.options("dropout", DROPOUT);
    host.options("mse", LOSS);
    host.options("bce", BCE);
    host.options("cross_entropy", CROSS_ENTROPY);
}

fn eps(who: &'static str, options: Map) -> Res<f64> {
    Options::read(who, NORM, options)?.float("eps")
}

fn reduce(options: &Options) -> Res<Reduction> {
    Ok(match options.text("reduction")?.as_str() {
        "sum" => Reduction::Sum,
        "none" => Reduction::None,
        _ => Reduction::Mean,
    })
}

#[export_module]
mod verbs {
    /// Normalizes the last dimension to mean 0 and variance 1, times a weight, plus a bias. See Ba et al. 2016.
    ///
    /// also: LayerNorm, nn.LayerNorm
    ///
    /// ```rhai
    /// layer_norm(tensor([[1.0, 3.0]]), ones([2]), zeros([2]))      //=> tensor([[-1.0000,  1.0000]])
    /// layer_norm(tensor([[1.0, 3.0]]), ones([2]), zeros([2]), #{ eps: 3.0 })      //=> tensor([[-0.5000,  0.5000]])
    /// ```
    #[rhai_fn(name = "layer_norm", return_raw)]
    pub fn layer_norm(x: Tensor, weight: Tensor, bias: Tensor, options: Map) -> Res<Tensor> {
        Ok(nn::layer_norm(&x, &weight, Some(&bias), eps("layer_norm", options)?)?)
    }

    /// Divides the last dimension by its root mean square, times a weight (Zhang and Sennrich 2019).
    ///
    /// also: RMSNorm, LlamaRMSNorm
    ///
    /// ```rhai
    /// rms_norm(tensor([[1.0, 7.0]]), ones([2]))      //=> tensor([[0.2000, 1.4000]])
    /// rms_norm(tensor([[1.0, 7.0]]), ones([2]), #{ eps: 75.0 })      //=> tensor([[0.1000, 0.7000]])
    /// ```
    #[rhai_fn(name = "rms_norm", return_raw)]
    pub fn rms_norm(x: Tensor, weight: Tensor, options: Map) -> Res<Tensor> {
        Ok(nn::rms_norm(&x, &weight, eps("rms_norm", options)?)?)
    }

    /// Looks up the rows `ids` of a table `[classes, width]`; the result has shape `ids.shape + [width]`.
    ///
    /// also: nn.Embedding, lookup table
    ///
    /// ```rhai
    /// embedding(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([1, 1])).shape      //=> [2, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn embedding(table: Tensor, ids: Tensor) -> Res<Tensor> {
        let (rows, value) = (table.shape().first().copied().unwrap_or(0), ids.value());
        let id = |id: i64| match u32::try_from(id) {
            Ok(id) => Ok(id),
            Err(_) => Err(Error::new("embedding", format!("id {id} is outside of the table of {rows} rows"))),
        };
        let ids = values::values_i64("embedding", &value)?.into_iter().map(id).collect::<Result<Vec<u32>, _>>()?;
        Ok(nn::embedding(&table, &ids, value.dims())?)
    }

    /// Applies a linear layer, x · weightᵀ + bias, for a weight `[out, in]`.
    ///
    /// ```rhai
    /// linear(tensor([[1.0, 2.0]]), tensor([[3.0, 4.0]]), tensor([0.5]))      //=> tensor([[11.5000]])
    /// ```
    #[rhai_fn(name = "linear", return_raw)]
    pub fn linear_bias(x: Tensor, weight: Tensor, bias: Tensor) -> Res<Tensor> {
        Ok(nn::linear(&x, &weight, Some(&bias), nn::Precision::F32)?)
    }

    /// Sets each number to 0 with probability `p` and divides the others by 1 − p. See Srivastava et al. 2014. Inside `no_grad`,
    /// that is in evaluation, all numbers stay.
    ///
    /// also: nn.Dropout, F.dropout, eval, train mode
    ///
    /// effect
    ///
    /// ```rhai
    /// seed(1);
    /// let kept = (dropout(ones([1000]), 0.25) > 0).mean();
    /// close(kept, tensor(0.75), 0.05)      //=> true
    /// equal(dropout(ones([9]), 0.5, #{ seed: 1 }), dropout(ones([9]), 0.5, #{ seed: 1 }))      //=> true
    /// no_grad(|| dropout(ones([3]), 0.5))      //=> tensor([1., 1., 1.])
    /// ```
    #[rhai_fn(name = "dropout", return_raw)]
    pub fn dropout(x: Tensor, p: f64, options: Map) -> Res<Tensor> {
        let seed = Options::read("dropout", DROPOUT, options)?.maybe("seed", Options::int)?;
        // an invalid probability is an error in evaluation too
        let p = if is_recording() || !(0.0..1.0).contains(&p) { p } else { 0.0 };
        Ok(nn::dropout(&x, p, &mut seed.map_or_else(rng::dropout, |seed| Rng::new(seed as u64)))?)
    }

    /// Returns the mean cross-entropy of logits (classes in the last dimension) and target classes. Targets equal to
    /// `ignore_index` are ignored; `label_smoothing` is that of Szegedy et al. 2015, `gamma` that of the focal loss (Lin et al.
    /// 2017), and `weight` has a number per class.
    ///
    /// also: CrossEntropyLoss, nll_loss, NLLLoss, negative log likelihood, class weights, focal loss
    ///
    /// ```rhai
    /// let logits = tensor([[2.0, 0.0], [0.0, 1.0]]);
    /// cross_entropy(logits, tensor([0, 1]))         //=> tensor(0.2201)
    /// cross_entropy(logits, tensor([0, -100]))      //=> tensor(0.1269)
    /// cross_entropy(logits, tensor([0, 2]))         //=> error: cross_entropy: target 2 is not one of 2 classes
    /// cross_entropy(logits, tensor([0, 1]), #{ label_smoothing: 0.1, reduction: "none" })      //=> tensor([0.2269, 0.3633])
    /// cross_entropy(logits, tensor([0, 1]), #{ weight: tensor([3.0, 1.0]) })        //=> tensor(0.1735)
    /// cross_entropy(logits, tensor([0, 1]), #{ gamma: 2.0 })                        //=> tensor(0.0122)
    /// ```
    #[rhai_fn(name = "cross_entropy", return_raw)]
    pub fn cross_entropy(logits: Tensor, targets: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("cross_entropy", CROSS_ENTROPY, options)?;
        let how = CrossEntropy {
            ignore: options.int("ignore_index")?,
            smoothing: options.float("label_smoothing")?,
            weight: tensor_of(&options, "weight")?,
            gamma: options.float("gamma")?,
            reduction: reduce(&options)?,
        };
        Ok(ops::cross_entropy(&logits, &targets, &how)?)
    }

    /// Returns the mean squared error of two tensors of one shape.
    ///
    /// also: mse_loss, MSELoss, squared error
    ///
    /// ```rhai
    /// mse(tensor([1.0, 2.0]), tensor([1.0, 4.0]))      //=> tensor(2.)
    /// mse(tensor([1.0, 2.0]), tensor([1.0, 4.0]), #{ reduction: "sum" })      //=> tensor(4.)
    /// ```
    #[rhai_fn(name = "mse", return_raw)]
    pub fn mse(x: Tensor, target: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("mse", LOSS, options)?;
        Ok(ops::mse(&x, &target, reduce(&options)?)?)
    }

    /// Returns the mean binary cross-entropy of probabilities, or of logits, and targets from 0 to 1.
    ///
    /// also: BCELoss, BCEWithLogitsLoss, binary_cross_entropy, pos_weight, multi-label
    ///
    /// ```rhai
    /// bce(tensor([0.5, 0.9]), tensor([0.0, 1.0]))      //=> tensor(0.3993)
    /// bce(tensor([0.0, 2.0]), tensor([0.0, 1.0]), #{ logits: true })      //=> tensor(0.4100)
    /// bce(tensor([0.0, 2.0]), tensor([0.0, 1.0]), #{ logits: true, pos_weight: tensor([3.0]) })      //=> tensor(0.5370)
    /// ```
    #[rhai_fn(name = "bce", return_raw)]
    pub fn bce(p: Tensor, target: Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("bce", BCE, options)?;
        let (logits, reduction) = (options.bool("logits")?, reduce(&options)?);
        match tensor_of(&options, "pos_weight")? {
            None => Ok(ops::binary_cross_entropy(&p, &target, logits, reduction)?),
            Some(weight) if logits => Ok(ops::weighted_binary_cross_entropy(&p, &target, &weight, reduction)?),
            Some(_) => bail!("bce", "`pos_weight` is an option for logits: `logits: true`"),
        }
    }

    /// Evaluates Einstein's summation: equal letters are multiplied, letters missing in the result are summed over.
    ///
    /// Without `->` the result has the letters that occur once, in alphabetical order. `...` stands for dimensions without a
    /// letter, which broadcast.
    ///
    /// also: torch.einsum, Einstein summation
    ///
    /// ```rhai
    /// let x = tensor([[1, 2], [3, 4]]);
    /// einsum("ij,jk->ik", [x, x])      //=> tensor([[ 7, 10],
    /// //                                            [15, 22]])
    /// einsum("ii->", [x])              //=> tensor(5)
    /// einsum("...ij,...jk->...ik", [ones([5, 2, 3]), ones([3, 4])]).shape      //=> [5, 2, 4]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn einsum(formula: &str, operands: List) -> Res<Tensor> {
        Ok(ops::einsum(formula, &tensors("einsum", operands)?)?)
    }
}
