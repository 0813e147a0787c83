//! What must be fast: each operation forward and backward, over plain arrays without gradients.
//!
//! A function here takes arrays on any device and in any float dtype. f32 on the CPU runs the fused kernel;
//! everything else, and everything under `LEVAIN_KERNELS=off`, runs the same mathematics as a [`composite`] of
//! candle's operations. No result depends on the number of threads: work is split by shape alone.
//!
//! This is the only folder with `unsafe` in it.

pub mod activation;
pub mod attention;
pub mod composite;
pub mod cpu;
pub mod decoder;
pub mod embedding;
pub mod loss;
mod math;
pub mod matvec;
pub mod memory;
pub mod norm;
pub mod optimize;
mod packed;
mod pairs;
mod parallel;
pub mod product;
pub mod profile;
pub mod quant;
pub mod rotary;
mod sum;
mod team;
mod view;
pub mod workers;

pub use candle_core::{DType, Device, Tensor as Array};
pub use optimize::{Adamw, Sgd, adamw, scaled, sgd, square_sum};
pub use pairs::{add, added, divide, multiply, subtract};
pub use product::Precision;
pub use sum::{add_to, values};
pub use view::held;

use std::cell::Cell;
use std::sync::OnceLock;

impl From<candle_core::Error> for crate::Error {
    /// An error of the layer below, in its first line and without its name.
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string();
        crate::Error::new("tensor", text.lines().next().unwrap_or("failed"))
    }
}

/// Whether the fused kernels take these operands: f32 on the CPU, and kernels not turned off.
pub fn fused(arrays: &[&Array]) -> bool {
    enabled() && arrays.iter().all(|array| array.device().is_cpu() && array.dtype() == DType::F32)
}

/// Read once: `LEVAIN_KERNELS=off` runs everything on composites, as a GPU would.
fn enabled() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    let on = *ON.get_or_init(|| std::env::var("LEVAIN_KERNELS").as_deref() != Ok("off"));
    on && !COMPOSITES.with(Cell::get)
}

thread_local! {
    static COMPOSITES: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on composites: what tests compare the kernels with.
pub fn on_composites<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            COMPOSITES.with(|composites| composites.set(self.0));
        }
    }
    let _restore = Restore(COMPOSITES.with(|composites| composites.replace(true)));
    work()
}
