//! Choice between the fused kernels and the reference operations.

use super::{Array, DType};
use crate::{Error, Result, progress};
use std::cell::Cell;
use std::sync::OnceLock;

/// Whether the fused kernels support these operands: f32 on the CPU, and kernels enabled.
pub fn fused(arrays: &[&Array]) -> bool {
    enabled() && arrays.iter().all(|array| array.device().is_cpu() && array.dtype() == DType::F32)
}

fn enabled() -> bool {
    are_on() && !REFERENCE.with(Cell::get)
}

/// Read once: `LEVAIN_KERNELS=off` runs everything on the reference operations, as a GPU would.
pub fn are_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| {
        asked().unwrap_or_else(|error| {
            progress::warn(error.who(), error.what());
            true
        })
    })
}

/// The value of `LEVAIN_KERNELS`; an error for any word but `on` and `off`.
pub fn asked() -> Result<bool> {
    match std::env::var_os("LEVAIN_KERNELS").as_deref().and_then(|word| word.to_str()) {
        None | Some("" | "on") => Ok(true),
        Some("off") => Ok(false),
        Some(word) => Err(Error::new("LEVAIN_KERNELS", format!("`{word}` is neither `on` nor `off`"))),
    }
}

thread_local! {
    static REFERENCE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on the reference operations, with which tests compare the kernels.
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
