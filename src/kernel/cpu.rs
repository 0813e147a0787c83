//! Which instructions this processor has.

use std::sync::OnceLock;

/// The instruction sets that have kernels of their own, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Plain,
    Avx2,
    Avx512,
    /// AVX-512 with products of bf16 pairs.
    Bf16,
    /// And with AMX: products of tiles of them.
    Amx,
}

/// What this process uses. Read once; `LEVAIN_CPU=plain` (or `avx2`, `avx512`, `bf16`) uses less than there is.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let limit = match std::env::var("LEVAIN_CPU").as_deref() {
            Ok("plain") => Level::Plain,
            Ok("avx2") => Level::Avx2,
            Ok("avx512") => Level::Avx512,
            Ok("bf16") => Level::Bf16,
            _ => Level::Amx,
        };
        detect().min(limit)
    })
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq");
    match (avx2, avx512, is_x86_feature_detected!("avx512bf16")) {
        (_, true, true) if has_tiles() => Level::Amx,
        (_, true, true) => Level::Bf16,
        (_, true, _) => Level::Avx512,
        (true, ..) => Level::Avx2,
        _ => Level::Plain,
    }
}

/// Whether the processor has AMX with bf16, and the system lets this process use it.
#[cfg(target_arch = "x86_64")]
fn has_tiles() -> bool {
    let (tile, bf16) = (1 << 24, 1 << 22);
    let leaves = std::arch::x86_64::__cpuid(0).eax;
    leaves >= 7 && std::arch::x86_64::__cpuid_count(7, 0).edx & (tile | bf16) == tile | bf16 && is_allowed_tiles()
}

/// Asks Linux for the registers: a process gets them on demand, since they make a thread's state 8 KiB larger.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn is_allowed_tiles() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: a call that reads two numbers; an older kernel answers that it does not know it
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn is_allowed_tiles() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Plain
}
