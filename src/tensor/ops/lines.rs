//! Reductions of whole lines, in f64: a line is all numbers along the reduced dimensions, row by row.

use super::reduce::reduced;
use crate::Result;
use crate::tensor::Array;
use crate::tensor::values::{array, each_line, in_double, values_f64, with_values};

/// The numbers with the reduced dimensions last.
struct Lines {
    numbers: Array,
    width: usize,
    count: usize,
    /// The original position of each dimension.
    order: Vec<usize>,
}

impl Lines {
    fn of(x: &Array, over: &[usize]) -> Result<Lines> {
        let dims = x.dims();
        let order: Vec<usize> = (0..dims.len()).filter(|dim| !over.contains(dim)).chain(over.iter().copied()).collect();
        let width = over.iter().map(|dim| dims[*dim]).product();
        let count = order[..dims.len() - over.len()].iter().map(|dim| dims[*dim]).product();
        let numbers = in_double(x)?.permute(order.as_slice())?.contiguous()?;
        Ok(Lines { numbers, width, count, order })
    }

    fn each<U: Send>(&self, make: impl Fn(usize, &[f64]) -> U + Sync) -> Result<Vec<U>> {
        let line = |x: &[f64], at: usize| make(at, &x[at * self.width..][..self.width]);
        with_values(&self.numbers, |x: &[f64]| each_line(self.count, self.width, |at| line(x, at))).flatten()
    }
}

/// Applies `make` to every line, with a result in the dtype of `x`.
pub(super) fn reduce(x: &Array, over: &[usize], keep: bool, make: impl Fn(&[f64]) -> f64 + Sync) -> Result<Array> {
    let lines = Lines::of(x, over)?;
    let made = lines.each(|_, line| make(line))?;
    let lines = array(made, &reduced(x.dims(), over, keep), &lines.numbers)?;
    Ok(lines.to_dtype(x.dtype())?.to_device(x.device())?)
}

/// The gradients of the lines of `x`: `make(line, result, grad of the result)` returns one number for each of the line's.
pub(super) fn gradient(
    x: &Array,
    over: &[usize],
    result: &Array,
    grad: &Array,
    make: impl Fn(&[f64], f64, f64) -> Vec<f64> + Sync,
) -> Result<Array> {
    let lines = Lines::of(x, over)?;
    let (results, grads) = (values_f64(result)?, values_f64(grad)?);
    let made = lines.each(|at, line| make(line, results[at], grads[at]))?;
    let mut back = vec![0; lines.order.len()];
    lines.order.iter().enumerate().for_each(|(to, from)| back[*from] = to);
    let whole = array(made.concat(), lines.numbers.dims(), &lines.numbers)?;
    Ok(whole.permute(back)?.to_dtype(x.dtype())?.to_device(x.device())?)
}
