//! Optimizer steps in one pass over memory: parameter, gradient and state are each read and written once.
//!
//! Every element is computed by itself, so the bits do not depend on the number of threads.

use super::buffer::unwritten;
use super::math::simd;
use super::profile::{self, Pass};
use super::view::{array, view};
use super::{Array, DType, Device};
use crate::{Result, bail};
use half::bf16;
use rayon::prelude::*;

/// Numbers in one task.
const PIECE: usize = 1 << 15;

/// AdamW as PyTorch has it: decay is decoupled, moments are corrected for their start, eps is outside the root.
#[derive(Clone, Copy, Debug)]
pub struct Adamw {
    pub lr: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    pub decay: f64,
    /// 1 in the first step.
    pub step: u64,
}

simd! {
    fn adamw_piece(p: &[f32], g: &[f32], m: &mut [f32], v: &mut [f32], out: &mut [f32], c: &[f32; 8]) {
        let [keep, b1, c1, b2, c2, rate, root, eps] = *c;
        for ((((out, p), g), m), v) in out.iter_mut().zip(p).zip(g).zip(m).zip(v) {
            *m = b1 * *m + c1 * *g;
            *v = b2 * *v + c2 * (*g * *g);
            *out = *p * keep - rate * *m / ((*v).sqrt() * root + eps);
        }
    }
}

/// A moment of a parameter, one number for each of its own.
pub enum Moment {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
}

impl Moment {
    pub fn zeros(count: usize, half: bool) -> Moment {
        if half { Moment::Bf16(vec![bf16::ZERO; count]) } else { Moment::F32(vec![0.0; count]) }
    }

    /// The numbers of an array, which is f32 or bf16.
    pub fn of(array: &Array) -> Result<Moment> {
        let flat = array.flatten_all()?;
        Ok(if array.dtype() == DType::BF16 { Moment::Bf16(flat.to_vec1()?) } else { Moment::F32(flat.to_vec1()?) })
    }

    /// A copy.
    pub fn array(&self, dims: &[usize]) -> Result<Array> {
        Ok(match self {
            Moment::F32(numbers) => Array::from_slice(numbers, dims, &Device::Cpu)?,
            Moment::Bf16(numbers) => Array::from_slice(numbers, dims, &Device::Cpu)?,
        })
    }

    fn len(&self) -> usize {
        match self {
            Moment::F32(numbers) => numbers.len(),
            Moment::Bf16(numbers) => numbers.len(),
        }
    }
}

/// Sixteen random bits for each of two numbers, by their place and the step: mixed as in "lowbias32" (C. Wellons).
#[inline(always)]
fn dice(place: u32, step: u32) -> u32 {
    let mut x = place ^ step.wrapping_mul(0x9E37_79B9);
    x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
    x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

/// Stochastic rounding to bf16: up or down, unbiased. `dice` is below 2^16.
#[inline(always)]
fn rounded(x: f32, dice: u32) -> bf16 {
    bf16::from_bits((x.to_bits().wrapping_add(dice) >> 16) as u16)
}

#[inline(always)]
fn widened(x: bf16) -> f32 {
    f32::from_bits(u32::from(x.to_bits()) << 16)
}

simd! {
    fn adamw_half_piece(
        p: &[f32], g: &[f32], m: &mut [bf16], v: &mut [bf16], out: &mut [f32], c: &[f32; 8], from: u32, step: u32,
    ) {
        let [keep, b1, c1, b2, c2, rate, root, eps] = *c;
        let moments = m.iter_mut().zip(v.iter_mut());
        for (i, (((out, p), g), (m, v))) in out.iter_mut().zip(p).zip(g).zip(moments).enumerate() {
            let dice = dice(from.wrapping_add(i as u32), step);
            let first = b1 * widened(*m) + c1 * *g;
            let second = b2 * widened(*v) + c2 * (*g * *g);
            *m = rounded(first, dice & 0xFFFF);
            *v = rounded(second, dice >> 16);
            *out = *p * keep - rate * first / (second.sqrt() * root + eps);
        }
    }
}

/// The parameter after a step; its moments `m` and `v` (zeros before the first) change in place.
///
/// The gradient is multiplied by `factor` (1, or from clipping), so that it need not be scaled beforehand.
pub fn adamw(
    param: &Array,
    grad: &Array,
    m: &mut Moment,
    v: &mut Moment,
    factor: f64,
    options: &Adamw,
) -> Result<Array> {
    let _timed = profile::span("adamw", Pass::Other);
    let (b1, b2) = options.betas;
    let correct = |beta: f64| 1.0 - beta.powi(options.step.min(i32::MAX as u64) as i32);
    let constants = [
        1.0 - options.lr * options.decay,
        b1,
        (1.0 - b1) * factor,
        b2,
        (1.0 - b2) * factor * factor,
        options.lr / correct(b1),
        1.0 / correct(b2).sqrt(),
        options.eps,
    ]
    .map(|x| x as f32);
    step("adamw", param, grad, &[m.len(), v.len()], |p, g, out| {
        let work = out.par_chunks_mut(PIECE).zip(p.par_chunks(PIECE).zip(g.par_chunks(PIECE)));
        match (m, v) {
            (Moment::F32(m), Moment::F32(v)) => work
                .zip(m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE)))
                .for_each(|((out, (p, g)), (m, v))| adamw_piece(p, g, m, v, out, &constants)),
            (Moment::Bf16(m), Moment::Bf16(v)) => work
                .zip(m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE)))
                .enumerate()
                .for_each(|(i, ((out, (p, g)), (m, v)))| {
                    adamw_half_piece(p, g, m, v, out, &constants, (i * PIECE) as u32, options.step as u32);
                }),
            _ => unreachable!("both moments are kept alike"),
        }
    })
}

/// Stochastic gradient descent as PyTorch has it, without dampening.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    pub lr: f64,
    pub momentum: f64,
    pub nesterov: bool,
    /// Added to the gradient (not decoupled).
    pub decay: f64,
}

simd! {
    fn sgd_piece(p: &[f32], g: &[f32], velocity: &mut [f32], out: &mut [f32], c: &[f32; 4], nesterov: bool) {
        let [lr, momentum, decay, factor] = *c;
        for (((out, p), g), velocity) in out.iter_mut().zip(p).zip(g).zip(velocity) {
            let g = *g * factor + decay * *p;
            *velocity = momentum * *velocity + g;
            *out = *p - lr * if nesterov { g + momentum * *velocity } else { *velocity };
        }
    }
}

simd! {
    fn descend_piece(p: &[f32], g: &[f32], out: &mut [f32], c: &[f32; 4]) {
        let [lr, _, decay, factor] = *c;
        for ((out, p), g) in out.iter_mut().zip(p).zip(g) {
            *out = *p - lr * (*g * factor + decay * *p);
        }
    }
}

/// The parameter after a step. `velocity` (zeros before the first) changes in place; it may be empty without momentum.
pub fn sgd(param: &Array, grad: &Array, velocity: &mut [f32], factor: f64, options: &Sgd) -> Result<Array> {
    let _timed = profile::span("sgd", Pass::Other);
    let c = [options.lr, options.momentum, options.decay, factor].map(|x| x as f32);
    if options.momentum == 0.0 {
        return step("sgd", param, grad, &[], |p, g, out| {
            out.par_chunks_mut(PIECE)
                .zip(p.par_chunks(PIECE).zip(g.par_chunks(PIECE)))
                .for_each(|(out, (p, g))| descend_piece(p, g, out, &c));
        });
    }
    step("sgd", param, grad, &[velocity.len()], |p, g, out| {
        out.par_chunks_mut(PIECE)
            .zip(p.par_chunks(PIECE).zip(g.par_chunks(PIECE)))
            .zip(velocity.par_chunks_mut(PIECE))
            .for_each(|((out, (p, g)), velocity)| sgd_piece(p, g, velocity, out, &c, options.nesterov));
    })
}

/// Runs `work(parameter, gradient, result)` on f32 slices; the result has the parameter's dtype and device.
fn step(
    verb: &str,
    param: &Array,
    grad: &Array,
    states: &[usize],
    work: impl FnOnce(&[f32], &[f32], &mut [f32]),
) -> Result<Array> {
    let count = param.elem_count();
    if param.dims() != grad.dims() || states.iter().any(|state| *state != count) {
        bail!(
            verb,
            "a gradient of shape {:?} and states of {states:?} numbers for a parameter of shape {:?}",
            grad.dims(),
            param.dims()
        );
    }
    let here = |x: &Array| -> Result<Array> { Ok(x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?) };
    let (p, g) = (here(param)?, here(grad)?);
    let mut out = unwritten(count);
    work(&view::<f32>(&p)?, &view::<f32>(&g)?, &mut out);
    Ok(array(out, param.dims())?.to_dtype(param.dtype())?.to_device(param.device())?)
}

simd! {
    fn square_sum_piece(x: &[f32]) -> f64 {
        let mut sums = [0f64; 16];
        let mut chunks = x.chunks_exact(16);
        for chunk in &mut chunks {
            for (x, sum) in chunk.iter().zip(&mut sums) {
                *sum += *x as f64 * *x as f64;
            }
        }
        for (x, sum) in chunks.remainder().iter().zip(&mut sums) {
            *sum += *x as f64 * *x as f64;
        }
        sums.iter().sum()
    }
}

/// The sum of squares, in f64, in an order that the number of threads does not change.
pub fn square_sum(x: &Array) -> Result<f64> {
    let _timed = profile::span("square_sum", Pass::Other);
    if !super::fused(&[x]) {
        return Ok(x.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?);
    }
    let x = x.contiguous()?;
    let values = view::<f32>(&x)?;
    let pieces: Vec<f64> = values.par_chunks(PIECE).map(square_sum_piece).collect();
    Ok(pieces.iter().sum())
}

simd! {
    fn scale_piece(x: &[f32], by: f32, out: &mut [f32]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = *x * by;
        }
    }
}

/// Multiplies every number by `by`.
pub fn scaled(x: &Array, by: f64) -> Result<Array> {
    let _timed = profile::span("scaled", Pass::Other);
    if !super::fused(&[x]) {
        return Ok((x * by)?);
    }
    let x = x.contiguous()?;
    let values = view::<f32>(&x)?;
    let mut out = unwritten(values.len());
    out.par_chunks_mut(PIECE).zip(values.par_chunks(PIECE)).for_each(|(out, x)| scale_piece(x, by as f32, out));
    array(out, x.dims())
}
