//! Means of rows picked by lists of indices.

use super::number;
use crate::script::prelude::*;
use crate::tensor::ops::{self, Scalar, SegmentWeights};
use crate::tensor::{Tensor, api::ints};

const SEGMENT_MEAN: &[Opt] = &[
    opt("weights", Kind::List, "", "a list of weights for each list of indices; equal weights by default"),
    opt("decay", Kind::Float, "1.0", "weight of each row relative to the one before it"),
    opt("reverse", Kind::Bool, "false", "`decay` relative to the one after it instead"),
    opt("keep_norm", Kind::Bool, "false", "scale each mean to the mean norm of its rows"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("segment_mean", SEGMENT_MEAN);
}

fn lists<T>(
    what: &str,
    lists: &List,
    read: impl Fn(&[Dynamic]) -> crate::Result<Vec<T>>,
) -> crate::Result<Vec<Vec<T>>> {
    let list = |list: &Dynamic| match list.read_lock::<List>() {
        Some(list) => read(&list),
        None => bail!("segment_mean", "the {what} are a list of lists; it holds {}", type_in_words(list)),
    };
    lists.iter().map(list).collect()
}

fn indices(list: &[Dynamic]) -> crate::Result<Vec<u32>> {
    let index = |index: &i64| match u32::try_from(*index) {
        Ok(index) => Ok(index),
        Err(_) => bail!("segment_mean", "index {index} is not a row"),
    };
    ints("segment_mean", list)?.iter().map(index).collect()
}

fn weights(list: &[Dynamic]) -> crate::Result<Vec<f64>> {
    let weight = |value: &Dynamic| {
        Ok(match number("segment_mean", value)? {
            Scalar::Int(whole) => whole as f64,
            Scalar::Float(weight) => weight,
        })
    };
    list.iter().map(weight).collect()
}

#[export_module]
mod verbs {
    /// Averages rows by lists of their indices: `[lists, width]`, in f32.
    ///
    /// ```rhai
    /// let rows = tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]);
    /// rows.segment_mean([[0, 1], [2]])                                        //=> tensor([[0.5000, 0.5000], [3.0000, 4.0000]])
    /// rows.segment_mean([[0, 1]], #{ weights: [[3, 1]] })                     //=> tensor([[0.7500, 0.2500]])
    /// rows.segment_mean([[0, 1]], #{ decay: 0.5, reverse: true })             //=> tensor([[0.3333, 0.6667]])
    /// rows.segment_mean([[0, 1]], #{ keep_norm: true })                       //=> tensor([[0.7071, 0.7071]])
    /// rows.segment_mean([[0, 3]])                         //=> error: segment_mean: index 3 of list 0 is outside 3 rows
    /// rows.segment_mean([[0, 1]], #{ weights: [[1]] })    //=> error: segment_mean: 1 weights for the 2 rows of list 0
    /// ```
    ///
    /// also: embedding_bag, EmbeddingBag, segment_sum, subtoken mean, pooling
    #[rhai_fn(pure, return_raw)]
    pub fn segment_mean(rows: &mut Tensor, lists: List, options: Map) -> Res<Tensor> {
        let options = Options::read("segment_mean", SEGMENT_MEAN, options)?;
        let segments = super::lists("indices", &lists, super::indices)?;
        let given = options.maybe("weights", |options, name| Ok(options.get(name)))?;
        let given = match given {
            Some(lists) => Some(super::lists("weights", &lists.into_array().unwrap_or_default(), super::weights)?),
            None => None,
        };
        let weights = match &given {
            Some(lists) => SegmentWeights::Given(lists),
            None => match options.float("decay")? {
                1.0 => SegmentWeights::Equal,
                decay => SegmentWeights::Decaying { decay, reverse: options.bool("reverse")? },
            },
        };
        Ok(ops::segment_mean(rows, &segments, &weights, options.bool("keep_norm")?)?)
    }
}
