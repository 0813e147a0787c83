//! What the process asks of the operating system's memory.

/// Tells the allocator, once and before anything large, to keep what it has: a training step frees and allocates the
/// same sizes again and again, and giving them back costs a page fault for every 4 KiB.
pub fn tune() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes plain numbers
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// The most memory that this process has held at any time, in bytes; 0 where the system does not tell.
pub fn peak_bytes() -> u64 {
    #[cfg(unix)]
    {
        // SAFETY: getrusage fills the struct, for which zeros are valid
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &mut usage);
            usage
        };
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        usage.ru_maxrss as u64 * unit
    }
    #[cfg(not(unix))]
    0
}
