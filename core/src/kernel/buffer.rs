//! Buffers for results whose every element is written.

/// Uninitialized numbers: any values, but the same ones at each read.
pub fn unwritten(count: usize) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::with_capacity(count);
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: to the compiler this assembly may write anything to the memory whose address it gets, as if it
    // initialized every number; any bits are a valid f32
    unsafe {
        std::arch::asm!("/* {0} */", in(reg) values.as_mut_ptr(), options(nostack, preserves_flags));
        values.set_len(count);
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    values.resize(count, 0.0);
    values
}
