//! Conditional random fields.

use super::places;
use crate::script::prelude::*;
use crate::tensor::layers::{self, Allowed, Crf, CrfReduction};
use crate::tensor::ops::Reduction;
use crate::tensor::{Array, Device, Tensor, values};

const SEGMENTS: Opt = opt(
    "segments",
    Kind::Any,
    "",
    "segment ids, a tensor `[batch, length]`: each segment is a sequence of its own; 0 is padding",
)
.also(&["mask", "lengths"]);
const CONSTRAINTS: Opt =
    opt("constraints", Kind::Map, "", "allowed transitions, from `crf_constraints(labels, scheme)`");
const LOSS: &[Opt] = &[
    SEGMENTS,
    CONSTRAINTS,
    opt(
        "reduction",
        Kind::OneOf(&["mean", "sum", "token_mean", "none"]),
        "\"mean\"",
        "mean over sequences, sum, sum divided by the number of steps, or one loss each",
    ),
];
const DECODE: &[Opt] = &[SEGMENTS, CONSTRAINTS];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("crf", LOSS);
    host.options("crf_decode", DECODE);
}

const NAMES: [&str; 3] = ["transitions", "start_transitions", "end_transitions"];

/// The tensors of a map under the names of a CRF's scores.
fn named(who: &str, map: &Map) -> Res<[Option<Tensor>; 3]> {
    if let Some(name) = map.keys().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(Error::unknown(who, "weight", name, NAMES).into());
    }
    let mut found = [None, None, None];
    for (found, name) in found.iter_mut().zip(NAMES) {
        if let Some(value) = map.get(name) {
            let Some(tensor) = value.read_lock::<Tensor>() else {
                bail!(who, "`{name}` is {}, not a tensor", type_in_words(value));
            };
            *found = Some(tensor.clone());
        }
    }
    Ok(found)
}

fn field(who: &str, weights: &Map, options: &Options) -> Res<Crf> {
    let [Some(transitions), start, end] = named(who, weights)? else {
        return Err(Error::new(who, "the weights have no `transitions`")
            .help("a tensor [states, states], from a row's state to a column's; `nn::crf(states)` makes it")
            .into());
    };
    let allowed = match options.get("constraints").try_cast::<Map>() {
        None => None,
        Some(given) => {
            let [Some(between), Some(start), Some(end)] = named(who, &given)? else {
                bail!(who, "option `constraints` lacks one of {}", NAMES.join(", "));
            };
            let read = |tensor: &Tensor| -> crate::Result<Vec<bool>> {
                Ok(values::values_f64(&tensor.value())?.iter().map(|allowed| *allowed != 0.0).collect())
            };
            Some(Allowed { transitions: read(&between)?, start: read(&start)?, end: read(&end)? })
        }
    };
    Ok(Crf { transitions, start, end, allowed })
}

#[export_module]
mod verbs {
    /// Computes the loss of a linear-chain conditional random field (Lafferty, McCallum and Pereira 2001). It is the negative log
    /// likelihood of the paths `tags` `[batch, length]` given the scores `emissions` `[batch, length, states]`, by the forward
    /// algorithm, in f64.
    ///
    /// `weights` is a map with torchcrf's names: `transitions` `[states, states]`, from a row's state to a column's, and
    /// optionally `start_transitions` and `end_transitions` `[states]`. `constraints` give all other paths probability 0; a tag
    /// that they forbid is an error.
    ///
    /// also: torchcrf, pytorch-crf, CRF, BiLSTM-CRF, sequence tagging, forward algorithm, partition function
    ///
    /// ```rhai
    /// let emissions = tensor([[[1.0, 0.0], [0.0, 1.0]]]);
    /// let w = #{ transitions: zeros([2, 2]) };
    /// crf(emissions, tensor([[0, 1]]), w)      //=> tensor(0.6265)
    /// crf(emissions, tensor([[0, 1]]), w, #{ segments: tensor([[1, 0]]) })         //=> tensor(0.3133)
    /// crf(emissions, tensor([[0, 2]]), w)      //=> error: crf: row 0, place 1: tag 2 is not one of 2
    /// ```
    #[rhai_fn(name = "crf", return_raw)]
    pub fn crf(emissions: Tensor, tags: Tensor, weights: Map, options: Map) -> Res<Tensor> {
        const WHO: &str = "crf";
        let options = Options::read(WHO, LOSS, options)?;
        let dims = emissions.shape();
        let places_of = dims.get(..2).unwrap_or_default();
        if tags.shape() != places_of {
            bail!(WHO, "tags of shape {:?} for emissions of shape {dims:?}", tags.shape());
        }
        let segments = places(&options, "segments", places_of)?;
        let reduction = match options.text("reduction")?.as_str() {
            "sum" => CrfReduction::Each(Reduction::Sum),
            "token_mean" => CrfReduction::TokenMean,
            "none" => CrfReduction::Each(Reduction::None),
            _ => CrfReduction::Each(Reduction::Mean),
        };
        let tags = values::values_i64(WHO, &tags.value())?;
        Ok(layers::crf(&emissions, &tags, &field(WHO, &weights, &options)?, segments.as_deref(), reduction)?)
    }

    /// Finds the best paths of a conditional random field (Viterbi 1967): a tensor `[batch, length]`, -1 at padding. Weights and
    /// options are as in `crf`.
    ///
    /// also: viterbi, viterbi_decode, CRF.decode, best path
    ///
    /// ```rhai
    /// let emissions = tensor([[[1.0, 0.0], [0.0, 1.0], [0.4, 0.5]]]);
    /// crf_decode(emissions, #{ transitions: zeros([2, 2]) })                        //=> tensor([[0, 1, 1]])
    /// crf_decode(emissions, #{ transitions: tensor([[0.0, -9.0], [0.0, 0.0]]) })    //=> tensor([[1, 1, 1]])
    /// ```
    #[rhai_fn(name = "crf_decode", return_raw)]
    pub fn crf_decode(emissions: Tensor, weights: Map, options: Map) -> Res<Tensor> {
        const WHO: &str = "crf_decode";
        let options = Options::read(WHO, DECODE, options)?;
        let dims = emissions.shape();
        let segments = places(&options, "segments", dims.get(..2).unwrap_or_default())?;
        let (paths, _) = layers::decode(&emissions, &field(WHO, &weights, &options)?, segments.as_deref())?;
        let paths = Array::from_vec(paths, (dims[0], dims[1]), &Device::Cpu).map_err(Error::from)?;
        Ok(paths.into())
    }
}
