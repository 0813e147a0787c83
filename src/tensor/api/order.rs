//! Sorting, top-k, and distinct numbers.

use crate::script::prelude::*;
use crate::tensor::{Tensor, ops};

const ORDER: &[Opt] = &[opt("descending", Kind::Bool, "false", "largest first")];
const TOP_K: &[Opt] = &[
    opt("dim", Kind::Int, "-1", "the dimension"),
    opt("largest", Kind::Bool, "true", "the largest numbers, otherwise the smallest"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("argsort", ORDER);
    host.options("sort", ORDER);
    host.options("top_k", TOP_K);
}

#[export_module]
mod verbs {
    /// Sorts along a dimension, smallest first or `descending`.
    ///
    /// ```rhai
    /// tensor([3, 1, 2]).sort(0)      //=> tensor([1, 2, 3])
    /// tensor([3, 1, 2]).sort(0, #{ descending: true })      //=> tensor([3, 2, 1])
    /// ```
    #[rhai_fn(name = "sort", pure, return_raw)]
    pub fn sort(x: &mut Tensor, dim: INT, options: Map) -> Res<Tensor> {
        let descending = Options::read("sort", ORDER, options)?.bool("descending")?;
        Ok(ops::sort(x, dim, descending)?)
    }

    /// Returns the indices that sort along a dimension, in i64: `x.gather(dim, order)` is sorted. Equal numbers keep their
    /// order.
    ///
    /// also: sort, sorted order
    ///
    /// ```rhai
    /// tensor([3, 1, 2]).argsort(0)      //=> tensor([1, 2, 0])
    /// tensor([3, 1, 2]).argsort(0, #{ descending: true })      //=> tensor([0, 2, 1])
    /// ```
    #[rhai_fn(name = "argsort", pure, return_raw)]
    pub fn argsort(x: &mut Tensor, dim: INT, options: Map) -> Res<Tensor> {
        let descending = Options::read("argsort", ORDER, options)?.bool("descending")?;
        Ok(ops::argsort(x, dim, descending)?)
    }

    /// Returns the `k` largest (or smallest) numbers along a dimension and their indices: `#{ values, indices }`.
    ///
    /// also: topk
    ///
    /// ```rhai
    /// let top = tensor([3, 9, 5]).top_k(2);
    /// top.values       //=> tensor([9, 5])
    /// top.indices      //=> tensor([1, 2])
    /// tensor([3, 9, 5]).top_k(1, #{ largest: false }).values      //=> tensor([3])
    /// ```
    #[rhai_fn(name = "top_k", pure, return_raw)]
    pub fn top_k(x: &mut Tensor, k: INT, options: Map) -> Res<Map> {
        let options = Options::read("top_k", TOP_K, options)?;
        let (values, indices) = ops::top_k(x, k, options.int("dim")?, options.bool("largest")?)?;
        Ok([("values".into(), Dynamic::from(values)), ("indices".into(), Dynamic::from(indices))].into())
    }

    /// Returns the distinct numbers, sorted, in one dimension. All NaN count as one.
    ///
    /// also: torch.unique, distinct, np.unique
    ///
    /// ```rhai
    /// tensor([3, 1, 3, 2]).unique()      //=> tensor([1, 2, 3])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn unique(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::unique(x)?.values)
    }

    /// Returns the distinct numbers, their counts, and for each number the index of its distinct value:
    /// `#{ values, counts, inverse }`.
    ///
    /// also: return_counts, return_inverse, value counts, bincount
    ///
    /// ```rhai
    /// let found = tensor([3, 1, 3]).unique_counts();
    /// found.values       //=> tensor([1, 3])
    /// found.counts       //=> tensor([1, 2])
    /// found.inverse      //=> tensor([1, 0, 1])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn unique_counts(x: &mut Tensor) -> Res<Map> {
        let found = ops::unique(x)?;
        let entry = |name: &str, value: Tensor| (name.into(), Dynamic::from(value));
        Ok([entry("values", found.values), entry("counts", found.counts), entry("inverse", found.inverse)].into())
    }
}
