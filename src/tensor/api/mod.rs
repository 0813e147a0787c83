//! Script verbs for tensors, by topic.

mod activation;
mod angles;
mod assert;
mod channel_norm;
mod conv;
mod crf;
mod decoder;
mod files;
mod index;
mod learn;
mod lists;
mod make;
mod maths;
mod network;
mod nn;
mod operators;
mod order;
mod pool;
mod product;
mod quantile;
mod rearrange;
mod recurrent;
mod reduce;
mod rounding;
mod scatter;
mod segment;
mod shape;
mod value;

use super::nn::Precision;
use super::ops::{Operand, Scalar};
use super::{DType, Tensor, values};
use crate::script::prelude::*;
pub use network::named;

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<Tensor>("Tensor");
    host.engine.register_type_with_name::<super::Grads>("Grads");
    value::register(host);
    make::register(host);
    operators::register(host);
    maths::register(host);
    angles::register(host);
    activation::register(host);
    rounding::register(host);
    reduce::register(host);
    product::register(host);
    quantile::register(host);
    segment::register(host);
    order::register(host);
    shape::register(host);
    rearrange::register(host);
    scatter::register(host);
    index::register(host);
    learn::register(host);
    network::register(host);
    nn::register(host);
    decoder::register(host);
    conv::register(host);
    pool::register(host);
    channel_norm::register(host);
    recurrent::register(host);
    crf::register(host);
    files::register(host);
    assert::register(host);
}

const PRECISION: Opt = opt(
    "precision",
    Kind::OneOf(&Precision::PLAIN),
    "\"f32\"",
    "operand precision of matrix products: f32, bf16 (faster), or bf16x3 (f32 as three bf16, faster with AMX)",
)
.also(&["set_float32_matmul_precision", "allow_tf32"]);

const DTYPES: [&str; 7] = ["f32", "f64", "f16", "bf16", "i64", "u32", "u8"];

/// The dtype named by a script.
fn dtype(who: &str, name: &str) -> crate::Result<DType> {
    match name.parse() {
        Ok(dtype) if DTYPES.contains(&name) => Ok(dtype),
        _ => Err(Error::unknown(who, "dtype", name, DTYPES)),
    }
}

/// Reads an int or a float.
fn number(who: &str, value: &Dynamic) -> crate::Result<Scalar> {
    if let Ok(number) = value.as_int() {
        return Ok(Scalar::Int(number));
    }
    match value.as_float() {
        Ok(number) => Ok(Scalar::Float(number)),
        Err(_) => bail!(who, "a number is needed, not {}", type_in_words(value)),
    }
}

/// Reads a number, a boolean or a tensor.
fn operand(who: &str, value: Dynamic) -> crate::Result<Operand> {
    if let Ok(on) = value.as_bool() {
        return Ok(Operand::Scalar(Scalar::Int(on.into())));
    }
    if let Some(tensor) = value.read_lock::<Tensor>() {
        return Ok(Operand::Tensor(tensor.clone()));
    }
    Ok(Operand::Scalar(number(who, &value)?))
}

/// Reads a list of integers: sizes, dimensions, indices.
fn ints(who: &str, list: &[Dynamic]) -> crate::Result<Vec<i64>> {
    let int = |value: &Dynamic| {
        value.as_int().map_err(|_| {
            Error::new(who, format!("a list of whole numbers is needed; it holds {}", type_in_words(value)))
        })
    };
    list.iter().map(int).collect()
}

/// Reads the sizes of a shape: an integer or a list.
fn sizes(who: &str, shape: &Dynamic) -> crate::Result<Vec<usize>> {
    let list = match (shape.as_int(), shape.read_lock::<List>()) {
        (Ok(size), _) => vec![size],
        (_, Some(list)) => ints(who, &list)?,
        _ => bail!(who, "a shape is a list of sizes, not {}", type_in_words(shape)),
    };
    let size = |size: &i64| usize::try_from(*size).map_err(|_| Error::new(who, format!("a size of {size}")));
    list.iter().map(size).collect()
}

fn count(who: &str, number: INT) -> crate::Result<usize> {
    usize::try_from(number).map_err(|_| Error::new(who, format!("{number} is below 0")))
}

/// The tensor in an option, if given.
fn tensor_of(options: &Options, name: &str) -> Res<Option<Tensor>> {
    let given = options.get(name);
    if !given.is_unit() && !given.is::<Tensor>() {
        bail!(options.who(), "option `{name}` takes a tensor, not {}", type_in_words(&given));
    }
    Ok(given.try_cast::<Tensor>())
}

/// Reads an option's tensor of shape `dims`, of integers not below 0.
fn places(options: &Options, name: &str, dims: &[usize]) -> Res<Option<Vec<u32>>> {
    let Some(tensor) = tensor_of(options, name)? else { return Ok(None) };
    if tensor.shape() != dims {
        bail!(options.who(), "option `{name}` has shape {:?}, not {dims:?}", tensor.shape());
    }
    let whole = |number: i64| match u32::try_from(number) {
        Ok(number) => Ok(number),
        Err(_) => bail!(options.who(), "option `{name}` holds {number}"),
    };
    values::values_i64(options.who(), &tensor.value())?.into_iter().map(whole).collect::<Res<_>>().map(Some)
}

fn precision(options: &Options) -> Res<Precision> {
    Ok(Precision::named(options.who(), &options.text("precision")?)?)
}

/// The tensors of a list.
fn tensors(who: &str, list: List) -> crate::Result<Vec<Tensor>> {
    let tensor = |value: Dynamic| {
        let found = type_in_words(&value).to_string();
        value
            .try_cast::<Tensor>()
            .ok_or_else(|| Error::new(who, format!("a list of tensors is needed; it holds {found}")))
    };
    list.into_iter().map(tensor).collect()
}
