//! Memory of this process as the system reports it. `None` if it reports nothing that a limit could be checked against.

/// Current and peak memory of this process, in bytes.
#[derive(Clone, Copy)]
pub struct Held {
    pub now: u64,
    pub most: u64,
    /// The peak without pages of files, such as the program itself: the number of these that is counted depends on the file's
    /// state in the system's cache, and two copies of one program differ by a fifth of the total.
    pub most_own: u64,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn held() -> Option<Held> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: Vec<u64> = text.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let (held, of_files) = (*pages.get(1)?, *pages.get(2)?);
    let (now, of_files) = (held * page_size(), of_files * page_size());
    let most = peak().max(now);
    Some(Held { now, most, most_own: most.saturating_sub(of_files) })
}

/// The current memory of this process. Allocates nothing.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn now() -> Option<u64> {
    static FACTS: std::sync::OnceLock<libc::c_int> = std::sync::OnceLock::new();
    // SAFETY: the name is a null-terminated constant; the file is never closed
    let open = || unsafe { libc::open(c"/proc/self/statm".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    let mut text = [0u8; 128];
    // SAFETY: reads at most as many bytes as the buffer holds; a file that is not open is an error
    let count = unsafe { libc::pread(*FACTS.get_or_init(open), text.as_mut_ptr().cast(), text.len(), 0) };
    let text = std::str::from_utf8(text.get(..usize::try_from(count).ok()?)?).ok()?;
    Some(text.split(' ').nth(1)?.parse::<u64>().ok()? * page_size())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn now() -> Option<u64> {
    Some(held()?.now)
}

/// The memory of this machine, including swap.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn machine() -> Option<u64> {
    // SAFETY: sysinfo fills the struct, for which zeros are valid
    let facts = unsafe {
        let mut facts: libc::sysinfo = std::mem::zeroed();
        (libc::sysinfo(&raw mut facts) == 0).then_some(facts)?
    };
    (facts.totalram + facts.totalswap).checked_mul(facts.mem_unit.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn machine() -> Option<u64> {
    None
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn page_size() -> u64 {
    // SAFETY: reads a number
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn peak() -> u64 {
    // SAFETY: getrusage fills the struct, for which zeros are valid
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024
}

/// The footprint: memory charged to the process, without file pages that can be read again.
#[cfg(any(target_os = "macos", target_os = "ios"))]
pub fn held() -> Option<Held> {
    // SAFETY: the call fills the struct of the requested version, for which zeros are valid
    let (told, usage) = unsafe {
        let mut usage: libc::rusage_info_v4 = std::mem::zeroed();
        let buffer = (&raw mut usage).cast();
        (libc::proc_pid_rusage(libc::getpid(), libc::RUSAGE_INFO_V4, buffer), usage)
    };
    let most = usage.ri_lifetime_max_phys_footprint;
    (told == 0).then_some(Held { now: usage.ri_phys_footprint, most, most_own: most })
}

/// Memory committed to this process alone.
#[cfg(windows)]
pub fn held() -> Option<Held> {
    use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
    use windows_sys::Win32::System::Threading::GetCurrentProcess;
    // SAFETY: the call fills the struct, whose size it receives and for which zeros are valid
    let (told, counters) = unsafe {
        let mut counters: PROCESS_MEMORY_COUNTERS = std::mem::zeroed();
        let size = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
        (K32GetProcessMemoryInfo(GetCurrentProcess(), &mut counters, size), counters)
    };
    let most = counters.PeakPagefileUsage as u64;
    (told != 0).then_some(Held { now: counters.PagefileUsage as u64, most, most_own: most })
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "ios", windows)))]
pub fn held() -> Option<Held> {
    None
}
