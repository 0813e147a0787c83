//! Performance-critical operations: forward and backward of each, over plain arrays without gradients.
//!
//! Functions here accept arrays on any device and in any float dtype. f32 on the CPU runs the fused kernel; everything else, and
//! everything under `LEVAIN_KERNELS=off`, runs the same mathematics as candle operations, in [`mod@reference`]. No result depends
//! on the number of threads: work is split by shape alone.
//!
//! Nearly all `unsafe` code of the crate is in this folder; a test lists the few lines elsewhere.

mod accumulate;
pub mod activation;
pub mod attention;
pub mod buffer;
mod bytes;
pub mod chain;
pub mod channel_norm;
pub mod conv;
pub mod cpu;
pub mod decoder;
mod device;
pub mod disentangled;
mod dispatch;
pub mod dropout;
mod elementwise;
pub mod embedding;
mod gemm;
mod k_quants;
pub mod loss;
pub mod mask;
mod math;
pub mod matmul;
pub mod matrix;
pub mod matvec;
pub mod minhash;
pub mod norm;
pub mod optimize;
pub mod parallel;
pub mod pool;
mod portable;
mod precision;
pub mod profile;
pub mod quant;
pub mod quantize;
pub mod recurrent;
pub mod reference;
pub mod rope_cache;
pub mod rotary;
mod scale_search;
pub mod score_scale;
mod shared;
pub mod softcap;
mod team;
pub mod threads;
#[cfg(target_arch = "x86_64")]
mod tiles;
mod view;
mod weighted_quants;

pub use accumulate::{add_to, values};
pub use bytes::{append_bytes, from_bytes};
pub use candle_core::{DType, Device, Tensor as Array};
pub use device::{DEVICES, default_device, device, device_name, scalar};
pub use dispatch::{are_on, fused, on_reference};
pub use elementwise::{add, added, divide, multiply, subtract};
pub use matrix::Precision;
pub use optimize::{Adamw, Sgd, adamw, scaled, sgd, square_sum, square_sums};
pub use view::held;

/// Returns an error if an environment variable selects kernels by an unknown word.
pub fn settings() -> crate::Result<()> {
    cpu::limit()?;
    device::asked()?;
    dispatch::asked().map(|_| ())
}

impl From<candle_core::Error> for crate::Error {
    /// A candle error, reduced to its first line and without its name.
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or("failed");
        match first.strip_prefix("device mismatch in ") {
            Some(rest) => {
                let verb = rest.split(',').next().unwrap_or("tensor");
                crate::Error::new("tensor", format!("{verb}: one tensor is on another device than the other"))
                    .help("`x.to(\"cuda\")` and `x.to(\"cpu\")` move a tensor, and `x.device` says where it is")
            }
            None => crate::Error::new("tensor", first),
        }
    }
}
