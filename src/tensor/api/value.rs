//! Properties of a tensor, its numbers as plain values, printing.

use crate::kernel::{self, held};
use crate::script::display::{Page, Weight};
use crate::script::prelude::*;
use crate::tensor::ops;
use crate::tensor::{show, values};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.looks.page::<crate::tensor::Tensor>(|x, columns| {
        Page::text(show::page_within(x, 4, columns.min(100)).unwrap_or_else(|_| show::line(x)))
    });
    host.looks.weigh::<crate::tensor::Tensor>(|x| Weight {
        shape: format!("{:?} {}", x.shape(), x.dtype().as_str()),
        parts: vec![held(&x.value())],
    });
}

impl crate::Value {
    /// The tensor in this value. It shares its numbers with the script's: nothing is copied, and
    /// [`Tensor::with_numbers`](crate::tensor::Tensor::with_numbers) reads them in place.
    pub fn tensor(&self) -> Option<crate::tensor::Tensor> {
        self.cast()
    }
}

impl From<crate::tensor::Tensor> for crate::Value {
    fn from(tensor: crate::tensor::Tensor) -> crate::Value {
        Dynamic::from(tensor).into()
    }
}

/// Nested lists of the numbers.
pub(super) fn nested(numbers: &mut impl Iterator<Item = Dynamic>, dims: &[usize]) -> Dynamic {
    match dims.split_first() {
        None => numbers.next().unwrap_or(Dynamic::UNIT),
        Some((size, rest)) => (0..*size).map(|_| nested(numbers, rest)).collect::<List>().into(),
    }
}

#[export_module]
mod verbs {
    /// An n-dimensional array of numbers. It records its computation if a parameter takes part.
    pub type Tensor = crate::tensor::Tensor;

    /// Returns the size of each dimension, as a list.
    ///
    /// also: size
    ///
    /// ```rhai
    /// zeros([2, 3]).shape      //=> [2, 3]
    /// ```
    #[rhai_fn(get = "shape", pure)]
    pub fn shape(x: &mut Tensor) -> List {
        x.shape().into_iter().map(|size| Dynamic::from(size as INT)).collect()
    }

    /// Returns the data type: `f32 f64 f16 bf16 i64 u32 u8`.
    ///
    /// ```rhai
    /// tensor([1, 2]).dtype         //=> i64
    /// tensor([1.0, 2.0]).dtype     //=> f32
    /// ```
    #[rhai_fn(get = "dtype", pure)]
    pub fn dtype(x: &mut Tensor) -> ImmutableString {
        (*x).dtype().as_str().into()
    }

    /// Returns the device that holds the numbers: `cpu`, `cuda` or `metal`.
    ///
    /// ```rhai
    /// zeros([2]).device        //=> cpu
    /// ```
    #[rhai_fn(get = "device", pure)]
    pub fn device(x: &mut Tensor) -> ImmutableString {
        kernel::device_name(x.value().device()).into()
    }

    /// Returns the size of the first dimension.
    ///
    /// ```rhai
    /// zeros([2, 3]).len()      //=> 2
    /// tensor(1.0).len()        //=> error: len: a single number has no dimensions
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn len(x: &mut Tensor) -> Res<INT> {
        match x.shape().first() {
            Some(size) => Ok(*size as INT),
            None => bail!("len", "a single number has no dimensions"),
        }
    }

    /// Returns the number of elements.
    ///
    /// also: nelement, element count
    ///
    /// ```rhai
    /// zeros([2, 3]).numel()      //=> 6
    /// ```
    #[rhai_fn(pure)]
    pub fn numel(x: &mut Tensor) -> INT {
        x.value().elem_count() as INT
    }

    /// Returns the number of a one-element tensor as a plain number.
    ///
    /// also: scalar value
    ///
    /// ```rhai
    /// tensor([2.5]).item()           //=> 2.5
    /// tensor([1, 2]).sum().item()    //=> 3
    /// tensor([1, 2]).item()          //=> error: item: shape [2] is not a single number
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn item(x: &mut Tensor) -> Res<Dynamic> {
        let value = x.value();
        if value.elem_count() != 1 {
            let error = Error::new("item", format!("shape {:?} is not a single number", value.dims()));
            return Err(error.help("reduce it first, or take `.to_list()`").into());
        }
        Ok(if value.dtype().is_float() {
            values::values_f64(&value)?[0].into()
        } else {
            values::values_i64("item", &value)?[0].into()
        })
    }

    /// Returns the numbers as nested lists.
    ///
    /// ```rhai
    /// tensor([[1, 2], [3, 4]]).to_list()     //=> [[1, 2], [3, 4]]
    /// ```
    ///
    /// also: tolist, numpy, list of numbers
    #[rhai_fn(pure, return_raw)]
    pub fn to_list(x: &mut Tensor) -> Res<Dynamic> {
        let value = x.value();
        let dims = value.dims().to_vec();
        Ok(if value.dtype().is_float() {
            super::nested(&mut values::values_f64(&value)?.into_iter().map(Dynamic::from), &dims)
        } else {
            super::nested(&mut values::values_i64("to_list", &value)?.into_iter().map(Dynamic::from), &dims)
        })
    }

    /// Returns a map of facts: `shape dtype device numel min max mean std`, and the number of NaNs, `nan`.
    ///
    /// ```rhai
    /// let facts = tensor([1.0, 2.0, 3.0]).info();
    /// facts.mean        //=> 2.0
    /// facts.nan         //=> 0
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn info(x: &mut Tensor) -> Res<Map> {
        let value = x.value();
        let numbers = values::values_f64(&value)?;
        let known: Vec<f64> = numbers.iter().copied().filter(|x| !x.is_nan()).collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        let spread = known.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / known.len() as f64;
        let mut facts = Map::new();
        facts.insert("shape".into(), shape(x).into());
        facts.insert("dtype".into(), dtype(x).into());
        facts.insert("device".into(), device(x).into());
        facts.insert("numel".into(), (numbers.len() as INT).into());
        facts.insert("nan".into(), ((numbers.len() - known.len()) as INT).into());
        facts.insert("min".into(), known.iter().copied().fold(f64::INFINITY, f64::min).into());
        facts.insert("max".into(), known.iter().copied().fold(f64::NEG_INFINITY, f64::max).into());
        facts.insert("mean".into(), mean.into());
        facts.insert("std".into(), spread.sqrt().into());
        Ok(facts)
    }

    /// Returns whether any element is NaN.
    ///
    /// ```rhai
    /// tensor([1.0, -1.0]).sqrt().has_nan()      //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn has_nan(x: &mut Tensor) -> Res<bool> {
        Ok(ops::has_nan(x)?)
    }

    /// Formats the numbers with `n` digits after the decimal point.
    ///
    /// ```rhai
    /// tensor(2.0).sqrt().digits(3)      //=> 1.414
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn digits(x: &mut Tensor, n: INT) -> Res<String> {
        match usize::try_from(n) {
            Ok(n) if n <= 40 => Ok(show::digits(x, n)?),
            _ => bail!("digits", "{n} digits"),
        }
    }

    /// Converts to another dtype, or moves to another device.
    ///
    /// Conversion to an integer dtype truncates. Between float dtypes gradients flow.
    ///
    /// also: astype, half, bfloat16, cuda, cpu, cast, device, dtype, type
    ///
    /// ```rhai
    /// tensor([1.7, -1.7]).to("i64")      //=> tensor([ 1, -1])
    /// tensor([1, 2]).to("f32")           //=> tensor([1., 2.])
    /// tensor([1, 2]).to("f33")           //=> error: to: there is no dtype `f33`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to(x: &mut Tensor, name: &str) -> Res<Tensor> {
        match kernel::device("to", name) {
            Some(device) => Ok(ops::to_device(x, &device?)?),
            None => Ok(ops::cast(x, crate::tensor::api::dtype("to", name)?)?),
        }
    }

    /// Returns whether two tensors have the same shape and the same numbers. `a == b` compares element by element.
    ///
    /// ```rhai
    /// equal(tensor([1, 2]), tensor([1, 2]))        //=> true
    /// equal(tensor([1, 2]), tensor([[1, 2]]))      //=> false
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn equal(x: &mut Tensor, y: Tensor) -> Res<bool> {
        Ok(ops::close(x, &y, 0.0)?)
    }

    /// Returns whether two tensors have the same shape and differ by at most `tolerance` everywhere.
    ///
    /// ```rhai
    /// close(tensor([1.0, 2.0]), tensor([1.0, 2.001]), 0.01)      //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn close(x: &mut Tensor, y: Tensor, tolerance: f64) -> Res<bool> {
        Ok(ops::close(x, &y, tolerance)?)
    }

    /// Formats all numbers as PyTorch does, without the middle of a tensor too large for a screen.
    ///
    /// ```rhai
    /// tensor([[1.5, 2.0], [-3.25, 4.0]])
    /// //=> tensor([[ 1.5000,  2.0000],
    /// //           [-3.2500,  4.0000]])
    /// ```
    #[rhai_fn(name = "to_string", pure)]
    pub fn to_string(x: &mut Tensor) -> String {
        show::page(x, 4).unwrap_or_else(|error| error.to_string())
    }

    /// Formats shape and dtype in one line, as inside lists and maps.
    ///
    /// ```rhai
    /// [zeros([2, 8]), 1]         //=> [tensor [2, 8] f32, 1]
    /// ```
    #[rhai_fn(name = "to_debug", pure)]
    pub fn to_debug(x: &mut Tensor) -> String {
        show::line(x)
    }
}
