//! Matrix products.

use super::{cast, multiply, promoted, reshape, squeeze, sum, sum_to, unsqueeze, volume};
use crate::kernel::{self, Precision};
use crate::tensor::values::{array, each_line, with_values};
use crate::tensor::{Array, DType, Tensor};
use crate::{Error, Result, bail, cancel};

/// The matrix product, as in PyTorch: vectors are rows on the left and columns on the right, leading dimensions are batches and
/// broadcast.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (a, b) = promoted(a, b)?;
    let (dims_a, dims_b) = (a.shape(), b.shape());
    let meet = match (dims_a.as_slice(), dims_b.as_slice()) {
        ([], _) | (_, []) => {
            return Err(Error::new("matmul", format!("shapes {dims_a:?} and {dims_b:?}: one is a single number"))
                .help("multiply by it with `*`"));
        }
        ([.., inner], [other]) | ([.., inner], [.., other, _]) => (*inner, *other),
    };
    if meet.0 != meet.1 {
        let error =
            Error::new("matmul", format!("cannot multiply {dims_a:?} by {dims_b:?}: {} is not {}", meet.0, meet.1));
        return Err(match dims_b.last() {
            Some(size) if *size == meet.0 => error.help("transpose the right side with `.t()`"),
            _ => error,
        });
    }
    let whole = |x: &Tensor| if x.dtype().is_float() { Ok(x.clone()) } else { cast(x, DType::I64) };
    let (a, b) = (whole(&a)?, whole(&b)?);
    match (dims_a.len(), dims_b.len()) {
        (1, 1) => sum(&multiply(&a, &b)?, None, false),
        (1, _) => squeeze(&matmul(&unsqueeze(&a, 0)?, &b)?, Some(-2)),
        (_, 1) => squeeze(&matmul(&a, &unsqueeze(&b, 1)?)?, Some(-1)),
        (2, 2) => matmul_plain(&a, &b),
        // a batch of rows with one matrix is one larger product
        (_, 2) => {
            let rows = reshape(&a, &[-1, meet.0 as i64])?;
            let mut shape: Vec<i64> = dims_a.iter().map(|size| *size as i64).collect();
            shape.pop();
            shape.push(dims_b[1] as i64);
            reshape(&matmul_plain(&rows, &b)?, &shape)
        }
        _ => matmul_batches(&a, &b),
    }
}

/// Multiplies two matrices.
fn matmul_plain(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (x, y) = (a.value(), b.value());
    Ok(Tensor::derive(multiply_matrices(&x, &y)?, [a, b], move |grad, flow| {
        flow.add(0, || multiply_matrices(&grad, &y.t()?))?;
        flow.add(1, || multiply_matrices(&x.t()?, &grad))
    }))
}

/// Multiplies batches of matrices, with broadcasting.
fn matmul_batches(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (x, y) = (a.value(), b.value());
    super::broadcast("matmul", &x.dims()[..x.rank() - 2], &y.dims()[..y.rank() - 2])?;
    let (dims_a, dims_b) = (x.dims().to_vec(), y.dims().to_vec());
    Ok(Tensor::derive(multiply_matrices(&x, &y)?, [a, b], move |grad, flow| {
        flow.add(0, || sum_to(multiply_matrices(&grad, &y.t()?)?, &dims_a))?;
        flow.add(1, || sum_to(multiply_matrices(&x.t()?, &grad)?, &dims_b))
    }))
}

/// Multiplications that take a few tenths of a second on one thread.
const LARGE: usize = 1 << 32;

fn multiply_matrices(x: &Array, y: &Array) -> Result<Array> {
    let (&[.., m, k], &[.., n]) = (x.dims(), y.dims()) else {
        bail!("matmul", "shapes {:?} and {:?} are no matrices", x.dims(), y.dims());
    };
    if x.dtype() == DType::I64 {
        return multiply_whole(x, y);
    }
    let batches = (x.elem_count() / (m * k).max(1)).max(y.elem_count() / (n * k).max(1));
    volume("matmul", &[batches, m, n])?;
    let is_plain = x.rank() == 2 && y.rank() == 2;
    let is_large = [batches, m, n].iter().fold(k, |size, side| size.saturating_mul(*side)) >= LARGE;
    if is_plain && is_large && [x, y].iter().all(|x| x.dtype() == DType::F32) {
        // by our kernels, which can be stopped
        return match y.is_contiguous() {
            true => kernel::matmul::linear(x, y, None, true, Precision::F32),
            false => kernel::matmul::linear(x, &y.t()?, None, false, Precision::F32),
        };
    }
    if is_large && batches > 1 && x.dims()[..x.rank() - 2] == y.dims()[..y.rank() - 2] {
        // one after the other, with a chance to stop in between
        let (xs, ys) = (x.contiguous()?.reshape((batches, m, k))?, y.contiguous()?.reshape((batches, k, n))?);
        let each = |at: usize| cancel::check().and_then(|()| multiply_matrices(&xs.get(at)?, &ys.get(at)?));
        let all = (0..batches).map(each).collect::<Result<Vec<_>>>()?;
        let dims = [&x.dims()[..x.rank() - 2], &[m, n]].concat();
        return Ok(Array::stack(&all, 0)?.reshape(dims)?);
    }
    kernel::profile::count_matmul([batches * m, n, k]);
    if is_plain {
        // broadcast operands have strides that a product does not support
        let plain = |x: &Array| if x.stride().contains(&0) { x.contiguous() } else { Ok(x.clone()) };
        return Ok(plain(x)?.matmul(&plain(y)?)?);
    }
    Ok(x.contiguous()?.broadcast_matmul(&y.contiguous()?)?)
}

/// Integer products, in i64: exact, and overflow wraps around as in a sum.
fn multiply_whole(x: &Array, y: &Array) -> Result<Array> {
    let (&[ref front_x @ .., m, k], &[ref front_y @ .., _, n]) = (x.dims(), y.dims()) else {
        bail!("matmul", "shapes {:?} and {:?} are no matrices", x.dims(), y.dims());
    };
    let front = super::broadcast("matmul", front_x, front_y)?;
    let dims = [front.as_slice(), &[m, n]].concat();
    volume("matmul", &dims)?;
    let (x, y) = (
        x.broadcast_as([front.as_slice(), &[m, k]].concat())?.contiguous()?,
        y.broadcast_as([front.as_slice(), &[k, n]].concat())?.contiguous()?,
    );
    let rows = with_values(&x, |xs: &[i64]| {
        with_values(&y, |ys: &[i64]| {
            each_line(front.iter().product::<usize>() * m, n * k, |row| {
                let (left, right) = (&xs[row * k..][..k], &ys[row / m.max(1) * k * n..][..k * n]);
                let mut sums = vec![0i64; n];
                for (a, right) in left.iter().zip(right.chunks_exact(n.max(1))) {
                    sums.iter_mut().zip(right).for_each(|(sum, b)| *sum = sum.wrapping_add(a.wrapping_mul(*b)));
                }
                sums
            })
        })
        .flatten()
    })
    .flatten()?;
    array(rows.concat(), &dims, &x)
}
