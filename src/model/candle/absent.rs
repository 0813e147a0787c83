//! A stub of the decoder without the cargo feature `candle-models`, which reports how to get it.

use crate::tensor::DType;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::convert::Infallible;
use std::path::Path;

pub fn model_types() -> Result<Vec<&'static str>> {
    Err(Error::new("model", "engine \"candle\" is not in this build of levain")
        .help("build it with `cargo build --release --features candle-models`"))
}

/// Never constructed without the feature.
#[allow(dead_code, reason = "nothing makes one")]
pub struct CandleDecoder {
    never: Infallible,
    pub parameters: usize,
    pub dtype: DType,
}

impl CandleDecoder {
    pub fn open(_: &Path, _: &Map<String, Value>, _: DType) -> Result<CandleDecoder> {
        Err(model_types().err().unwrap_or_else(|| Error::new("model", "engine \"candle\" is not in this build")))
    }

    pub fn session(&self) -> Session {
        match self.never {}
    }
}

#[allow(dead_code, reason = "nothing makes one")]
pub struct Session(Infallible);

impl Session {
    pub fn step(&mut self, _: &[u32], _: usize, _: usize) -> Result<Vec<f32>> {
        match self.0 {}
    }

    pub fn clear(&mut self) -> Result<()> {
        match self.0 {}
    }
}
