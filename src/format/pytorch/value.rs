//! Values of a pickle of weights.

use safetensors::Dtype;
use std::ops::Range;

/// A value in the arena.
pub type Id = u32;

#[derive(Clone, Debug)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// Numbers that do not occur in tensor descriptions: floats, and integers of more than 64 bits.
    Number,
    /// A range of the file.
    Text(Range<usize>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// The arguments of a callable.
    Called(Global, Id),
    /// The argument of `persistent_load`.
    Persistent(Id),
}

/// The ten callables that weights need, and the types of their storages. Any other is rejected by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    Tensor,
    OldTensor,
    Parameter,
    ParameterWithState,
    Dict,
    Size,
    Device,
    Set,
    Encode,
    Storage(Dtype),
    /// A dtype as a value, in data that a trainer saves beside its weights.
    Dtype,
}

impl Global {
    pub fn named(module: &str, name: &str) -> Option<Global> {
        Some(match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Global::Tensor,
            ("torch._utils", "_rebuild_tensor") => Global::OldTensor,
            ("torch._utils", "_rebuild_parameter") => Global::Parameter,
            ("torch._utils", "_rebuild_parameter_with_state") => Global::ParameterWithState,
            ("collections", "OrderedDict" | "defaultdict") => Global::Dict,
            ("torch", "Size") => Global::Size,
            ("torch", "device") => Global::Device,
            ("builtins" | "__builtin__", "set") => Global::Set,
            ("_codecs", "encode") => Global::Encode,
            ("torch", storage) if storage.ends_with("Storage") => Global::Storage(match storage {
                "FloatStorage" => Dtype::F32,
                "DoubleStorage" => Dtype::F64,
                "HalfStorage" => Dtype::F16,
                "BFloat16Storage" => Dtype::BF16,
                "LongStorage" => Dtype::I64,
                "IntStorage" => Dtype::I32,
                "ShortStorage" => Dtype::I16,
                "CharStorage" => Dtype::I8,
                "ByteStorage" => Dtype::U8,
                "BoolStorage" => Dtype::BOOL,
                _ => return None,
            }),
            (
                "torch",
                "float32" | "float64" | "float16" | "bfloat16" | "int64" | "int32" | "int16" | "int8" | "uint8"
                | "bool",
            ) => Global::Dtype,
            _ => return None,
        })
    }

    pub fn is_callable(self) -> bool {
        !matches!(self, Global::Storage(_) | Global::Dtype)
    }
}
