//! Nested lists as tensors.

use super::number;
use crate::kernel::default_device;
use crate::script::prelude::*;
use crate::tensor::ops::Scalar;
use crate::tensor::{Array, DType, Tensor};

/// The numbers and the shape of nested lists.
#[derive(Default)]
pub struct NestedList {
    dims: Vec<usize>,
    ints: Vec<i64>,
    floats: Vec<f64>,
    /// Whether all values were `true` or `false`.
    mask: bool,
}

impl NestedList {
    pub fn of(list: &List) -> crate::Result<NestedList> {
        let mut reading = NestedList { mask: true, ..NestedList::default() };
        reading.list(list, &mut Vec::new())?;
        Ok(reading)
    }

    fn list(&mut self, list: &List, place: &mut Vec<usize>) -> crate::Result<()> {
        let depth = place.len();
        match self.dims.get(depth) {
            None if !self.started() => self.dims.push(list.len()),
            Some(size) if *size == list.len() => {}
            Some(size) => {
                bail!("tensor", "rows differ: {} has {} elements, those before it {size}", at(place), list.len())
            }
            None => bail!("tensor", "rows differ: {} is a list, those before it are numbers", at(place)),
        }
        for (index, value) in list.iter().enumerate() {
            place.push(index);
            if let Some(inner) = value.read_lock::<List>() {
                self.list(&inner, place)?;
            } else {
                self.number(value, place)?;
            }
            place.pop();
        }
        Ok(())
    }

    fn number(&mut self, value: &Dynamic, place: &[usize]) -> crate::Result<()> {
        if place.len() != self.dims.len() {
            bail!("tensor", "rows differ: {} is a number, those before it are lists", at(place));
        }
        if let Ok(on) = value.as_bool() {
            self.int(on.into());
            return Ok(());
        }
        self.mask = false;
        match number("tensor", value) {
            Ok(Scalar::Int(whole)) => self.int(whole),
            Ok(Scalar::Float(number)) => {
                if self.floats.is_empty() {
                    self.floats = self.ints.drain(..).map(|whole| whole as f64).collect();
                }
                self.floats.push(number);
            }
            Err(_) if value.is::<Tensor>() => {
                let error = Error::new("tensor", format!("{} is a tensor", at(place)));
                return Err(error.help("join tensors with `stack(list, 0)`"));
            }
            Err(_) => bail!("tensor", "{} is {}, not a number", at(place), type_in_words(value)),
        }
        Ok(())
    }

    fn int(&mut self, whole: i64) {
        if self.floats.is_empty() { self.ints.push(whole) } else { self.floats.push(whole as f64) }
    }

    /// An error for the first number outside the range of an integer dtype.
    fn check(&self, dtype: DType) -> crate::Result<()> {
        let count = self.ints.len().max(self.floats.len());
        let number =
            |at: usize| self.ints.get(at).map_or_else(|| Scalar::Float(self.floats[at]), |whole| Scalar::Int(*whole));
        let Some(odd) = (0..count).find(|at| !number(*at).fits(dtype)) else { return Ok(()) };
        let (mut rest, mut place) = (odd, vec![0; self.dims.len()]);
        for (index, size) in place.iter_mut().zip(&self.dims).rev() {
            *index = rest % size;
            rest /= size;
        }
        bail!("tensor", "{} is {}, which does not fit {}", at(&place), number(odd), dtype.as_str())
    }

    fn started(&self) -> bool {
        !self.ints.is_empty() || !self.floats.is_empty()
    }

    pub fn tensor(self, dtype: Option<DType>) -> crate::Result<Tensor> {
        if let Some(dtype) = dtype.filter(|dtype| !dtype.is_float()) {
            self.check(dtype)?;
        }
        let (here, whole) = (&default_device()?, self.floats.is_empty());
        let natural = match (whole, self.mask, self.ints.is_empty()) {
            (true, true, false) => DType::U8,
            (true, _, false) => DType::I64,
            _ => DType::F32,
        };
        let array = match whole {
            true => Array::from_vec(self.ints, self.dims, here)?,
            false => Array::from_vec(self.floats, self.dims, here)?,
        };
        Ok(array.to_dtype(dtype.unwrap_or(natural))?.into())
    }
}

/// `element [1][0]`
fn at(place: &[usize]) -> String {
    let places: Vec<String> = place.iter().map(|index| format!("[{index}]")).collect();
    format!("element {}", places.concat())
}
