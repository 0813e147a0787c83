//! The importance matrix in the format of llama.cpp's `llama-imatrix` and `llama-quantize`: a GGUF file with the sums of the
//! squared inputs of each matrix (`NAME.in_sum2`) and their counts (`NAME.counts`).

use super::names::GgufNames;
use crate::format::gguf::{self, Gguf, TensorEntry, Value as Meta};
use crate::format::numbers;
use crate::kernel::quantize::GgmlDType;
use crate::model::{Importance, Model};
use crate::tensor::{Array, Device};
use crate::{Error, Result, bail, files};
use std::collections::BTreeMap;
use std::path::Path;

const WHO: &str = "importance";
const SUMS: &str = ".in_sum2";
const COUNTS: &str = ".counts";

impl Model {
    fn gguf_names(&self) -> Result<&'static GgufNames> {
        let inner = self.read();
        inner.arch.gguf.ok_or_else(|| {
            let error = format!("llama.cpp has no names for the weights of a {}", inner.config.model_type());
            Error::new(WHO, error).help("the map that `net.importance` returns goes wherever a file does")
        })
    }

    /// Writes `importance`, measured in parts of up to `max_length` tokens.
    pub fn save_importance(&self, path: &Path, importance: &Importance, max_length: usize) -> Result<()> {
        let (names, config) = (self.gguf_names()?, self.config());
        let parts = importance.tokens.div_ceil(max_length.max(1));
        let metadata = [
            ("general.type", Meta::Text("imatrix".into())),
            ("imatrix.datasets", Meta::List(vec![Meta::Text("levain".into())])),
            ("imatrix.chunk_count", Meta::Int(parts as i64)),
            ("imatrix.chunk_size", Meta::Int(max_length as i64)),
        ]
        .map(|(key, value)| (key.to_string(), value));
        let mut parts: Vec<(String, Vec<f32>)> = Vec::new();
        for (name, sums) in &importance.sums {
            let theirs = names.name(&config, name);
            parts.push((format!("{theirs}{SUMS}"), sums.clone()));
            parts.push((format!("{theirs}{COUNTS}"), vec![importance.tokens as f32]));
        }
        let entries =
            parts.iter().map(|(name, numbers)| TensorEntry::new(name, &[1, numbers.len()], GgmlDType::F32)).collect();
        let fill = |at: usize| {
            let numbers: &[f32] = &parts[at].1;
            numbers::encode(&Array::from_slice(numbers, numbers.len(), &Device::Cpu)?)
        };
        files::write(WHO, path, |out| gguf::write(out, &metadata, entries, fill))
    }

    /// Reads an importance file of this model.
    pub fn open_importance(&self, path: &Path) -> Result<Importance> {
        let place = path.display().to_string();
        let header = Gguf::open(path).map_err(|error| {
            error.attributed_to(WHO).or_help("`llama-imatrix --output-format gguf` writes what is read here")
        })?;
        self.read_importance(path, &header).map_err(|error| error.attributed_to(WHO).at(&place))
    }

    fn read_importance(&self, path: &Path, header: &Gguf) -> Result<Importance> {
        let (names, config, weights) = (self.gguf_names()?, self.config(), self.weights());
        let own: BTreeMap<String, &str> =
            weights.iter().map(|(name, _)| (names.name(&config, name), &**name)).collect();
        let bytes = files::map(WHO, path)?;
        let numbers = |entry: &TensorEntry| -> Result<Vec<f32>> {
            let start = (header.data + entry.offset) as usize;
            let bytes = &bytes[start..start + entry.byte_size()?];
            Ok(entry.decode(bytes)?.flatten_all()?.to_vec1()?)
        };
        let mut importance = Importance { tokens: 1, ..Importance::default() };
        for sums in &header.tensors {
            let Some(theirs) = sums.name.strip_suffix(SUMS) else { continue };
            let Some(name) = own.get(theirs) else {
                return Err(Error::new(WHO, format!("this model has no `{theirs}`"))
                    .help("the file is of another model: `net.importance(tok, texts)` makes it of this one"));
            };
            let counts = format!("{theirs}{COUNTS}");
            let Some(counts) = header.tensors.iter().find(|entry| entry.name == counts) else {
                bail!(WHO, "`{counts}` is missing");
            };
            let count = numbers(counts)?.first().copied().unwrap_or(0.0);
            let mean = |sum: f32| if count > 0.0 { sum / count } else { 1.0 };
            importance.sums.insert((*name).into(), numbers(sums)?.into_iter().map(mean).collect());
        }
        if importance.sums.is_empty() {
            bail!(WHO, "there is no importance matrix in the file: no tensor ends in `{SUMS}`");
        }
        Ok(importance)
    }
}
