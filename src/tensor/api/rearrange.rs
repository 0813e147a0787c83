//! Flipping, rolling, repeating, padding, triangles and diagonals.

use super::reduce::dims;
use super::{count, ints, number};
use crate::script::prelude::*;
use crate::tensor::{Tensor, ops};

const DIAGONAL: &[Opt] = &[opt("diagonal", Kind::Int, "0", "offset above the main diagonal; negative below it")];
const DIAGONALS: &[Opt] = &[
    opt("offset", Kind::Int, "0", "offset above the main diagonal; negative below it"),
    opt("dim1", Kind::Int, "-2", "dimension of the rows"),
    opt("dim2", Kind::Int, "-1", "dimension of the columns"),
];
const EMBED: &[Opt] = &[opt("offset", Kind::Int, "0", "offset above the main diagonal; negative below it")];
const PAD: &[Opt] = &[opt("value", Kind::Float, "0.0", "the padding number")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("tril", DIAGONAL);
    host.options("triu", DIAGONAL);
    host.options("diagonal", DIAGONALS);
    host.options("diag_embed", EMBED);
    host.options("pad", PAD);
}

fn sizes(who: &str, list: &[Dynamic]) -> crate::Result<Vec<usize>> {
    ints(who, list)?.into_iter().map(|size| count(who, size)).collect()
}

#[export_module]
mod verbs {
    /// Reverses the order along a dimension, or along each of a list of them.
    ///
    /// also: reverse, fliplr, flipud
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]).flip(1)           //=> tensor([[2, 1],
    /// //                                                      [4, 3]])
    /// tensor([[1, 2], [3, 4]]).flip([0, 1])      //=> tensor([[4, 3],
    /// //                                                      [2, 1]])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn flip(x: &mut Tensor, dim: Dynamic) -> Res<Tensor> {
        Ok(ops::flip(x, &dims("flip", &dim)?)?)
    }

    /// Shifts all numbers, row by row, by `shift` places; numbers past the end come back at the start.
    ///
    /// also: rotate, circular shift
    ///
    /// ```rhai
    /// tensor([1, 2, 3, 4]).roll(1)       //=> tensor([4, 1, 2, 3])
    /// ```
    #[rhai_fn(name = "roll", pure, return_raw)]
    pub fn roll(x: &mut Tensor, shift: INT) -> Res<Tensor> {
        let dims: Vec<i64> = (*x).shape().into_iter().map(|size| size as i64).collect();
        Ok(ops::reshape(&ops::roll(&ops::reshape(x, &[-1])?, &[shift], &[0])?, &dims)?)
    }

    /// Shifts the numbers along a dimension by `shift` places, or along each of a list of dimensions by a list of shifts.
    ///
    /// ```rhai
    /// tensor([[1, 2, 3], [4, 5, 6]]).roll(-1, 1)      //=> tensor([[2, 3, 1],
    /// //                                                           [5, 6, 4]])
    /// ```
    #[rhai_fn(name = "roll", pure, return_raw)]
    pub fn roll_along(x: &mut Tensor, shift: Dynamic, dim: Dynamic) -> Res<Tensor> {
        Ok(ops::roll(x, &dims("roll", &shift)?, &dims("roll", &dim)?)?)
    }

    /// Repeats the whole tensor along each dimension, `counts[n]` times along dimension n. More counts than dimensions add
    /// dimensions in front.
    ///
    /// also: tile, np.tile
    ///
    /// ```rhai
    /// tensor([1, 2]).repeat([2])           //=> tensor([1, 2, 1, 2])
    /// tensor([1, 2]).repeat([2, 1])        //=> tensor([[1, 2],
    /// //                                               [1, 2]])
    /// tensor([[1]]).repeat([2])            //=> error: repeat: 1 counts for the 2 dimensions of shape [1, 1]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn repeat(x: &mut Tensor, counts: List) -> Res<Tensor> {
        Ok(ops::repeat(x, &sizes("repeat", &counts)?)?)
    }

    /// Repeats each index along a dimension: `counts` is one number for all of them, or a list or a tensor with one each.
    ///
    /// also: np.repeat
    ///
    /// ```rhai
    /// tensor([1, 2]).repeat_interleave(2, 0)           //=> tensor([1, 1, 2, 2])
    /// tensor([1, 2]).repeat_interleave([1, 3], 0)      //=> tensor([1, 2, 2, 2])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn repeat_interleave(x: &mut Tensor, counts: Dynamic, dim: INT) -> Res<Tensor> {
        const WHO: &str = "repeat_interleave";
        let counts = match (counts.as_int(), counts.read_lock::<List>(), counts.read_lock::<Tensor>()) {
            (Ok(one), ..) => vec![count(WHO, one)?],
            (_, Some(list), _) => sizes(WHO, &list)?,
            (.., Some(counts)) => ops::counts_of(WHO, &counts)?,
            _ => bail!(WHO, "a count, a list or a tensor of them is needed, not {}", type_in_words(&counts)),
        };
        Ok(ops::repeat_interleave(x, &counts, dim)?)
    }

    /// Returns the lower triangle of the last two dimensions, 0 above it.
    ///
    /// also: lower triangular, causal mask, np.tril
    ///
    /// ```rhai
    /// ones([2, 2]).tril()      //=> tensor([[1., 0.],
    /// //                                    [1., 1.]])
    /// ones([2, 2]).tril(#{ diagonal: -1 })      //=> tensor([[0., 0.],
    /// //                                                     [1., 0.]])
    /// ```
    #[rhai_fn(name = "tril", pure, return_raw)]
    pub fn tril(x: &mut Tensor, options: Map) -> Res<Tensor> {
        Ok(ops::tril(x, Options::read("tril", DIAGONAL, options)?.int("diagonal")?)?)
    }

    /// Returns the upper triangle of the last two dimensions, 0 below it.
    ///
    /// also: upper triangular, np.triu
    ///
    /// ```rhai
    /// ones([2, 2]).triu()      //=> tensor([[1., 1.],
    /// //                                    [0., 1.]])
    /// ones([2, 2]).triu(#{ diagonal: 1 })      //=> tensor([[0., 1.],
    /// //                                                    [0., 0.]])
    /// ```
    #[rhai_fn(name = "triu", pure, return_raw)]
    pub fn triu(x: &mut Tensor, options: Map) -> Res<Tensor> {
        Ok(ops::triu(x, Options::read("triu", DIAGONAL, options)?.int("diagonal")?)?)
    }

    /// Returns the diagonal of two dimensions, by default of the last two; it becomes the last dimension.
    ///
    /// also: diag, trace, np.diagonal
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]).diagonal()            //=> tensor([1, 4])
    /// tensor([[1, 2], [3, 4]]).diagonal().sum()      //=> tensor(5)
    /// tensor([[1, 2], [3, 4]]).diagonal(#{ offset: 1 })      //=> tensor([2])
    /// zeros([3, 5, 3]).diagonal(#{ dim1: 0, dim2: 2 }).shape      //=> [5, 3]
    /// ```
    #[rhai_fn(name = "diagonal", pure, return_raw)]
    pub fn diagonal(x: &mut Tensor, options: Map) -> Res<Tensor> {
        let options = Options::read("diagonal", DIAGONALS, options)?;
        Ok(ops::diagonal(x, options.int("offset")?, options.int("dim1")?, options.int("dim2")?)?)
    }

    /// Makes matrices with the last dimension on their diagonal, and 0 elsewhere.
    ///
    /// also: diag, diagflat, diagonal matrix
    ///
    /// ```rhai
    /// tensor([1, 2]).diag_embed()      //=> tensor([[1, 0],
    /// //                                            [0, 2]])
    /// tensor([1]).diag_embed(#{ offset: 1 })      //=> tensor([[0, 1],
    /// //                                                       [0, 0]])
    /// ```
    #[rhai_fn(name = "diag_embed", pure, return_raw)]
    pub fn diag_embed(x: &mut Tensor, options: Map) -> Res<Tensor> {
        Ok(ops::diag_embed(x, Options::read("diag_embed", EMBED, options)?.int("offset")?)?)
    }

    /// Computes the outer product of two vectors: all products of a number of one by a number of the other.
    ///
    /// also: outer product, ger, np.outer
    ///
    /// ```rhai
    /// outer(tensor([1, 2]), tensor([3, 4, 5]))      //=> tensor([[ 3,  4,  5],
    /// //                                                         [ 6,  8, 10]])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn outer(left: &mut Tensor, right: Tensor) -> Res<Tensor> {
        Ok(ops::outer(left, &right)?)
    }

    /// Pads with a number by counts for each end of a dimension. `sizes` are the counts before and after the last dimension, then
    /// before and after the second to last, and so on.
    ///
    /// also: F.pad, constant_pad_nd, ZeroPad2d, np.pad
    ///
    /// ```rhai
    /// tensor([1, 2]).pad([1, 2])                                //=> tensor([0, 1, 2, 0, 0])
    /// tensor([[1.0, 2.0]]).pad([0, 0, 1, 0], #{ value: 9 })     //=> tensor([[9., 9.],
    /// //                                                                     [1., 2.]])
    /// tensor([1, 2]).pad([1])      //=> error: pad: 1 sizes for shape [2]: a dimension takes two, the last one first
    /// ```
    #[rhai_fn(name = "pad", pure, return_raw)]
    pub fn pad(x: &mut Tensor, sizes: List, options: Map) -> Res<Tensor> {
        let options = Options::read("pad", PAD, options)?;
        Ok(ops::pad_with(x, &super::sizes("pad", &sizes)?, number("pad", &options.get("value"))?)?)
    }
}
