//! Indexing and assignment: `x[0]`, `x[-1]`, `x[1..3]`, `x[[0..2, 1]]`, `x[ids]`, `x[mask]`; and loops over rows.

use super::{ints, operand};
use crate::script::prelude::*;
use crate::tensor::ops::{self, At};
use crate::tensor::{Array, Device, Tensor};
use candle_core::TensorId;
use rhai::EvalAltResult;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_iterator_result::<Tensor, Tensor>();
}

/// Iterates over the first dimension of a tensor.
pub struct TensorRows {
    of: Tensor,
    next: i64,
}

impl Iterator for TensorRows {
    type Item = Result<Tensor, Box<EvalAltResult>>;

    fn next(&mut self) -> Option<Self::Item> {
        let shape = self.of.shape();
        let count = match shape.first() {
            Some(size) => *size as i64,
            None if self.next == 0 => {
                self.next = 1;
                let error = Error::new("for", "a single number has no rows").help("take `.item()`");
                return Some(Err(error.into()));
            }
            None => 0,
        };
        (self.next < count).then(|| {
            self.next += 1;
            Ok(ops::at(&self.of, &[At::Int(self.next - 1)])?)
        })
    }
}

impl IntoIterator for Tensor {
    type Item = Result<Tensor, Box<EvalAltResult>>;
    type IntoIter = TensorRows;

    fn into_iter(self) -> TensorRows {
        TensorRows { of: self, next: 0 }
    }
}

fn span(range: &Range<INT>) -> At {
    At::Range(range.start, range.end)
}

fn span_inclusive(range: &RangeInclusive<INT>) -> At {
    let end = *range.end();
    // -1 is the last index: the end after it has no negative index
    At::Range(*range.start(), if end == -1 { INT::MAX } else { end.saturating_add(1) })
}

/// One index for each dimension.
fn entries(list: List) -> crate::Result<Vec<At>> {
    list.into_iter().map(entry).collect()
}

fn entry(value: Dynamic) -> crate::Result<At> {
    if let Ok(place) = value.as_int() {
        return Ok(At::Int(place));
    }
    if let Some(range) = value.read_lock::<Range<INT>>() {
        return Ok(span(&range));
    }
    if let Some(range) = value.read_lock::<RangeInclusive<INT>>() {
        return Ok(span_inclusive(&range));
    }
    if let Some(list) = value.read_lock::<List>() {
        let places = ints("index", &list)?;
        return Ok(At::Places(Array::new(places.as_slice(), &Device::Cpu)?.into()));
    }
    if let Some(places) = value.read_lock::<Tensor>() {
        return Ok(At::Places(places.clone()));
    }
    if value.is_unit() {
        return Ok(At::All);
    }
    bail!("index", "{} is not an index, a range, a list or a tensor of indices", type_in_words(&value))
}

/// A part that an index getter returned.
struct Handed {
    of: TensorId,
    index: Vec<At>,
    part: TensorId,
}

thread_local! {
    /// The last few, as many as one chain of indices may have.
    static HANDED: RefCell<VecDeque<Handed>> = const { RefCell::new(VecDeque::new()) };
}

fn take(x: &Tensor, index: Vec<At>) -> Res<Tensor> {
    let part = ops::at(x, &index)?;
    let handed = Handed { of: x.value().id(), index, part: part.value().id() };
    HANDED.with_borrow_mut(|all| {
        all.truncate(7);
        all.push_front(handed);
    });
    Ok(part)
}

/// After a method of a part, as in `x[0].sum()`, Rhai assigns the part back, though the method has not changed it. That must not
/// cost a copy of `x`, nor be an assignment that a gradient flows through.
fn unchanged(x: &Tensor, index: &[At], value: &Dynamic) -> bool {
    let Some(value) = value.read_lock::<Tensor>() else { return false };
    let (of, part) = (x.value().id(), value.value().id());
    HANDED.with_borrow(|all| all.iter().any(|handed| handed.of == of && handed.part == part && handed.index == index))
}

fn set(x: &mut Tensor, index: &[At], value: Dynamic) -> Res<()> {
    if !unchanged(x, index, &value) {
        *x = ops::assign(x, index, operand("index", value)?)?;
    }
    Ok(())
}

#[export_module]
mod verbs {
    /// Returns one row of the first dimension. A negative index counts from the end.
    ///
    /// ```rhai
    /// let x = tensor([[1, 2], [3, 4]]);
    /// x[0]         //=> tensor([1, 2])
    /// x[-1][0]     //=> tensor(3)
    /// x[5]         //=> error: index: index 5 is out of range for dimension 0 of size 2
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn row(x: &mut Tensor, place: INT) -> Res<Tensor> {
        take(x, vec![At::Int(place)])
    }

    /// Returns a range of rows, the end excluded. As in Python, a range past the end is cut.
    ///
    /// ```rhai
    /// arange(5)[1..3]      //=> tensor([1, 2])
    /// arange(5)[3..]       //=> tensor([3, 4])
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn range(x: &mut Tensor, places: Range<INT>) -> Res<Tensor> {
        take(x, vec![span(&places)])
    }

    /// Returns a range of rows, the end included.
    ///
    /// ```rhai
    /// arange(5)[1..=3]      //=> tensor([1, 2, 3])
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn range_inclusive(x: &mut Tensor, places: RangeInclusive<INT>) -> Res<Tensor> {
        take(x, vec![span_inclusive(&places)])
    }

    /// Returns the part at one index for each dimension: a number, a range, a list, a tensor of numbers, or `()`
    /// for all. Dimensions after those of the list are taken whole.
    ///
    /// ```rhai
    /// let x = arange(12).reshape([3, 4]);
    /// x[[0, 1]]            //=> tensor(1)
    /// x[[0..2, 1]]         //=> tensor([1, 5])
    /// x[[(), [3, 0]]]      //=> tensor([[ 3,  0],
    /// //                                [ 7,  4],
    /// //                                [11,  8]])
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn list(x: &mut Tensor, index: List) -> Res<Tensor> {
        take(x, entries(index)?)
    }

    /// Returns the rows at the indices in an integer tensor, or where a u8 mask is not 0. A mask of the whole shape
    /// selects single numbers.
    ///
    /// ```rhai
    /// let x = tensor([[1, 2], [3, 4]]);
    /// x[tensor([1, 0])]      //=> tensor([[3, 4],
    /// //                                  [1, 2]])
    /// x[x > 1]               //=> tensor([2, 3, 4])
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn places(x: &mut Tensor, index: Tensor) -> Res<Tensor> {
        take(x, vec![At::Places(index)])
    }

    /// Sets a row to a number or a tensor. Tensors are values: only this variable changes.
    ///
    /// ```rhai
    /// let x = zeros([2, 2]);
    /// let before = x;
    /// x[0] = 1.0;
    /// x           //=> tensor([[1., 1.],
    /// //                       [0., 0.]])
    /// before.sum().item()      //=> 0.0
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_row(x: &mut Tensor, place: INT, value: Dynamic) -> Res<()> {
        set(x, &[At::Int(place)], value)
    }

    /// Sets a range of rows, the end excluded.
    ///
    /// ```rhai
    /// let x = arange(4);
    /// x[1..3] = tensor([8, 9]);
    /// x          //=> tensor([0, 8, 9, 3])
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_range(x: &mut Tensor, places: Range<INT>, value: Dynamic) -> Res<()> {
        set(x, &[span(&places)], value)
    }

    /// Sets a range of rows, the end included.
    ///
    /// ```rhai
    /// let x = arange(4);
    /// x[1..=3] = 7;
    /// x          //=> tensor([0, 7, 7, 7])
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_range_inclusive(x: &mut Tensor, places: RangeInclusive<INT>, value: Dynamic) -> Res<()> {
        set(x, &[span_inclusive(&places)], value)
    }

    /// Sets the part at one index for each dimension.
    ///
    /// ```rhai
    /// let x = zeros([2, 3]);
    /// x[[0..2, 1]] = tensor([5.0, 6.0]);
    /// x          //=> tensor([[0., 5., 0.],
    /// //                      [0., 6., 0.]])
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_list(x: &mut Tensor, index: List, value: Dynamic) -> Res<()> {
        set(x, &entries(index)?, value)
    }

    /// Sets the rows at the indices in an integer tensor, or where a mask is not 0.
    ///
    /// ```rhai
    /// let x = arange(4);
    /// x[x > 1] = 0;
    /// x          //=> tensor([0, 1, 0, 0])
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_places(x: &mut Tensor, index: Tensor, value: Dynamic) -> Res<()> {
        set(x, &[At::Places(index)], value)
    }
}
