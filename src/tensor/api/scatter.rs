//! Writing and adding numbers at indices.

use super::operand;
use crate::script::prelude::*;
use crate::tensor::{Tensor, ops};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Returns a copy with the numbers of `source`, a tensor or one number, written at the indices `ids` along a dimension: the
    /// reverse of `gather`. Of numbers for one place, the last stays.
    ///
    /// also: scatter_, put_along_axis
    ///
    /// ```rhai
    /// zeros([2, 3]).scatter(1, tensor([[2], [0]]), tensor([[5.0], [6.0]]))      //=> tensor([[0., 0., 5.],
    /// //                                                                                     [6., 0., 0.]])
    /// zeros([3]).scatter(0, tensor([1]), 7)      //=> tensor([0., 7., 0.])
    /// zeros([3]).scatter(0, tensor([3]), 7)      //=> error: scatter: index 3 is out of range for dimension 0 of size 3
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn scatter(x: &mut Tensor, dim: INT, ids: Tensor, source: Dynamic) -> Res<Tensor> {
        Ok(ops::scatter(x, dim, &ids, operand("scatter", source)?)?)
    }

    /// Returns a copy with the numbers of `source`, a tensor or one number, added at the indices `ids` along a dimension.
    ///
    /// also: scatter_add_, scatter_reduce, bincount, histogram
    ///
    /// ```rhai
    /// zeros([3]).scatter_add(0, tensor([1, 1, 2]), tensor([1.0, 2.0, 3.0]))      //=> tensor([0., 3., 3.])
    /// zeros([3]).scatter_add(0, tensor([1, 1, 2]), 1)                            //=> tensor([0., 2., 1.])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn scatter_add(x: &mut Tensor, dim: INT, ids: Tensor, source: Dynamic) -> Res<Tensor> {
        Ok(ops::scatter_add(x, dim, &ids, operand("scatter_add", source)?)?)
    }

    /// Returns a copy with the rows of `source` added to the rows `ids` along a dimension; ids may repeat.
    ///
    /// also: index_add_, np.add.at
    ///
    /// ```rhai
    /// zeros([3, 2]).index_add(0, tensor([2, 0, 2]), ones([3, 2]))      //=> tensor([[1., 1.],
    /// //                                                                            [0., 0.],
    /// //                                                                            [2., 2.]])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn index_add(x: &mut Tensor, dim: INT, ids: Tensor, source: Tensor) -> Res<Tensor> {
        Ok(ops::index_add(x, dim, &ids, &source)?)
    }

    /// Returns the indices of all nonzero numbers, row by row: `[count, dimensions]` in i64.
    ///
    /// also: argwhere, np.nonzero, count_nonzero
    ///
    /// ```rhai
    /// tensor([[0, 5], [7, 0]]).nonzero()      //=> tensor([[0, 1],
    /// //                                                   [1, 0]])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn nonzero(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::nonzero(x)?)
    }
}
