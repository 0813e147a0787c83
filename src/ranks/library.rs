//! An MPI library, opened at run time: Open MPI, the family of MPICH (Intel MPI, MVAPICH, Cray), or the ABI of MPI 5.
//!
//! Only messages of bytes between two ranks are used, so that only two constants differ.

use super::launcher::Launcher;
use crate::{Error, Result, bail};
#[cfg(unix)]
use std::ffi::{CStr, CString};
use std::ffi::{c_int, c_void};
use std::ptr;

/// An MPI handle, wide enough for a pointer or an int.
type Handle = usize;

/// An outstanding message.
#[repr(C, align(16))]
#[derive(Clone, Copy, Default)]
pub struct Request([u64; 2]);

// SAFETY: callers must keep what the MPI standard requires: buffers live until their request is done, and calls come from one
// thread
type Init = unsafe extern "C" fn(*mut c_int, *mut c_void) -> c_int;
type Ask = unsafe extern "C" fn(Handle, *mut c_int) -> c_int;
type Send = unsafe extern "C" fn(*const c_void, c_int, Handle, c_int, c_int, Handle, *mut Request) -> c_int;
type Receive = unsafe extern "C" fn(*mut c_void, c_int, Handle, c_int, c_int, Handle, *mut Request) -> c_int;
type Test = unsafe extern "C" fn(*mut Request, *mut c_int, *mut c_void) -> c_int;
type Finalize = unsafe extern "C" fn() -> c_int;
type Abort = unsafe extern "C" fn(Handle, c_int) -> c_int;

/// The functions of a library, and the two handles needed by messages.
pub struct Library {
    world: Handle,
    byte: Handle,
    isend: Send,
    irecv: Receive,
    test: Test,
    finalize: Finalize,
    abort: Abort,
}

/// The tag of all messages, which between two ranks arrive in order.
const TAG: c_int = 77;
const WHO: &str = "ranks";

/// Library names to try, those of the launcher first.
fn names(by: Launcher) -> &'static [&'static str] {
    match by {
        _ if cfg!(target_os = "macos") => &["libmpi.40.dylib", "libmpi.12.dylib", "libmpi_abi.dylib", "libmpi.dylib"],
        Launcher::OpenMpi | Launcher::Pmix => &[
            "libmpi.so.40",
            "libmpi_abi.so.1",
            "libmpi_abi.so.0",
            "libmpi_abi.so",
            "libmpi.so.12",
            "libmpich.so.12",
            "libmpi.so",
        ],
        Launcher::Pmi => &[
            "libmpich.so.12",
            "libmpi.so.12",
            "libmpi_abi.so.1",
            "libmpi_abi.so.0",
            "libmpi_abi.so",
            "libmpi.so.40",
            "libmpi.so",
        ],
    }
}

impl Library {
    /// Opens the library at `path`, otherwise the first one found, and starts MPI; also returns this process's rank and the
    /// number of ranks.
    pub fn start(by: Launcher, path: Option<&str>) -> Result<(Library, usize, usize)> {
        let given = path.map(|path| vec![path]);
        let names = given.as_deref().unwrap_or(names(by));
        let mut faults = Vec::new();
        for name in names {
            match open(name) {
                Ok(library) => return Library::begin(library, name),
                Err(fault) => faults.push(fault),
            }
        }
        Err(match path {
            Some(path) => {
                Error::new("LEVAIN_MPI", format!("{path} can't be opened as a library: {}", faults.join("; ")))
                    .help("name the libmpi of the MPI whose launcher started this process")
            }
            None => Error::new(
                WHO,
                format!("{} started this process, and there is no library of MPI here: {}", by.name(), names.join(", ")),
            )
            .help("install MPI on this machine, or name its library: LEVAIN_MPI=/path/libmpi.so; LEVAIN_RANKS=off runs each process for itself"),
        })
    }

    /// Starts MPI in an open library.
    fn begin(library: *mut c_void, name: &str) -> Result<(Library, usize, usize)> {
        let function = |symbol: &str| {
            find(library, symbol).ok_or_else(|| {
                Error::new(WHO, format!("{name} is not a library of MPI: it has no function {symbol}"))
                    .help("LEVAIN_MPI=/path/libmpi.so names the right one")
            })
        };
        // Open MPI's handles are addresses of objects, those of MPICH and the ABI are numbers
        let (world, byte) = match (find(library, "ompi_mpi_comm_world"), find(library, "ompi_mpi_byte")) {
            (Some(world), Some(byte)) => (world as Handle, byte as Handle),
            _ if name.contains("mpi_abi") => (0x101, 0x247),
            _ => (0x4400_0000, 0x4c00_010d),
        };
        let [init, rank, size] = [function("MPI_Init")?, function("MPI_Comm_rank")?, function("MPI_Comm_size")?];
        // SAFETY: these are MPI functions with their standard signatures; an int handle is taken from the low half of a register,
        // as in all 64-bit calling conventions
        let (init, rank, size, library): (Init, Ask, Ask, Library) = unsafe {
            let library = Library {
                world,
                byte,
                isend: std::mem::transmute::<*mut c_void, Send>(function("MPI_Isend")?),
                irecv: std::mem::transmute::<*mut c_void, Receive>(function("MPI_Irecv")?),
                test: std::mem::transmute::<*mut c_void, Test>(function("MPI_Test")?),
                finalize: std::mem::transmute::<*mut c_void, Finalize>(function("MPI_Finalize")?),
                abort: std::mem::transmute::<*mut c_void, Abort>(function("MPI_Abort")?),
            };
            (
                std::mem::transmute::<*mut c_void, Init>(init),
                std::mem::transmute::<*mut c_void, Ask>(rank),
                std::mem::transmute::<*mut c_void, Ask>(size),
                library,
            )
        };
        let (mut own, mut all): (c_int, c_int) = (-1, -1);
        // SAFETY: MPI has taken no arguments since MPI-2, and writes one int each
        let codes = unsafe { [init(ptr::null_mut(), ptr::null_mut()), rank(world, &mut own), size(world, &mut all)] };
        if let Some(code) = codes.into_iter().find(|code| *code != 0) {
            bail!(WHO, "{name} can't start MPI: its code is {code}");
        }
        match (usize::try_from(own), usize::try_from(all)) {
            (Ok(own), Ok(all)) if own < all => Ok((library, own, all)),
            _ => bail!(WHO, "{name} says that this is rank {own} of {all}, which can't be"),
        }
    }

    /// Starts a send.
    ///
    /// # Safety
    ///
    /// The bytes must stay in place until the request is done.
    pub unsafe fn send(&self, to: usize, bytes: &[u8]) -> Result<Request> {
        let mut request = Request::default();
        let (count, to) = (length(bytes.len())?, length(to)?);
        // SAFETY: the bytes are valid, as the caller promises
        let code = unsafe { (self.isend)(bytes.as_ptr().cast(), count, self.byte, to, TAG, self.world, &mut request) };
        checked("send", code).map(|()| request)
    }

    /// Starts a receive.
    ///
    /// # Safety
    ///
    /// The bytes must stay in place, unused by anything else, until the request is done.
    pub unsafe fn receive(&self, from: usize, bytes: &mut [u8]) -> Result<Request> {
        let mut request = Request::default();
        let (count, from) = (length(bytes.len())?, length(from)?);
        // SAFETY: the bytes are valid, as the caller promises
        let code =
            unsafe { (self.irecv)(bytes.as_mut_ptr().cast(), count, self.byte, from, TAG, self.world, &mut request) };
        checked("receive", code).map(|()| request)
    }

    /// Whether a message is complete; makes progress on messages.
    pub fn is_done(&self, request: &mut Request) -> Result<bool> {
        let (mut done, mut status): (c_int, [u64; 16]) = (0, [0; 16]);
        // SAFETY: a status has at most 32 bytes in all of these libraries
        let code = unsafe { (self.test)(request, &mut done, status.as_mut_ptr().cast()) };
        checked("wait", code).map(|()| done != 0)
    }

    /// Finalizes MPI, together with all ranks.
    pub fn finalize(&self) {
        // SAFETY: no message is in transit
        unsafe { (self.finalize)() };
    }

    /// Ends all ranks with an exit code.
    pub fn abort(&self, code: u8) {
        // SAFETY: it does not return
        unsafe { (self.abort)(self.world, c_int::from(code)) };
    }
}

fn length(count: usize) -> Result<c_int> {
    c_int::try_from(count).map_err(|_| Error::new(WHO, format!("a message of {count} bytes is too long")))
}

fn checked(what: &str, code: c_int) -> Result<()> {
    if code == 0 { Ok(()) } else { bail!(WHO, "MPI can't {what}: its code is {code}") }
}

/// Opens a library; otherwise the system's message.
#[cfg(unix)]
fn open(name: &str) -> std::result::Result<*mut c_void, String> {
    let path = CString::new(name).map_err(|_| "a name with a zero byte".to_string())?;
    // SAFETY: opening a library may run its code, which is intended; parts of MPI look up its symbols among all open libraries
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL);
        if !library.is_null() {
            return Ok(library);
        }
        let fault = libc::dlerror();
        Err(if fault.is_null() { name.to_string() } else { CStr::from_ptr(fault).to_string_lossy().into_owned() })
    }
}

#[cfg(unix)]
fn find(library: *mut c_void, symbol: &str) -> Option<*mut c_void> {
    let symbol = CString::new(symbol).ok()?;
    // SAFETY: the library is open, and stays open
    let found = unsafe { libc::dlsym(library, symbol.as_ptr()) };
    (!found.is_null()).then_some(found)
}

#[cfg(not(unix))]
fn open(name: &str) -> std::result::Result<*mut c_void, String> {
    Err(format!("{name}: levain opens MPI on Linux and macOS alone"))
}

#[cfg(not(unix))]
fn find(_: *mut c_void, _: &str) -> Option<*mut c_void> {
    None
}
