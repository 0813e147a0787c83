//! Tensors as views of storages: the file offset of each number.

use super::unpickle::Pickled;
use super::value::{Global, Id, Value};
use crate::{Error, Result, bail};
use safetensors::Dtype;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

const WHO: &str = "tensors";

/// Offsets of storages, by key.
pub type Storages = HashMap<String, Range<usize>>;

/// A tensor as a range of the file and strides in it, checked to be inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// In numbers.
    strides: Vec<usize>,
    /// Of the first number, in bytes.
    start: usize,
}

impl std::hash::Hash for View {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.shape, &self.strides, self.start).hash(state);
    }
}

impl View {
    fn count(&self) -> usize {
        // its product was checked
        self.shape.iter().product()
    }

    /// Total size of its numbers in bytes.
    pub fn size(&self) -> usize {
        self.count() * width(self.dtype)
    }

    /// The bytes of its numbers, row by row.
    pub fn bytes<'a>(&self, file: &'a [u8]) -> Cow<'a, [u8]> {
        let (count, width) = (self.count(), width(self.dtype));
        if count == 0 {
            return Cow::Borrowed(&[]);
        }
        if self.is_contiguous() {
            return Cow::Borrowed(&file[self.start..self.start + count * width]);
        }
        let mut bytes = Vec::with_capacity(count * width);
        let mut at = vec![0; self.shape.len()];
        for _ in 0..count {
            let place: usize = at.iter().zip(&self.strides).map(|(at, stride)| at * stride).sum();
            bytes.extend_from_slice(&file[self.start + place * width..][..width]);
            for dim in (0..at.len()).rev() {
                at[dim] += 1;
                if at[dim] < self.shape[dim] {
                    break;
                }
                at[dim] = 0;
            }
        }
        Cow::Owned(bytes)
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(size, stride)| {
            let fits = *size == 1 || *stride == expected;
            expected *= size;
            fits
        })
    }
}

/// Size of a number in bytes.
fn width(dtype: Dtype) -> usize {
    dtype.bitsize() / 8
}

impl Pickled {
    pub fn text<'a>(&self, bytes: &'a [u8], id: Id) -> Option<&'a str> {
        match self.get(id) {
            Value::Text(range) => std::str::from_utf8(bytes.get(range.clone())?).ok(),
            _ => None,
        }
    }

    /// The members of a tuple, or of a `torch.Size`.
    fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(ids) | Value::List(ids) => Some(ids),
            Value::Called(Global::Size, arguments) => match self.get(*arguments) {
                Value::Tuple(inner) => match self.get(*inner.first()?) {
                    Value::Tuple(ids) | Value::List(ids) => Some(ids),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    fn count(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Value::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    fn counts(&self, id: Id) -> Option<Vec<usize>> {
        self.tuple(id)?.iter().map(|id| self.count(*id)).collect()
    }
}

/// The arguments that rebuild a tensor, from inside any chain of parameters around it.
fn arguments(pickled: &Pickled, mut id: Id) -> Option<&[Id]> {
    // each step leads to a value that was made before
    loop {
        let Value::Called(global, given) = pickled.get(id) else { return None };
        let Value::Tuple(given) = pickled.get(*given) else { return None };
        match global {
            Global::Tensor | Global::OldTensor => return Some(given),
            Global::Parameter | Global::ParameterWithState => {
                let inner = *given.first()?;
                if inner >= id {
                    return None;
                }
                id = inner;
            }
            _ => return None,
        }
    }
}

pub fn is_tensor(pickled: &Pickled, id: Id) -> bool {
    arguments(pickled, id).is_some()
}

/// The tensor described by a value.
pub fn view(bytes: &[u8], pickled: &Pickled, storages: &Storages, id: Id) -> Result<View> {
    let damaged = || Error::new(WHO, "it is not described as torch describes one");
    let Some(&[storage, offset, shape, strides, ..]) = arguments(pickled, id) else { return Err(damaged()) };
    let Value::Persistent(storage) = pickled.get(storage) else { return Err(damaged()) };
    let Some(&[_, kind, key, _, _, ..]) = pickled.tuple(*storage) else { return Err(damaged()) };
    let Value::Global(Global::Storage(dtype)) = *pickled.get(kind) else { return Err(damaged()) };
    let key = pickled.text(bytes, key).ok_or_else(damaged)?;
    let (offset, shape) = (pickled.count(offset), pickled.counts(shape));
    let (Some(mut offset), Some(shape)) = (offset, shape) else { return Err(damaged()) };
    let strides = pickled.counts(strides).filter(|strides| strides.len() == shape.len()).ok_or_else(damaged)?;
    // a view of a storage that is itself a view, as torch wrote it before 1.0
    if let Some(view) = pickled.tuple(*storage).and_then(|parts| parts.get(5)).and_then(|view| pickled.tuple(*view)) {
        let from = view.get(1).and_then(|from| pickled.count(*from)).ok_or_else(damaged)?;
        offset = offset.checked_add(from).ok_or_else(damaged)?;
    }
    let Some(place) = storages.get(key) else {
        bail!(WHO, "the storage `{}` is missing", key.chars().take(80).collect::<String>());
    };
    let count = shape.iter().try_fold(width(dtype), |bytes, size| bytes.checked_mul(*size)).ok_or_else(damaged)?;
    let last = |(size, stride): (&usize, &usize)| (size - 1).checked_mul(*stride);
    let reach = match count {
        0 => Some(0),
        _ => shape.iter().zip(&strides).map(last).try_fold(1usize, |sum, step| sum.checked_add(step?)),
    };
    let end = reach.and_then(|reach| offset.checked_add(reach)?.checked_mul(width(dtype)));
    if end.is_none_or(|end| end > place.len()) && count > 0 {
        bail!(WHO, "shape {shape:?} with strides {strides:?} does not fit a storage of {} bytes", place.len());
    }
    let start = if count == 0 { place.start } else { place.start + offset * width(dtype) };
    Ok(View { dtype, shape, strides, start })
}

/// The size in bytes of a number of each storage that a pickle names.
pub fn widths<'a>(bytes: &'a [u8], pickled: &Pickled) -> HashMap<&'a str, usize> {
    let of = |value: &Value| {
        let Value::Persistent(storage) = value else { return None };
        let &[_, kind, key, ..] = pickled.tuple(*storage)? else { return None };
        match *pickled.get(kind) {
            Value::Global(Global::Storage(dtype)) => Some((pickled.text(bytes, key)?, width(dtype))),
            _ => None,
        }
    };
    pickled.values.iter().filter_map(of).collect()
}
