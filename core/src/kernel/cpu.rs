//! Instruction sets of this processor.

use crate::{Error, Result, progress};
use std::sync::OnceLock;

/// The instruction sets with dedicated kernels, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Plain,
    Avx2,
    Avx512,
    /// AVX-512 with products of bf16 pairs.
    Bf16,
    /// The previous level and AMX: products of bf16 tiles.
    Amx,
}

impl Level {
    /// Each level with its name in `LEVAIN_CPU`, in ascending order.
    const NAMES: [(&str, Level); 5] = [
        ("plain", Level::Plain),
        ("avx2", Level::Avx2),
        ("avx512", Level::Avx512),
        ("bf16", Level::Bf16),
        ("amx", Level::Amx),
    ];

    pub fn name(self) -> &'static str {
        Level::NAMES[self as usize].0
    }
}

/// The level of this process. Read once; `LEVAIN_CPU=plain` (or `avx2`, `avx512`, `bf16`) limits it.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let limit = limit().unwrap_or_else(|error| {
            progress::warn(error.who(), error.what());
            Level::Amx
        });
        detected().min(limit)
    })
}

/// The highest level that the processor has and the system lets this process use.
pub fn detected() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(detect)
}

/// The level set by `LEVAIN_CPU`; an error for an unknown word.
pub fn limit() -> Result<Level> {
    let Some(word) = std::env::var_os("LEVAIN_CPU").filter(|word| !word.is_empty()) else { return Ok(Level::Amx) };
    let word = word.to_string_lossy();
    let names = Level::NAMES.map(|(name, _)| name);
    match Level::NAMES.iter().find(|(name, _)| *name == word) {
        Some((_, level)) => Ok(*level),
        None => Err(Error::new("LEVAIN_CPU", format!("`{word}` is not one of {}", names.join(", ")))
            .meant(&word, names)
            .or_help("leave it out, and the kernels use all that the processor has")),
    }
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

/// Requests the registers from Linux: a process gets them on demand, since they make a thread's state 8 KiB larger.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn is_allowed_tiles() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: a call that reads two numbers; an older kernel returns an error
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
