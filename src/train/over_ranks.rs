//! Reduction of a step over ranks, and consistency checks between them.

use crate::kernel::{self, Array, DType, Device};
use crate::number::Number;
use crate::ranks::{self, Addend, tree};
use crate::tensor::{Grads, Param, rng};
use crate::{Error, Result, bail};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

/// A rank's part of a step, or the total.
pub struct Part {
    /// `None` without a micro-batch.
    pub loss: Option<f64>,
    pub grads: Option<Grads>,
}

const WHO: &str = "train::run";
const SUM: &str = "the sum of gradients";
const NONE: u8 = 0;
const F32: u8 = 1;
const F64: u8 = 2;

/// The sum of all ranks' parts, in tree order. `params` are all parameters that may have a gradient, in the same order on every
/// rank.
pub fn sum(params: &[Arc<Param>], mut own: Part) -> Result<Part> {
    let arrays = arrays(params, own.grads.take())?;
    let all = ranks::gathered("the losses of a step", &card(own.loss, &arrays)?)?;
    let arrays = RefCell::new(arrays);
    let losses = all.iter().map(|card| read_loss(card)).collect();
    let loss = tree::joined(losses, |left, right| left + right);
    let kinds = kinds(params, &all)?;
    let mut sums: Vec<Option<Array>> = vec![None; params.len()];
    summed::<f32>((F32, DType::F32), params, (&all, &kinds), &arrays, &mut sums)?;
    summed::<f64>((F64, DType::F64), params, (&all, &kinds), &arrays, &mut sums)?;
    let found: Vec<_> = params.iter().zip(sums).filter_map(|(param, sum)| Some((param.clone(), sum?))).collect();
    let grads = if found.is_empty() { None } else { Some(Grads::of_arrays(found)?) };
    Ok(Part { loss, grads })
}

/// The gradients by parameter index.
fn arrays(params: &[Arc<Param>], grads: Option<Grads>) -> Result<Vec<Option<Array>>> {
    let Some(mut grads) = grads else { return Ok(vec![None; params.len()]) };
    if grads.factor() != 1.0 {
        grads = grads.plus(&Grads::default())?;
    }
    let known: HashSet<u64> = params.iter().map(|param| param.id()).collect();
    if let Some(other) = grads.params().find(|param| !known.contains(&param.id())) {
        return Err(Error::new(
            WHO,
            format!("the loss depends on {}, which is not among the parameters that are trained", other.label()),
        )
        .help("under a launcher all parameters that the loss depends on are in `parameters`"));
    }
    let here = |array: Array| array.to_device(&Device::Cpu)?.contiguous();
    let arrays = params.iter().map(|param| grads.take(param).map(here).transpose());
    Ok(arrays.collect::<std::result::Result<_, _>>()?)
}

/// A rank's description of its part: its loss, and the number type of each gradient.
fn card(loss: Option<f64>, arrays: &[Option<Array>]) -> Result<Vec<u8>> {
    let mut card = vec![u8::from(loss.is_some())];
    card.extend(loss.unwrap_or(0.0).to_le_bytes());
    for array in arrays {
        card.push(match array.as_ref().map(Array::dtype) {
            None => NONE,
            Some(DType::F32) => F32,
            Some(DType::F64) => F64,
            Some(other) => bail!(WHO, "a gradient is {}, and ranks add f32 and f64", other.as_str()),
        });
    }
    Ok(card)
}

fn read_loss(card: &[u8]) -> Option<f64> {
    let bytes = card.get(1..9)?.try_into().ok()?;
    (card[0] == 1).then(|| f64::from_le_bytes(bytes))
}

/// The number type of each parameter's gradient, over all ranks that have it.
fn kinds(params: &[Arc<Param>], all: &[Vec<u8>]) -> Result<Vec<u8>> {
    if let Some(other) = all.iter().position(|card| card.len() != params.len() + 9) {
        bail!(WHO, "rank {other} trains {} parameters, this one {}", all[other].len().saturating_sub(9), params.len());
    }
    let kinds = params.iter().enumerate().map(|(at, param)| {
        let mut found = all.iter().map(|card| card[9 + at]).filter(|kind| *kind != NONE);
        let kind = found.next().unwrap_or(NONE);
        if found.any(|other| other != kind) {
            bail!(WHO, "the gradient of {} is f32 in one rank and f64 in another", param.label());
        }
        Ok(kind)
    });
    kinds.collect()
}

/// Sums the gradients of one number type.
fn summed<T: Number + std::ops::Add<Output = T>>(
    (kind, dtype): (u8, DType),
    params: &[Arc<Param>],
    (all, kinds): (&[Vec<u8>], &[u8]),
    arrays: &RefCell<Vec<Option<Array>>>,
    sums: &mut [Option<Array>],
) -> Result<()> {
    let chosen: Vec<usize> = (0..params.len()).filter(|at| kinds[*at] == kind).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    let length = |at: usize| params[at].value().elem_count();
    let has = |at: usize| all.iter().map(|card| card[9 + at] == kind).collect();
    let addends: Vec<Addend> = chosen.iter().map(|&at| Addend { length: length(at), has: has(at) }).collect();
    let ends = chosen.iter().scan(0, |end, &at| {
        *end += length(at);
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    // the next parameter whose sum is incomplete, and its bytes so far
    let (mut next, mut begun): (usize, Vec<u8>) = (0, Vec::new());
    ranks::sum::<T>(
        SUM,
        &addends,
        |range, out| {
            let arrays = arrays.borrow();
            let first = ends.partition_point(|end| *end <= range.start);
            for (&at, end) in chosen[first..].iter().zip(&ends[first..]) {
                let start = end - length(at);
                if start >= range.end {
                    break;
                }
                let part = range.start.max(start) - start..range.end.min(*end) - start;
                match &arrays[at] {
                    Some(array) => kernel::append_bytes(array, part, out)?,
                    None => out.resize(out.len() + part.len() * T::SIZE, 0),
                }
            }
            Ok(())
        },
        |mut bytes| {
            while !bytes.is_empty() {
                let at = chosen[next];
                let wanted = length(at) * T::SIZE - begun.len();
                let (now, later) = bytes.split_at(wanted.min(bytes.len()));
                begun.extend_from_slice(now);
                bytes = later;
                if now.len() == wanted {
                    arrays.borrow_mut()[at] = None;
                    sums[at] = Some(kernel::from_bytes(&begun, dtype, params[at].value().dims())?);
                    begun.clear();
                    next += 1;
                }
            }
            Ok(())
        },
    )
}

/// Returns an error that names the rank whose parameters or random state differ from rank 0's.
pub fn check_same(params: &[Arc<Param>]) -> Result<()> {
    if ranks::count() == 1 {
        return Ok(());
    }
    let mut digest = Fnv::default();
    let mut bytes = Vec::new();
    for param in params {
        digest.add(param.label().as_bytes());
        let value = param.value().to_device(&Device::Cpu)?.contiguous()?;
        for from in (0..value.elem_count()).step_by(PIECE) {
            bytes.clear();
            kernel::append_bytes(&value, from..(from + PIECE).min(value.elem_count()), &mut bytes)?;
            digest.add(&bytes);
        }
    }
    let random = serde_json::to_vec(&rng::state()).unwrap_or_default();
    let mut own = digest.0.to_le_bytes().to_vec();
    digest.add(&random);
    own.extend(digest.0.to_le_bytes());
    let all = ranks::gathered("whether all ranks have the same weights", &own)?;
    let Some(other) = all.iter().position(|digests| *digests != all[0]) else { return Ok(()) };
    let what = if all[other][..8] == all[0][..8] { "another random state" } else { "other weights" };
    Err(Error::new(WHO, format!("rank {other} has {what} than rank 0"))
        .help("the model has to be made or read alike in all ranks: from the same files, on one kind of machine"))
}

/// Numbers checked together.
const PIECE: usize = 1 << 20;

/// FNV-1a over words, which detects accidental differences.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            let number = word.iter().rev().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
            self.0 = (self.0 ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
    }
}
