//! `levain jupyter`: the engine of the prompt as a Jupyter kernel.

mod kernel;
mod wire;
mod zmtp;

use super::FAULT;
use crate::script::Fault;
use crate::{Error, Result, files};
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum Jupyter {
    /// Tell Jupyter about this kernel, for this user
    Install {
        /// a folder of its own instead, such as the `share/jupyter` of a virtual environment
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
    },
    /// Serve one connection; Jupyter calls this
    Run {
        /// the connection file
        file: PathBuf,
    },
}

pub fn main(command: &Jupyter) -> u8 {
    let done = match command {
        Jupyter::Install { prefix } => install(prefix.as_deref()),
        Jupyter::Run { file } => wire::Connection::read(file).and_then(|connection| kernel::serve(&connection)),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            eprint!("{}", Fault::from(error));
            FAULT
        }
    }
}

/// Writes `kernels/levain/kernel.json`, where Jupyter looks for it.
fn install(prefix: Option<&Path>) -> Result<()> {
    let Some(folder) = prefix.map(Path::to_path_buf).or_else(user_folder) else {
        return Err(
            Error::new("jupyter", "there is no home folder to install into").help("name one with `--prefix DIR`")
        );
    };
    let binary = std::env::current_exe().map_err(|error| Error::io("jupyter", Path::new("levain"), &error))?;
    let spec = json!({
        "argv": [binary.display().to_string(), "jupyter", "run", "{connection_file}"],
        "display_name": "levain",
        "language": "rhai",
        "interrupt_mode": "message",
        "metadata": { "debugger": false },
    });
    let file = folder.join("kernels/levain/kernel.json");
    files::write_all("jupyter", &file, format!("{spec:#}\n").as_bytes())?;
    println!("{}", file.display());
    Ok(())
}

/// Where Jupyter keeps what belongs to a user.
fn user_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("JUPYTER_DATA_DIR") {
        return Some(folder);
    }
    if cfg!(windows) {
        return Some(set("APPDATA")?.join("jupyter"));
    }
    if cfg!(target_os = "macos") {
        return Some(set("HOME")?.join("Library/Jupyter"));
    }
    Some(set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))?.join("jupyter"))
}
