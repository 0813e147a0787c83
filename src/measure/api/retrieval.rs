//! Native part of `stdlib/measure/retrieval.rhai`.

use super::number;
use crate::measure::retrieval::{Found, spearman};
use crate::script::prelude::*;
use crate::tensor::{DType, Tensor};
use rayon::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

fn rows_of(who: &'static str, scores: &Tensor) -> Res<(Vec<f64>, usize)> {
    let value = scores.value();
    let &[_, width] = value.dims() else {
        bail!(who, "scores are a tensor [questions, passages], not {:?}", value.dims())
    };
    let numbers = value.to_dtype(DType::F64).and_then(|value| value.flatten_all()).and_then(|value| value.to_vec1());
    Ok((numbers.map_err(Error::from)?, width))
}

fn numbers(who: &'static str, list: List) -> Res<Vec<f64>> {
    list.iter().map(|value| number(who, "a value", value)).collect()
}

#[export_module]
mod verbs {
    /// Computes scores of each question: a list of maps with `recall` (a list, for each of `ks`), `mrr` and `ndcg` of the first
    /// `most`.
    #[rhai_fn(name = "_retrieval", return_raw)]
    pub fn retrieval(scores: Tensor, right: List, ks: List, most: INT) -> Res<List> {
        const WHO: &str = "measure::retrieval";
        let (numbers, width) = rows_of(WHO, &scores)?;
        let count = |value: Dynamic| match value.as_int().map(usize::try_from) {
            Ok(Ok(count)) => Ok(count),
            _ => bail!(WHO, "{value} is not the number of a passage, or a rank"),
        };
        let list = |list: List| list.into_iter().map(count).collect::<Res<Vec<usize>>>();
        let right =
            right.into_iter().map(|each| list(each.into_array().unwrap_or_default())).collect::<Res<Vec<_>>>()?;
        let (ks, most) = (list(ks)?, count(most.into())?);
        if right.len() * width != numbers.len() {
            bail!(
                WHO,
                "right passages of {} questions for {} rows of scores",
                right.len(),
                numbers.len() / width.max(1)
            );
        }
        let rows = numbers.par_chunks_exact(width.max(1)).zip(&right).enumerate();
        let found = rows.map(|(at, (scores, right))| {
            Found::new(scores, right).map_err(|error| error.attributed_to(WHO).at(format!("question {at}")))
        });
        let found = found.collect::<crate::Result<Vec<Found>>>()?;
        let map = |found: Found| {
            let recall: List = ks.iter().map(|&k| found.recall(k).into()).collect();
            let entries: [(&str, Dynamic); 3] = [
                ("recall", recall.into()),
                ("mrr", found.reciprocal_rank(most).into()),
                ("ndcg", found.ndcg(most).into()),
            ];
            Dynamic::from_map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
        };
        Ok(found.into_iter().map(map).collect())
    }

    /// Computes the rank correlation.
    #[rhai_fn(name = "_spearman", return_raw)]
    pub fn rank_correlation(a: List, b: List) -> Res<FLOAT> {
        const WHO: &str = "measure::spearman";
        Ok(spearman(&numbers(WHO, a)?, &numbers(WHO, b)?).map_err(|error| error.attributed_to(WHO))?)
    }
}
