//! `levain serve MODEL…`

use super::interrupt;
use super::say::told;
use crate::cancel::{self, Cancel};
use crate::hub::{self, Want};
use crate::kernel::threads;
use crate::model::{Model, NewHead};
use crate::serve::{ServeOptions, Served, read_keys, serve, warning};
use crate::tensor::DType;
use crate::token::Tokenizer;
use crate::{Error, Result, bail};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Several models are distinguished by the names of their folders.
#[derive(clap::Args)]
pub struct Args {
    /// Hugging Face folders, .gguf files or names such as hf:ORG/NAME, each alone or as NAME=PATH
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Serve a PEFT adapter on the first model, as a model of its own
    #[arg(long, value_name = "NAME=FOLDER")]
    adapter: Vec<String>,
    /// Serve a folder of PEFT adapters on the first model, each a subfolder; adapters added later are found
    #[arg(long, value_name = "FOLDER")]
    adapters: Option<PathBuf>,
    /// Address to listen on; 0.0.0.0 accepts other machines too
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 for any free port
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// File of API keys, one per line; a client must send one of them
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Origin whose web pages may send requests, or `*` for any
    #[arg(long, value_name = "ORIGIN")]
    cors: Option<String>,
    /// Dtype of the weights: f32, bf16, f16 or a kind of blocks such as q8_0; a .gguf keeps its own
    #[arg(long, value_name = "DTYPE")]
    dtype: Option<String>,
    /// Number of answers generated in parallel
    #[arg(long, value_name = "N", default_value_t = 16)]
    max_batch: usize,
    /// Maximum number of waiting requests
    #[arg(long, value_name = "N", default_value_t = 256)]
    max_queue: usize,
    /// Memory for cached prompt prefixes, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    prefix_cache: usize,
    /// Seed of requests without one
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

pub fn main(args: &Args) -> u8 {
    let cancel = Cancel::default();
    interrupt::stops(&cancel);
    threads::start(None);
    match cancel::under(&cancel, || run(args)) {
        Ok(()) => 0,
        Err(error) => told(&error.into()),
    }
}

fn run(args: &Args) -> Result<()> {
    let options = ServeOptions {
        host: args.host,
        port: args.port,
        keys: args.key_file.as_deref().map_or_else(|| Ok(Vec::new()), read_keys)?,
        cors: args.cors.clone(),
        adapters: args.adapters.clone(),
        max_batch: args.max_batch,
        max_queue: args.max_queue,
        prefix_bytes: args.prefix_cache << 20,
        seed: args.seed,
        ..ServeOptions::default()
    };
    let mut served = args.models.iter().map(|given| open(given, args.dtype.as_deref())).collect::<Result<Vec<_>>>()?;
    for given in &args.adapter {
        let Some((name, folder)) = given.split_once('=') else {
            bail!("serve", "`--adapter {given}`: it is `--adapter NAME=FOLDER`");
        };
        let adapted = served[0].adapted(name, Path::new(folder))?;
        served.push(adapted);
    }
    let names: Vec<String> = served.iter().map(|served| served.name.clone()).collect();
    if let Some(warning) = warning(&options) {
        let line = "!".repeat(72);
        eprintln!("{line}\nwarning: {warning}\nhelp: `--key-file FILE` names the keys of clients\n{line}");
    }
    serve(served, &options, |address| {
        println!("serving {} at http://{address}", names.join(", "));
        println!("chat in a browser there, or give http://{address}/v1 to a client of OpenAI; Ctrl-C ends it");
    })
}

/// The curves of runs in a browser.
#[derive(clap::Args)]
pub struct WatchArgs {
    /// Folders of runs, such as the `out` of `train::run`, or files of records
    #[arg(required = true, value_name = "OUT")]
    runs: Vec<PathBuf>,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 for any free port
    #[arg(long, default_value_t = 8081)]
    port: u16,
}

pub fn watch(args: &WatchArgs) -> u8 {
    let cancel = Cancel::default();
    interrupt::stops(&cancel);
    let address = SocketAddr::new(args.host, args.port);
    let ready = |address| println!("the curves are at http://{address}; Ctrl-C ends it");
    match cancel::under(&cancel, || crate::serve::watch(&args.runs, address, ready)) {
        Ok(()) => 0,
        Err(error) => told(&error.into()),
    }
}

/// Opens `PATH` or `NAME=PATH`.
fn open(given: &str, dtype: Option<&str>) -> Result<Served> {
    let (name, given) = match given.split_once('=') {
        Some((name, path)) => (name.to_string(), path),
        None => (name_of(given), given),
    };
    let path = &*hub::local("serve", given, Want::Model)?;
    let told = |error: Error| error.attributed_to("serve");
    let gguf = path.extension().is_some_and(|ending| ending == "gguf");
    let net = match (gguf, dtype) {
        (true, None) => Model::open_quantized(path, DType::F32).or_else(|_| Model::open(path, DType::F32)),
        _ => Model::open(path, DType::F32),
    };
    let mut net = net.map_err(told)?;
    let ranks = net.head() == "sequence" && net.config().labels == 1;
    if net.check_causal("serve").is_err() && net.head() != "embed" && !ranks {
        net = Model::open_with(path, DType::F32, Some(&NewHead::named("embed", 0))).map_err(told)?;
    }
    match dtype {
        Some("f32") | None => {}
        Some("bf16") => net.to(DType::BF16).map_err(told)?,
        Some("f16") => net.to(DType::F16).map_err(told)?,
        Some(kind) => net.quantize("serve", kind, None, None).map_err(told)?,
    }
    let tok = Tokenizer::open(path).map_err(told)?;
    Served::new(&name, &net, &tok)
}

/// The name of a folder or file, without its extension; for a hub name, the model's own name.
fn name_of(given: &str) -> String {
    if let Some(name) = given.strip_prefix("hf:") {
        return name.to_string();
    }
    let path = Path::new(given);
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.strip_suffix(".gguf").unwrap_or(&name).to_string()
}
