//! Precisions by name, and their availability on this processor.

use super::gemm::is_available;
use super::matrix::Precision;
use crate::{Error, Result};

impl Precision {
    pub const NAMES: [&str; 4] = ["f32", "bf16", "bf16x3", "int8"];

    /// Precisions of products of unquantized numbers.
    pub const PLAIN: [&str; 3] = ["f32", "bf16", "bf16x3"];

    pub fn name(self) -> &'static str {
        Precision::NAMES[self as usize]
    }

    /// The precision of this name, if this processor supports it.
    pub fn named(who: &str, name: &str) -> Result<Precision> {
        match name {
            "f32" => Ok(Precision::F32),
            "bf16" => Ok(Precision::Bf16),
            "int8" => Ok(Precision::Int8),
            "bf16x3" if is_available(Precision::Bf16x3) => Ok(Precision::Bf16x3),
            "bf16x3" => {
                Err(Error::new(who, "bf16x3 needs a processor with AMX, or with AVX512-BF16 (where it is slow)")
                    .help("\"f32\" is exact on every processor, \"bf16\" fast where there are instructions for it"))
            }
            other => Err(Error::unknown(who, "precision", other, Precision::NAMES)),
        }
    }
}
