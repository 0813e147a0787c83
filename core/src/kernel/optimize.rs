//! Optimizer steps in one pass over memory: parameter, gradient and state are each read and written once.
//!
//! Elements are independent, so the bits do not depend on the number of threads.

use super::buffer::unwritten;
use super::math::simd;
use super::profile::{self, Pass};
use super::view::{array, view};
use super::{Array, DType, Device, device_name, scalar};
use crate::{Error, Result, bail};
use half::bf16;
use rayon::prelude::*;

/// Numbers per task.
const PIECE: usize = 1 << 15;

/// AdamW as in PyTorch: decoupled weight decay, bias-corrected moments, eps outside the root.
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

/// A moment of a parameter, with one number for each of the parameter's.
pub enum Moment {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
    /// On the parameter's device, other than the CPU; in f32.
    There(Array),
}

impl Moment {
    /// Zeros on the device of `param`.
    pub fn zeros(param: &Array, half: bool) -> Result<Moment> {
        let count = param.elem_count();
        Ok(match param.device() {
            Device::Cpu if half => Moment::Bf16(vec![bf16::ZERO; count]),
            Device::Cpu => Moment::F32(vec![0.0; count]),
            _ if half => return Err(no_half_there(param)),
            there => Moment::There(Array::zeros(param.dims(), DType::F32, there)?),
        })
    }

    /// The numbers of an f32 or bf16 array, on the device of `param`.
    pub fn of(array: &Array, param: &Array) -> Result<Moment> {
        Ok(match (param.device(), array.dtype()) {
            (Device::Cpu, DType::BF16) => Moment::Bf16(array.flatten_all()?.to_vec1()?),
            (Device::Cpu, _) => Moment::F32(array.flatten_all()?.to_vec1()?),
            (_, DType::BF16) => return Err(no_half_there(param)),
            (there, _) => Moment::There(array.to_device(there)?),
        })
    }

    /// Moves to the device of `param`.
    pub fn follow(&mut self, param: &Array) -> Result<()> {
        let is_there = match self {
            Moment::There(numbers) => numbers.device().same_device(param.device()),
            _ => param.device().is_cpu(),
        };
        if !is_there {
            *self = Moment::of(&self.array(param.dims())?, param)?;
        }
        Ok(())
    }

    /// The numbers, which no longer change.
    pub fn array(&self, dims: &[usize]) -> Result<Array> {
        Ok(match self {
            Moment::F32(numbers) => Array::from_slice(numbers, dims, &Device::Cpu)?,
            Moment::Bf16(numbers) => Array::from_slice(numbers, dims, &Device::Cpu)?,
            Moment::There(numbers) => numbers.clone(),
        })
    }

    fn len(&self) -> usize {
        match self {
            Moment::F32(numbers) => numbers.len(),
            Moment::Bf16(numbers) => numbers.len(),
            Moment::There(numbers) => numbers.elem_count(),
        }
    }
}

/// Moments in bf16 need stochastic rounding, for which candle has no operations.
fn no_half_there(param: &Array) -> Error {
    let device = device_name(param.device());
    Error::new("moments_dtype", format!("moments of a parameter on {device} are kept in f32, not bf16"))
        .help("leave out `moments_dtype`, or train on the CPU")
}

/// Sixteen random bits for each of two numbers, by their position and the step: mixed as in "lowbias32" (C. Wellons).
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
/// The gradient is multiplied by `factor` (1, or the clipping factor), which saves scaling it beforehand.
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
    check("adamw", param, grad, &[m.len(), v.len()])?;
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
    if let (Moment::There(m), Moment::There(v)) = (&mut *m, &mut *v) {
        return adamw_there(param, grad, m, v, constants.map(f64::from));
    }
    step(param, grad, |p, g, out| {
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
            _ => unreachable!("both moments are kept alike, and where their parameter is"),
        }
    })
}

/// [`adamw`] in candle operations: the numbers stay on their device.
fn adamw_there(param: &Array, grad: &Array, m: &mut Array, v: &mut Array, constants: [f64; 8]) -> Result<Array> {
    let [keep, b1, c1, b2, c2, rate, root, eps] = constants;
    let (p, g) = wide(param, grad)?;
    *m = ((&*m * b1)? + (&g * c1)?)?;
    *v = ((&*v * b2)? + (g.sqr()? * c2)?)?;
    let step = ((&*m * rate)? / ((v.sqrt()? * root)? + eps)?)?;
    Ok(((p * keep)? - step)?.to_dtype(param.dtype())?)
}

/// Stochastic gradient descent as in PyTorch, without dampening.
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

/// The parameter after a step. `velocity` (zeros before the first) changes in place; it is `None` without momentum.
pub fn sgd(param: &Array, grad: &Array, velocity: Option<&mut Moment>, factor: f64, options: &Sgd) -> Result<Array> {
    let _timed = profile::span("sgd", Pass::Other);
    check("sgd", param, grad, velocity.as_ref().map(|velocity| velocity.len()).as_slice())?;
    let c = [options.lr, options.momentum, options.decay, factor].map(|x| x as f32);
    if !param.device().is_cpu() || matches!(velocity, Some(Moment::There(_))) {
        return sgd_there(param, grad, velocity, c.map(f64::from), options.nesterov);
    }
    let Some(Moment::F32(velocity)) = velocity else {
        return step(param, grad, |p, g, out| {
            out.par_chunks_mut(PIECE)
                .zip(p.par_chunks(PIECE).zip(g.par_chunks(PIECE)))
                .for_each(|(out, (p, g))| descend_piece(p, g, out, &c));
        });
    };
    step(param, grad, |p, g, out| {
        out.par_chunks_mut(PIECE)
            .zip(p.par_chunks(PIECE).zip(g.par_chunks(PIECE)))
            .zip(velocity.par_chunks_mut(PIECE))
            .for_each(|((out, (p, g)), velocity)| sgd_piece(p, g, velocity, out, &c, options.nesterov));
    })
}

/// [`sgd`] in candle operations.
fn sgd_there(
    param: &Array,
    grad: &Array,
    velocity: Option<&mut Moment>,
    [lr, momentum, decay, factor]: [f64; 4],
    nesterov: bool,
) -> Result<Array> {
    let (p, g) = wide(param, grad)?;
    let g = ((g * factor)? + (&p * decay)?)?;
    let by = match velocity {
        Some(Moment::There(velocity)) => {
            *velocity = ((&*velocity * momentum)? + &g)?;
            if nesterov { (g + (&*velocity * momentum)?)? } else { velocity.clone() }
        }
        _ => g,
    };
    Ok((p - (by * lr)?)?.to_dtype(param.dtype())?)
}

/// A parameter and its gradient in f32, on the parameter's device.
fn wide(param: &Array, grad: &Array) -> Result<(Array, Array)> {
    Ok((param.to_dtype(DType::F32)?, grad.to_device(param.device())?.to_dtype(DType::F32)?))
}

/// Returns an error if a gradient or a state does not match the parameter.
fn check(verb: &str, param: &Array, grad: &Array, states: &[usize]) -> Result<()> {
    if param.dims() != grad.dims() || states.iter().any(|state| *state != param.elem_count()) {
        bail!(
            verb,
            "a gradient of shape {:?} and states of {states:?} numbers for a parameter of shape {:?}",
            grad.dims(),
            param.dims()
        );
    }
    Ok(())
}

/// Runs `work(parameter, gradient, result)` on f32 slices on the CPU; the result has the parameter's dtype.
fn step(param: &Array, grad: &Array, work: impl FnOnce(&[f32], &[f32], &mut [f32])) -> Result<Array> {
    let (p, g) = wide(param, grad)?;
    let (p, g) = (p.contiguous()?, g.contiguous()?);
    let mut out = unwritten(param.elem_count());
    work(&view::<f32>(&p)?, &view::<f32>(&g)?, &mut out);
    Ok(array(out, param.dims())?.to_dtype(param.dtype())?)
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

/// The sum of squares, in f64, in an order independent of the number of threads.
pub fn square_sum(x: &Array) -> Result<f64> {
    let _timed = profile::span("square_sum", Pass::Other);
    if !super::fused(&[x]) {
        return scalar(&square_sum_there(x)?);
    }
    let x = x.contiguous()?;
    let values = view::<f32>(&x)?;
    let pieces: Vec<f64> = values.par_chunks(PIECE).map(square_sum_piece).collect();
    Ok(pieces.iter().sum())
}

/// The sum of squares on the array's device; in f64, which Metal lacks.
fn square_sum_there(x: &Array) -> Result<Array> {
    let dtype = if x.device().is_metal() { DType::F32 } else { DType::F64 };
    Ok(x.to_dtype(dtype)?.sqr()?.sum_all()?)
}

/// The sum of squares of several arrays, in order. For those on a device other than the CPU one number is transferred.
pub fn square_sums<'a>(arrays: impl Iterator<Item = &'a Array>) -> Result<f64> {
    let (mut sum, mut there) = (0.0, None);
    for x in arrays {
        if x.device().is_cpu() {
            sum += square_sum(x)?;
        } else {
            let own = square_sum_there(x)?;
            there = Some(match there {
                None => own,
                Some(others) => (others + own)?,
            });
        }
    }
    Ok(sum + there.as_ref().map_or(Ok(0.0), scalar)?)
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
