//! `levain status OUT`: the runs of a folder that several processes share, and their workers.

use super::FAULT;
use super::say::told;
use crate::train::Status;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The `out` folder of a verdict, a search, a sweep or a training
    #[arg(required = true, value_name = "OUT")]
    folders: Vec<PathBuf>,
}

pub fn main(args: &Args) -> u8 {
    let mut code = 0;
    for (number, folder) in args.folders.iter().enumerate() {
        if args.folders.len() > 1 {
            println!("{}{}", if number > 0 { "\n" } else { "" }, folder.display());
        }
        match Status::of("status", folder) {
            Ok(status) => println!("{status}"),
            Err(error) => {
                told(&error.into());
                code = FAULT;
            }
        }
    }
    code
}
