//! Reshaping, joining, splitting and selecting.

use super::{ints, number, operand, tensors};
use crate::script::prelude::*;
use crate::tensor::{Tensor, ops};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Reshapes without reordering the numbers. One size may be -1: it is inferred.
    ///
    /// also: view, view_as, reshape_as, unflatten
    ///
    /// ```rhai
    /// arange(6).reshape([2, -1])      //=> tensor([[0, 1, 2],
    /// //                                           [3, 4, 5]])
    /// arange(6).reshape([4, -1])      //=> error: reshape: shape [6] holds 6 numbers, which do not fill [4, -1]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reshape(x: &mut Tensor, shape: List) -> Res<Tensor> {
        Ok(ops::reshape(x, &ints("reshape", &shape)?)?)
    }

    /// Flattens to one dimension, row by row.
    ///
    /// also: ravel
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]).flatten()      //=> tensor([1, 2, 3, 4])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn flatten(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::reshape(x, &[-1])?)
    }

    /// Swaps two dimensions.
    ///
    /// also: swapaxes, swapdims
    ///
    /// ```rhai
    /// zeros([2, 3, 4]).transpose(0, -1).shape      //=> [4, 3, 2]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn transpose(x: &mut Tensor, a: INT, b: INT) -> Res<Tensor> {
        Ok(ops::transpose(x, a, b)?)
    }

    /// Transposes a matrix: swaps the last two dimensions.
    ///
    /// also: T, transpose a matrix
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]).t()      //=> tensor([[1, 3],
    /// //                                             [2, 4]])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn t(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::t(x)?)
    }

    /// Reorders all dimensions.
    ///
    /// also: movedim, rearrange
    ///
    /// ```rhai
    /// zeros([2, 3, 4]).permute([2, 0, 1]).shape      //=> [4, 2, 3]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn permute(x: &mut Tensor, order: List) -> Res<Tensor> {
        Ok(ops::permute(x, &ints("permute", &order)?)?)
    }

    /// Removes all dimensions of size 1.
    ///
    /// also: squeeze_
    ///
    /// ```rhai
    /// zeros([1, 3, 1]).squeeze().shape      //=> [3]
    /// ```
    #[rhai_fn(name = "squeeze", pure, return_raw)]
    pub fn squeeze(x: &mut Tensor) -> Res<Tensor> {
        Ok(ops::squeeze(x, None)?)
    }

    /// Removes one dimension of size 1.
    ///
    /// ```rhai
    /// zeros([1, 3, 1]).squeeze(-1).shape      //=> [1, 3]
    /// zeros([2, 3]).squeeze(0)                //=> error: squeeze: dimension 0 of shape [2, 3] is 2, not 1
    /// ```
    #[rhai_fn(name = "squeeze", pure, return_raw)]
    pub fn squeeze_dim(x: &mut Tensor, dim: INT) -> Res<Tensor> {
        Ok(ops::squeeze(x, Some(dim))?)
    }

    /// Inserts a dimension of size 1 before dimension `dim`; -1 inserts it after the last.
    ///
    /// also: expand_dims, newaxis, unsqueeze_
    ///
    /// ```rhai
    /// zeros([3]).unsqueeze(0).shape       //=> [1, 3]
    /// zeros([3]).unsqueeze(-1).shape      //=> [3, 1]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn unsqueeze(x: &mut Tensor, dim: INT) -> Res<Tensor> {
        Ok(ops::unsqueeze(x, dim)?)
    }

    /// Broadcasts to a shape: repeats dimensions of size 1, and adds dimensions in front. -1 keeps a size.
    ///
    /// also: broadcast_to, expand_as
    ///
    /// ```rhai
    /// tensor([1, 2]).expand([2, -1])      //=> tensor([[1, 2],
    /// //                                               [1, 2]])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn expand(x: &mut Tensor, shape: List) -> Res<Tensor> {
        Ok(ops::expand(x, &ints("expand", &shape)?)?)
    }

    /// Concatenates tensors along a dimension.
    ///
    /// also: concat, concatenate, torch.cat, hstack, vstack
    ///
    /// ```rhai
    /// cat([tensor([1, 2]), tensor([3])], 0)          //=> tensor([1, 2, 3])
    /// cat([zeros([2, 3]), zeros([4, 5])], 0)         //=> error: cat: shapes [2, 3] and [4, 5] differ in more than dimension 0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cat(parts: List, dim: INT) -> Res<Tensor> {
        Ok(ops::cat(&tensors("cat", parts)?, dim)?)
    }

    /// Stacks tensors of one shape along a new dimension.
    ///
    /// also: torch.stack
    ///
    /// ```rhai
    /// stack([tensor([1, 2]), tensor([3, 4])], 0)     //=> tensor([[1, 2],
    /// //                                                          [3, 4]])
    /// ```
    #[rhai_fn(return_raw)]
    pub fn stack(parts: List, dim: INT) -> Res<Tensor> {
        Ok(ops::stack(&tensors("stack", parts)?, dim)?)
    }

    /// Splits into chunks of `size` along a dimension, as a list; the last may be smaller.
    ///
    /// also: chunk, torch.split
    ///
    /// ```rhai
    /// arange(5).chunks(2, 0)[2]      //=> tensor([4])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn chunks(x: &mut Tensor, size: INT, dim: INT) -> Res<List> {
        Ok(ops::chunks(x, size, dim)?.into_iter().map(Dynamic::from).collect())
    }

    /// Selects `count` consecutive indices along a dimension, from `start` on.
    ///
    /// ```rhai
    /// arange(5).narrow(0, 1, 3)      //=> tensor([1, 2, 3])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn narrow(x: &mut Tensor, dim: INT, start: INT, count: INT) -> Res<Tensor> {
        Ok(ops::narrow(x, dim, start, count)?)
    }

    /// Selects the indices `ids` along a dimension, in their order.
    ///
    /// also: take, select rows
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]).index_select(1, tensor([1, 1]))      //=> tensor([[2, 2],
    /// //                                                                         [4, 4]])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn index_select(x: &mut Tensor, dim: INT, ids: Tensor) -> Res<Tensor> {
        Ok(ops::index_select(x, dim, &ids)?)
    }

    /// Gathers numbers along a dimension: `ids` has the shape of the result, which may be larger than `x` only in `dim`.
    ///
    /// also: take_along_dim
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]).gather(1, tensor([[1], [0]]))        //=> tensor([[2],
    /// //                                                                         [3]])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn gather(x: &mut Tensor, dim: INT, ids: Tensor) -> Res<Tensor> {
        Ok(ops::gather(x, dim, &ids)?)
    }

    /// Selects `a` where the mask is not 0, otherwise `b`: tensors or numbers, with broadcasting.
    ///
    /// also: torch.where, np.where
    ///
    /// ```rhai
    /// let x = tensor([-1.0, 2.0]);
    /// where(x > 0, x, 0.1 * x)      //=> tensor([-0.1000,  2.0000])
    /// ```
    #[rhai_fn(name = "where", return_raw)]
    pub fn where_(mask: Tensor, a: Dynamic, b: Dynamic) -> Res<Tensor> {
        Ok(ops::where_(&mask, operand("where", a)?, operand("where", b)?)?)
    }

    /// Replaces the numbers where a mask is not 0.
    ///
    /// also: masked_fill_, fill where
    ///
    /// ```rhai
    /// arange(4).masked_fill(arange(4) > 1, 9)      //=> tensor([0, 1, 9, 9])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn masked_fill(x: &mut Tensor, mask: Tensor, value: Dynamic) -> Res<Tensor> {
        Ok(ops::masked_fill(x, &mask, number("masked_fill", &value)?)?)
    }
}
