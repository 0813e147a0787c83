//! `levain check FILE…`

use super::FAULT;
use crate::script::{Fault, Host, checker, read_script};
use std::path::PathBuf;

/// More would scroll the first away.
const SHOWN: usize = 10;

pub fn main(files: &[PathBuf]) -> u8 {
    let mut code = 0;
    for file in files {
        let faults = match read_script(file) {
            Ok(text) => checker::check(&mut Host::for_script(&text), &file.display().to_string(), &text),
            Err(error) => vec![error.into()],
        };
        if !faults.is_empty() {
            code = tell(&faults);
        }
    }
    code
}

/// Shows faults that were found before the run; gives the exit code.
pub fn tell(faults: &[Fault]) -> u8 {
    for fault in faults.iter().take(SHOWN) {
        eprint!("{fault}");
    }
    if faults.len() > SHOWN {
        eprintln!("and {} more", faults.len() - SHOWN);
    }
    FAULT
}
