//! Ids and labels from scripts.

use crate::model::Embeddings;
use crate::script::prelude::*;
use crate::tensor::values::values_f64;
use crate::tensor::{DType, Tensor};

/// Integers in rows of equal length.
pub struct Ids {
    pub rows: usize,
    pub length: usize,
    pub ids: Vec<i64>,
}

impl Ids {
    /// Reads a list of ids, a list of lists, or a tensor of one or two dimensions.
    pub fn read(who: &str, what: &str, given: Dynamic) -> Res<Ids> {
        let kind = type_in_words(&given);
        if let Some(tensor) = given.read_lock::<Tensor>() {
            return Ids::of_tensor(who, what, &tensor);
        }
        let Some(list) = given.try_cast::<List>() else {
            bail!(who, "the {what} are a list, a list of lists or a tensor, not {kind}");
        };
        if list.iter().all(|item| !item.is_array()) {
            let ids = row(who, what, list)?;
            return Ok(Ids { rows: 1, length: ids.len(), ids });
        }
        let mut all = Ids { rows: list.len(), length: 0, ids: Vec::new() };
        for (index, item) in list.into_iter().enumerate() {
            let kind = type_in_words(&item);
            let Some(item) = item.try_cast::<List>() else {
                bail!(who, "row {index} of the {what} is no list but {kind}");
            };
            let ids = row(who, what, item)?;
            if index > 0 && ids.len() != all.length {
                return Err(Error::new(
                    who,
                    format!("row {index} has {} {what}, and row 0 has {}", ids.len(), all.length),
                )
                .help("`dataset(…).encode(tok).pad()` makes rows of equal length")
                .into());
            }
            all.length = ids.len();
            all.ids.extend(ids);
        }
        Ok(all)
    }

    fn of_tensor(who: &str, what: &str, tensor: &Tensor) -> Res<Ids> {
        let value = tensor.value();
        if value.dtype().is_float() {
            bail!(who, "the {what} are {}, not whole numbers", value.dtype().as_str());
        }
        let (rows, length) = match *value.dims() {
            [length] => (1, length),
            [rows, length] => (rows, length),
            ref dims => bail!(who, "the {what} have shape {dims:?}, not rows"),
        };
        let flat = value.to_dtype(DType::I64).and_then(|value| value.flatten_all()).and_then(|flat| flat.to_vec1());
        Ok(Ids { rows, length, ids: flat.map_err(Error::from)? })
    }

    /// Converts to ids, which are not negative.
    pub fn unsigned(&self, who: &str) -> Res<Vec<u32>> {
        let id = |&id: &i64| match u32::try_from(id) {
            Ok(id) => Ok(id),
            Err(_) => bail!(who, "{id} is not an id"),
        };
        self.ids.iter().map(id).collect()
    }
}

/// Reads numbers from a list, nested lists or a tensor, flattened.
pub fn numbers(who: &str, what: &str, given: Dynamic) -> Res<Vec<f64>> {
    if let Some(tensor) = given.read_lock::<Tensor>() {
        return Ok(values_f64(&tensor.value())?);
    }
    let kind = type_in_words(&given);
    let Some(list) = given.try_cast::<List>() else {
        bail!(who, "the {what} are a list, a list of lists or a tensor, not {kind}");
    };
    let mut all = Vec::with_capacity(list.len());
    for item in list {
        match as_number(&item) {
            Some(number) => all.push(number),
            None if item.is_array() => all.extend(numbers(who, what, item)?),
            None => bail!(who, "the {what} are numbers, not {}", type_in_words(&item)),
        }
    }
    Ok(all)
}

fn row(who: &str, what: &str, list: List) -> Res<Vec<i64>> {
    let whole = |item: Dynamic| match item.as_int() {
        Ok(id) => Ok(id),
        Err(_) => bail!(who, "the {what} are whole numbers, not {}", type_in_words(&item)),
    };
    list.into_iter().map(whole).collect()
}

/// Names of the dtypes of weights, and PyTorch's names for them.
pub const DTYPES: [&str; 6] = ["f32", "bf16", "f16", "float32", "bfloat16", "float16"];

/// Parses a dtype of weights.
pub fn dtype(who: &str, name: &str) -> Res<DType> {
    match name {
        "f32" | "float32" => Ok(DType::F32),
        "bf16" | "bfloat16" => Ok(DType::BF16),
        "f16" | "float16" => Ok(DType::F16),
        other => Err(Error::new(who, format!("weights can't be stored as `{other}`"))
            .choose(other, ["f32", "bf16", "f16"])
            .into()),
    }
}

pub fn side(who: &str, name: &str) -> Res<Embeddings> {
    match name {
        "input" => Ok(Embeddings::Input),
        "output" => Ok(Embeddings::Output),
        other => Err(Error::unknown(who, "embeddings", other, ["input", "output"]).into()),
    }
}
