//! The worker process: runs one script, and sends its cases to the parent process.

use crate::cli::{FAULT, INTERRUPTED, interrupt, start_workers};
use crate::measure::bench::{attach, wire};
use crate::script::{Cause, Fault, Host, read_script};
use std::path::Path;

/// Runs a script, and sends its cases to the parent process.
pub fn main(path: &Path) -> u8 {
    let tell = |message: &wire::FromWorker| wire::send(&mut std::io::stdout().lock(), message).is_ok();
    let version = env!("CARGO_PKG_VERSION").to_string();
    if !tell(&wire::FromWorker::Hello { protocol: wire::PROTOCOL, version }) {
        return FAULT;
    }
    let text = match read_script(path) {
        Ok(text) => text,
        Err(error) => {
            tell(&wire::FromWorker::Fault(Fault::from(error).to_string()));
            return FAULT;
        }
    };
    let name = path.display().to_string();
    let host = Host::for_script(&name, &text);
    start_workers(&host.needs);
    interrupt::stops(&host.cancel);
    host.output.capture();
    let output = host.output.clone();
    attach(wire::Worker { printed: move || output.take() });
    let result = host.run(&name, &text);
    let printed = host.output.take();
    if !printed.is_empty() {
        tell(&wire::FromWorker::Printed(printed));
    }
    match result {
        Ok(_) if host.run_state.ended().is_some_and(|code| code > 0) => {
            let code = host.run_state.ended().unwrap_or_default();
            let fault = Fault::plain(format!("bench: {name} ended with `exit({code})`"));
            tell(&wire::FromWorker::Fault(fault.to_string()));
            FAULT
        }
        Ok(_) => {
            tell(&wire::FromWorker::End);
            0
        }
        Err(fault) if fault.cause == Cause::Interrupted => INTERRUPTED,
        Err(fault) => {
            tell(&wire::FromWorker::Fault(fault.to_string()));
            FAULT
        }
    }
}
