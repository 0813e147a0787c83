//! Which operands run on the fused kernels, and which on the reference operations.

use super::{Array, DType};
use std::cell::Cell;
use std::sync::OnceLock;

/// Whether the fused kernels support these operands: f32 on the CPU, and kernels not turned off.
pub fn fused(arrays: &[&Array]) -> bool {
    enabled() && arrays.iter().all(|array| array.device().is_cpu() && array.dtype() == DType::F32)
}

/// Read once: `LEVAIN_KERNELS=off` runs everything on the reference operations, as a GPU would.
fn enabled() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    let on = *ON.get_or_init(|| std::env::var("LEVAIN_KERNELS").as_deref() != Ok("off"));
    on && !REFERENCE.with(Cell::get)
}

thread_local! {
    static REFERENCE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on the reference operations: tests compare the kernels with them.
pub fn on_reference<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            REFERENCE.with(|reference| reference.set(self.0));
        }
    }
    let _restore = Restore(REFERENCE.with(|reference| reference.replace(true)));
    work()
}
