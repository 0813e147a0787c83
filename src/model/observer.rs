//! Inputs of linear layers, observed while texts pass through a model.

use crate::Result;
use crate::sync::unpoisoned;
use crate::tensor::{DType, Tensor};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Column sums of squares of the inputs of linear layers.
#[derive(Default)]
pub struct Observer(Mutex<BTreeMap<String, Vec<f64>>>);

impl Observer {
    /// Adds the input `[.., columns]` of the layer with this weight.
    pub fn add(&self, weight: &str, x: &Tensor) -> Result<()> {
        let x = x.value().to_dtype(DType::F32)?;
        let columns = x.dims().last().copied().unwrap_or(0);
        let squares: Vec<f32> = x.reshape(((), columns))?.sqr()?.sum(0)?.to_vec1()?;
        let mut sums = unpoisoned(self.0.lock());
        let own = sums.entry(weight.into()).or_insert_with(|| vec![0.0; columns]);
        own.iter_mut().zip(squares).for_each(|(sum, square)| *sum += f64::from(square));
        Ok(())
    }
    /// Returns the sums by weight name, and resets them.
    pub fn take(&self) -> BTreeMap<String, Vec<f64>> {
        std::mem::take(&mut *unpoisoned(self.0.lock()))
    }
}
