//! Saves an index as a folder: its passages, BM25's settings and, if present, the vectors. Word counts are recomputed on opening,
//! which is faster than reading them; vectors are not recomputed.

use super::dense::{Dense, PassageEncoder};
use super::index::Index;
use crate::data::{Cell, Dataset, TableBuilder, TextForm};
use crate::files::{self, Stage};
use crate::format::safetensors::{self, Safetensors};
use crate::tensor::{Array, Device};
use crate::{Error, Result, bail, data, ranks};
use serde_json::{Value, json};
use std::path::Path;

const WHO: &str = "index";
const PASSAGES: &str = "passages.parquet";
const VECTORS: &str = "vectors.safetensors";
const FACTS: &str = "index.json";

impl Index {
    /// Writes a folder completely, or not at all. The model of the vectors is not included.
    pub fn save(&self, folder: &Path) -> Result<()> {
        ranks::first(&format!("save {}", folder.display()), || self.write(folder))
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let mut stage = Stage::begin("save", folder)?;
        let mut rows = TableBuilder::default();
        for row in 0..self.len() {
            rows.column("text").push(Cell::Text(self.text(row)));
            rows.end_row().map_err(|what| Error::new("save", what))?;
        }
        data::save_in(&stage, PASSAGES, &Dataset::from(rows.finish()))?;
        let (k1, b) = self.settings();
        let mut told = json!({ "passages": self.len(), "k1": k1, "b": b });
        match self.dense() {
            Some(dense) => {
                let shape = (self.len(), dense.hidden());
                let vectors = Array::from_slice(dense.vectors(), shape, &Device::Cpu)?;
                let center = Array::from_slice(dense.center(), dense.hidden(), &Device::Cpu)?;
                safetensors::save_in(&stage, VECTORS, [("vectors", &vectors), ("center", &center)], &[])?;
                told["hidden_size"] = json!(dense.hidden());
                told["max_length"] = json!(dense.reader().max_length);
            }
            None => stage.remove(VECTORS),
        }
        stage.write_all(FACTS, (told.to_string() + "\n").as_bytes())?;
        stage.commit()
    }

    /// Opens a folder written by [`Index::save`]. Vectors are searched with the model that made them.
    pub fn open(folder: &Path, reader: Option<PassageEncoder>) -> Result<Index> {
        files::settle(WHO, folder)?;
        let place = folder.join(FACTS);
        if !files::is_file(&place) {
            return Err(Error::new(WHO, format!("{} is not there", place.display()))
                .help("`ix.save(folder)` writes it; passages are given as a list or a dataset"));
        }
        let facts: Value = serde_json::from_str(&files::text(WHO, &place)?)
            .map_err(|error| Error::new(WHO, format!("{}: {error}", place.display())))?;
        let number = |name: &str| match facts[name].as_f64() {
            Some(number) => Ok(number),
            None => Err(Error::new(WHO, format!("{}: `{name}` is {}, not a number", place.display(), facts[name]))),
        };
        let texts = passages(&folder.join(PASSAGES))?;
        if texts.len() as f64 != number("passages")? {
            bail!(WHO, "{} has {} passages, {} says {}", PASSAGES, texts.len(), place.display(), facts["passages"]);
        }
        let dense = reader.map(|reader| vectors(folder, &facts, &texts, reader)).transpose()?;
        Index::of(texts, number("k1")?, number("b")?, dense)
    }
}

fn passages(path: &Path) -> Result<Vec<String>> {
    let rows = Dataset::from(data::read(WHO, path, TextForm::default())?);
    let field = rows.field(WHO, "text")?;
    rows.texts(WHO, field).map(|text| text.map(|text| text.into_owned())).collect()
}

fn vectors(folder: &Path, facts: &Value, texts: &[String], mut reader: PassageEncoder) -> Result<Dense> {
    let (Some(hidden), Some(max_length)) = (facts["hidden_size"].as_u64(), facts["max_length"].as_u64()) else {
        return Err(Error::new(WHO, format!("{} has no vectors", folder.display()))
            .help("open it without `model`, or make it with one"));
    };
    let file = Safetensors::open(folder.join(VECTORS))?;
    let read = |name: &str, shape: &[usize]| -> Result<Vec<f32>> {
        if file.shape(name)? != shape {
            bail!(WHO, "{}: `{name}` has the shape {:?}, not {shape:?}", file.path().display(), file.shape(name)?);
        }
        Ok(file.read_f32(name)?.flatten_all()?.to_vec1()?)
    };
    let hidden = hidden as usize;
    reader.max_length = max_length as usize;
    let dense = Dense::of(reader, read("vectors", &[texts.len(), hidden])?, read("center", &[hidden])?)?;
    dense.check(texts)?;
    Ok(dense)
}
