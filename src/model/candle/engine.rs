//! The decoder, with the cargo feature `candle-models`.

use crate::format::Safetensors;
use crate::model::folder;
use crate::sync::unpoisoned;
use crate::tensor::DType;
use crate::{Error, Result};
use levain_candle::Decoder;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

pub fn model_types() -> Result<Vec<&'static str>> {
    Ok(levain_candle::model_types().collect())
}

fn told(error: impl Into<Error>) -> Error {
    error.into().attributed_to("model").at("engine \"candle\"")
}

/// A candle model, with the tokens that it has read.
pub struct CandleDecoder {
    decoder: Mutex<Decoder>,
    /// Number of its weights.
    pub parameters: usize,
    pub dtype: DType,
}

impl CandleDecoder {
    pub fn open(folder: &Path, config: &Map<String, Value>, dtype: DType) -> Result<CandleDecoder> {
        let mut tensors = HashMap::new();
        for shard in folder::shards(folder)? {
            let file = Safetensors::open(shard).map_err(|error| error.attributed_to("model"))?;
            for name in file.names() {
                let tensor = file.read(&name)?.to_dtype(dtype)?;
                tensors.insert(name, tensor);
            }
        }
        let parameters = tensors.values().map(|tensor| tensor.elem_count()).sum();
        let decoder = Decoder::new(&Value::Object(config.clone()), tensors, dtype).map_err(told)?;
        Ok(CandleDecoder { decoder: Mutex::new(decoder), parameters, dtype })
    }

    /// Exclusive access for reading.
    pub fn session(&self) -> Session<'_> {
        Session(unpoisoned(self.decoder.lock()))
    }
}

pub struct Session<'a>(MutexGuard<'a, Decoder>);

impl Session<'_> {
    /// Reads `ids` (`rows` rows of equal length) at position `start`, and returns the logits after each row's last.
    pub fn step(&mut self, ids: &[u32], rows: usize, start: usize) -> Result<Vec<f32>> {
        self.0.step(ids, rows, start).map_err(told)
    }

    pub fn clear(&mut self) -> Result<()> {
        self.0.clear().map_err(told)
    }
}
