//! Matrix products: forward, the gradient of the input, and the gradient of the weight into its accumulator.

use super::buffer::unwritten;
use super::matrix::{Matrix, MatrixView, Precision, Values};
use super::view::{array, view};
use super::{Array, DType, fused, gemm, matvec, parallel, portable, reference};
use crate::{Result, bail, cancel};
use rayon::prelude::*;
use std::borrow::Cow;

/// Sets `out [m, n]`, row by row, to `a [m, k] · b [k, n]`, or adds that to it.
pub fn multiply(out: &mut [f32], [m, n, k]: [usize; 3], a: Matrix, b: Matrix, add: bool, precision: Precision) {
    assert!(out.len() >= m * n, "the product does not fit");
    a.check(m, k);
    b.check(k, n);
    super::profile::count_matmul([m, n, k]);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !add {
            out.fill(0.0);
        }
        return;
    }
    if matvec::supports(m, &a, &b) {
        return matvec::multiply(out, [m, n, k], a, b, add);
    }
    if gemm::supports(&a, &b, precision) {
        return gemm::multiply(out, [m, n, k], a, b, add, precision);
    }
    let (wide_a, wide_b) = (widened(&a), widened(&b));
    let parallelism = if m * n * k < 1 << 17 { ::gemm::Parallelism::None } else { ::gemm::Parallelism::Rayon(0) };
    // SAFETY: both operands and the result are inside their slices, as checked, and the result is borrowed uniquely
    unsafe { portable::multiply(out.as_mut_ptr(), n, [m, n, k], (a, &wide_a), (b, &wide_b), add, parallelism) };
}

/// The numbers as f32, copied only if they have another type.
fn widened<'a>(x: &Matrix<'a>) -> Cow<'a, [f32]> {
    match x.values {
        Values::F32(values) => Cow::Borrowed(values),
        Values::Bf16(values) => {
            let mut wide = unwritten(values.len());
            wide.par_chunks_mut(1 << 14).zip(values.par_chunks(1 << 14)).for_each(|(to, from)| {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from.to_f32());
            });
            Cow::Owned(wide)
        }
    }
}

/// The checked shape of `x · weight`: rows, inputs, outputs.
fn sizes(x: &Array, weight: &Array, transposed: bool) -> Result<(usize, usize, usize)> {
    let verb = if transposed { "linear_transposed" } else { "linear" };
    let &[a, b] = weight.dims() else { bail!(verb, "a weight of shape {:?} is not a matrix", weight.dims()) };
    let (input, output) = if transposed { (a, b) } else { (b, a) };
    match x.dims().last() {
        Some(width) if *width == input => Ok((x.elem_count() / input.max(1), input, output)),
        _ => bail!(verb, "input of shape {:?} does not fit a weight of shape {:?}", x.dims(), weight.dims()),
    }
}

/// Whether the kernels support these: an f32 input on the CPU, and an f32 or bf16 weight.
fn supports(x: &Array, weight: &Array) -> bool {
    fused(&[x]) && weight.device().is_cpu() && matches!(weight.dtype(), DType::F32 | DType::BF16)
}

/// x [.., in] · weightᵀ + bias, for a weight [out, in]; `transposed`: [in, out].
pub fn linear(
    x: &Array,
    weight: &Array,
    bias: Option<&Array>,
    transposed: bool,
    precision: Precision,
) -> Result<Array> {
    let (rows, input, output) = sizes(x, weight, transposed)?;
    if let Some(bias) = bias
        && bias.dims() != [output]
    {
        bail!("linear", "a bias of shape {:?} for {output} outputs", bias.dims());
    }
    if !supports(x, weight) || bias.is_some_and(|bias| !fused(&[bias])) {
        return reference::linear(x, weight, bias, transposed);
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    let (xs, w) = (view::<f32>(&x)?, MatrixView::of(&weight)?);
    let mut y = unwritten(rows * output);
    let w = if transposed { w.rows(output) } else { w.rows(input).t() };
    multiply(&mut y, [rows, output, input], Matrix::rows(&xs[..], input), w, false, precision);
    cancel::check()?;
    if let Some(bias) = bias {
        let bias = bias.contiguous()?;
        let b = view::<f32>(&bias)?;
        let b: &[f32] = &b;
        parallel::rows(&mut y, output, |_, y| {
            y.chunks_exact_mut(output).for_each(|y| super::math::add_scaled(y, 1.0, b));
        });
    }
    let mut dims = x.dims().to_vec();
    *dims.last_mut().expect("has a last dimension") = output;
    array(y, &dims)
}

/// The gradient of x: grad · weight.
pub fn linear_input(grad: &Array, weight: &Array, transposed: bool, precision: Precision) -> Result<Array> {
    if !supports(grad, weight) {
        return reference::linear_input(grad, weight, transposed);
    }
    let (rows, output, input) = sizes(grad, weight, !transposed)?;
    let (grad, weight) = (grad.contiguous()?, weight.contiguous()?);
    let (g, w) = (view::<f32>(&grad)?, MatrixView::of(&weight)?);
    let mut dx = unwritten(rows * input);
    let w = if transposed { w.rows(output).t() } else { w.rows(input) };
    multiply(&mut dx, [rows, input, output], Matrix::rows(&g[..], output), w, false, precision);
    cancel::check()?;
    let mut dims = grad.dims().to_vec();
    *dims.last_mut().expect("has a last dimension") = input;
    array(dx, &dims)
}

/// The gradient of the weight, written to `sum` when `first`, added to it otherwise.
pub fn linear_accumulate(
    x: &Array,
    grad: &Array,
    transposed: bool,
    precision: Precision,
    sum: &mut [f32],
    first: bool,
) -> Result<()> {
    let (x, grad) = (x.contiguous()?, grad.contiguous()?);
    let (input, output) = (*x.dims().last().unwrap_or(&1), *grad.dims().last().unwrap_or(&1));
    let rows = x.elem_count() / input.max(1);
    let (xs, g) = (view::<f32>(&x)?, view::<f32>(&grad)?);
    let (xs, g) = (Matrix::rows(&xs[..], input), Matrix::rows(&g[..], output));
    if transposed {
        multiply(sum, [input, output, rows], xs.t(), g, !first, precision);
    } else {
        multiply(sum, [output, input, rows], g.t(), xs, !first, precision);
    }
    cancel::check()
}

/// Whether [`linear_accumulate`] accepts these.
pub fn accumulates(x: &Array, weight: &Array) -> bool {
    fused(&[x, weight])
}

/// Multiplies `values` by `by`, in place.
pub fn scale(values: &mut [f32], by: f32) {
    values.par_chunks_mut(1 << 16).for_each(|piece| super::math::scale(piece, by));
}
