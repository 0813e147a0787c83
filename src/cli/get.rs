//! `levain get NAME` and `levain cache`

use super::interrupt;
use super::say::told;
use crate::cancel::{self, Cancel};
use crate::hub::{self, Settings, Want};
use crate::{Result, bail, text};

#[derive(clap::Args)]
pub struct Args {
    /// hf:ORG/NAME or hf:datasets/ORG/NAME, optionally with @REVISION and /FILE; `hf:` may be omitted
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Download all files, not only those that levain reads
    #[arg(long)]
    all: bool,
}

#[derive(clap::Args)]
pub struct CacheArgs {
    /// Remove this model or dataset from the cache
    #[arg(long, value_name = "NAME")]
    remove: Option<String>,
}

pub fn main(args: &Args) -> u8 {
    let cancel = Cancel::default();
    interrupt::stops(&cancel);
    ended(cancel::under(&cancel, || get(args)))
}

fn ended(done: Result<()>) -> u8 {
    match done {
        Ok(()) => 0,
        Err(error) => told(&error.into()),
    }
}

fn get(args: &Args) -> Result<()> {
    let settings = Settings::from_environment("get")?;
    for given in &args.names {
        let name = hub::named("get", given)?;
        let want = match (args.all, name.kind) {
            (true, _) => Want::All,
            (false, hub::Kind::Dataset) => Want::Data,
            (false, hub::Kind::Model) => Want::Model,
        };
        println!("{}", hub::fetch("get", &name, want, &settings)?.display());
    }
    Ok(())
}

pub fn cache(args: &CacheArgs) -> u8 {
    ended(list(args))
}

fn list(args: &CacheArgs) -> Result<()> {
    let folder = Settings::from_environment("cache")?.cache;
    if let Some(given) = &args.remove {
        let name = hub::named("cache", given)?;
        if !hub::remove("cache", &folder, &name)? {
            bail!("cache", "{name} is not in {}", folder.display());
        }
        println!("{name} is no longer in {}", folder.display());
        return Ok(());
    }
    let held = hub::held("cache", &folder)?;
    let width = held.iter().map(|held| text::width(&held.name)).max().unwrap_or(0);
    for held in &held {
        let refs: Vec<String> =
            held.refs.iter().map(|(name, sha)| format!("{name} {}", sha.get(..7).unwrap_or(sha))).collect();
        println!(
            "{}  {}  {}",
            text::left(&held.name, width),
            text::right(&text::bytes(held.bytes), 9),
            refs.join(", ")
        );
    }
    let sum = held.iter().map(|held| held.bytes).sum();
    println!("{}, {} in {}", text::counted(held.len(), "name"), text::bytes(sum), folder.display());
    Ok(())
}
