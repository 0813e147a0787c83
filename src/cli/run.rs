//! `levain run FILE [key=value…]`

use super::FAULT;
use crate::script::{Fault, Host, read_script};
use std::path::Path;

pub fn main(file: &Path, _args: &[String]) -> u8 {
    let result = read_script(file).map_err(Fault::from).and_then(|text| {
        let host = Host::for_script(&text);
        host.run(&file.display().to_string(), &text)
    });
    match result {
        Ok(_) => 0,
        Err(fault) => {
            eprint!("{fault}");
            FAULT
        }
    }
}
