//! `levain jupyter`: the engine of the prompt as a Jupyter kernel.

mod kernel;
mod message;
mod replies;
mod sockets;

use super::FAULT;
use crate::script::Fault;
use crate::{Error, Result, bail, files};
use clap::Subcommand;
use jupyter_zmq_client::{ConnectionInfo, RawMessage, user_data_dir};
use serde_json::json;
use std::path::{Path, PathBuf};
use zeromq::ZmqMessage;

#[derive(Subcommand)]
pub enum Jupyter {
    /// Register this kernel with Jupyter, for this user
    Install {
        /// a folder to install into instead, such as the `share/jupyter` of a virtual environment
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
    },
    /// Serve one connection; called by Jupyter
    Run {
        /// the connection file
        file: PathBuf,
    },
}

pub fn main(command: &Jupyter) -> u8 {
    let done = match command {
        Jupyter::Install { prefix } => install(prefix.as_deref()),
        Jupyter::Run { file } => connection(file).and_then(|connection| kernel::serve(&connection)),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            eprint!("{}", Fault::from(error));
            FAULT
        }
    }
}

/// Writes `kernels/levain/kernel.json` where Jupyter looks for it.
fn install(prefix: Option<&Path>) -> Result<()> {
    let folder = prefix.map_or_else(user_folder, |folder| Ok(folder.to_path_buf()))?;
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

/// Jupyter's data folder of the user.
fn user_folder() -> Result<PathBuf> {
    match std::env::var_os("JUPYTER_DATA_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(folder.into()),
        None => user_data_dir().map_err(|_| {
            Error::new("jupyter", "there is no home folder to install into").help("name one with `--prefix DIR`")
        }),
    }
}

/// Reads the connection file with which a client starts a kernel.
fn connection(path: &Path) -> Result<ConnectionInfo> {
    let text = crate::script::read_script(path).map_err(|error| error.attributed_to("jupyter"))?;
    let connection: ConnectionInfo =
        serde_json::from_str(&text).map_err(|error| Error::new("jupyter", format!("{}: {error}", path.display())))?;
    if !connection.key.is_empty() && connection.signature_scheme != "hmac-sha256" {
        bail!("jupyter", "{}: signature_scheme `{}` is not hmac-sha256", path.display(), connection.signature_scheme);
    }
    Ok(connection)
}

/// Parses the parts of an unsigned message, and lets a kernel answer it without sending the answer; cells are not run. For tests:
/// network input may be anything.
pub fn rehearse(parts: Vec<Vec<u8>>) -> Result<()> {
    let mut parts = parts.into_iter();
    let mut whole = ZmqMessage::from(parts.next().unwrap_or_default());
    parts.for_each(|part| whole.push_back(part.into()));
    let request = RawMessage::from_multipart(whole, &None).and_then(message::message);
    let request = request.map_err(|error| Error::new("jupyter", error.to_string()))?;
    kernel::rehearse(&request);
    Ok(())
}
