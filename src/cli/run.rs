//! `levain run FILE [key=value…]`

use super::say::{own_words, told};
use super::{FAULT, interrupt};
use crate::Error;
use crate::limits::{self, Bounds, Limits, Root};
use crate::ranks;
use crate::script::{Cause, Fault, Host, checker, output, plain, read_script};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Limits for an untrusted script.
#[derive(clap::Args, Default)]
pub struct Sandbox {
    /// read and write only below this folder, within the limits below
    #[arg(long, value_name = "DIR")]
    sandbox: Option<PathBuf>,
    /// operations of the script, including rounds of native loops [in a sandbox: 1000000000]
    #[arg(long, value_name = "N")]
    operations: Option<u64>,
    /// wall-clock seconds for the script [in a sandbox: 600]
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds)]
    time: Option<f64>,
    /// memory of the process, such as 512M or 4G [in a sandbox: 4G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// total bytes that the script may write to files [in a sandbox: 16G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    disk: Option<u64>,
}

/// `512M` in bytes.
fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err("a size is a whole number with K, M or G".to_string()),
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    number.filter(|&bytes| bytes > 0).ok_or_else(|| "a size is a whole number with K, M or G".to_string())
}

impl Sandbox {
    fn bounds(&self) -> crate::Result<Bounds> {
        let limits = if self.sandbox.is_some() { Limits::strict() } else { Limits::default() };
        let operations = self.operations.or(limits.operations);
        let time = self.time.map(Duration::from_secs_f64).or(limits.time);
        let memory = self.memory.or(limits.memory);
        let disk = self.disk.or(limits.disk);
        let roots = match &self.sandbox {
            Some(folder) if !folder.is_dir() => {
                return Err(Error::new("sandbox", format!("{} is no folder", folder.display())));
            }
            Some(folder) => Some(vec![Root { path: folder.clone(), writable: true }]),
            None => None,
        };
        let limits = Limits { operations, time, memory, disk, ..limits };
        limits.enforceable()?;
        if let Some(bytes) = memory {
            crate::memory::end_beyond(bytes);
        }
        if let Some(limit) = time {
            end_after(limit);
        }
        Ok(Bounds::new(limits, roots))
    }
}

/// Ends the process soon after `limit`, whatever it does: the last defense against a native verb that does not check the clock.
/// Files still being written do not appear.
fn end_after(limit: Duration) {
    /// Time for the script to end by itself, with its position reported.
    const GRACE: Duration = Duration::from_millis(600);
    let words = format!("error: limit: {}\n", limits::time_text(limit));
    let watch = std::thread::Builder::new().name("time".into()).stack_size(1 << 16).spawn(move || {
        std::thread::sleep(limit.saturating_add(GRACE));
        crate::memory::end_with(&words)
    });
    // without this thread, the script still checks the clock
    drop(watch);
}

/// Runs a script, in all ranks if a launcher started several.
pub fn main(file: &Path, args: &[String], sandbox: &Sandbox) -> u8 {
    if let Err(error) = ranks::begin() {
        ranks::wait_for_first();
        return told(&error.into());
    }
    let code = alone(file, args, sandbox);
    ranks::end(code, own_words);
    code
}

/// Runs a script in this process.
fn alone(file: &Path, args: &[String], sandbox: &Sandbox) -> u8 {
    let name = if file.as_os_str() == "-" { "standard input".into() } else { file.display().to_string() };
    // a launcher passes standard input to rank 0, and other machines may have a different file
    let text = ranks::first_value(&format!("the script {name}"), || match file.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin())
            .map(plain)
            .map_err(|error| Error::new("standard input", error.to_string())),
        false => read_script(file),
    });
    match text {
        Ok(text) => script(&name, &text, args, sandbox),
        Err(error) => told(&error.into()),
    }
}

/// Runs a script and reports its fault; returns the exit code.
fn script(name: &str, text: &str, args: &[String], sandbox: &Sandbox) -> u8 {
    let bounds = match sandbox.bounds() {
        Ok(bounds) => bounds,
        Err(error) => return told(&error.into()),
    };
    let mut host = Host::for_script_within(name, text, bounds.clone());
    interrupt::stops(&host.cancel);
    if let Err(error) = host.run_state.set_args(args) {
        return told(&error.into());
    }
    crate::train::checkpoint::runs_script(text);
    super::start_workers(&host.needs);
    let faults = limits::within(&bounds, || checker::look(&mut host, name, text));
    if let Some(code) = super::check::tell(&faults) {
        return code;
    }
    if !args.is_empty() && !host.needs.takes_args {
        let mut fault = Fault::plain(format!("args: {name} takes none, and was given `{}`", args.join(" ")));
        fault.help = Some("a script reads them with `options(defaults, args())`".to_string());
        return told(&fault);
    }
    match host.run(name, text) {
        Ok(_) => host.run_state.ended().unwrap_or(0),
        // reported at the end, like any failed write
        Err(fault) if fault.cause == Cause::Interrupted && output::failed().is_some() => FAULT,
        Err(fault) => told(&fault),
    }
}
