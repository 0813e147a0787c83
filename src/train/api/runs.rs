//! What `stdlib/runs.rhai` needs of Rust: stored results, and claims on runs.

use super::{from_json, to_json};
use crate::files;
use crate::files::sums::{self, Check, KEY};
use crate::script::prelude::*;
use crate::sync::unpoisoned;
use crate::train::Claim;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<Handle>("Claim");
}

/// A claim that a script holds: it ends with its last copy, or when it is released.
#[derive(Clone)]
pub struct Handle(Arc<Mutex<Option<Claim>>>);

fn line(map: Map) -> Res<String> {
    let json = to_json("runs::once", map)?;
    Ok(serde_json::to_string(&json).unwrap_or_default())
}

#[export_module]
mod verbs {
    pub type Claim = super::Handle;

    /// The JSON object in a file, or `()` where there is no file.
    #[rhai_fn(name = "_stored", return_raw)]
    pub fn stored(path: &str) -> Res<Dynamic> {
        let Some(bytes) = files::read_if_there("runs::stored", Path::new(path))? else { return Ok(Dynamic::UNIT) };
        if sums::checked(&bytes) == Check::Wrong {
            return Err(Error::new("runs::stored", format!("{path} is damaged: it is not what its checksum says"))
                .help("restore it from a copy, or remove it, and the run is done again")
                .into());
        }
        match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes) {
            Ok(mut object) => {
                object.shift_remove(KEY);
                from_json(object)
            }
            Err(error) => bail!("runs::stored", "{path} is not the result of a run: {error}"),
        }
    }

    /// A map as a file of it would give it back: digits and all.
    #[rhai_fn(name = "_as_stored", return_raw)]
    pub fn as_stored(map: Map) -> Res<Dynamic> {
        from_json(serde_json::from_str::<serde_json::Value>(&line(map)?).unwrap_or_default())
    }

    /// Stores a map as a line of JSON with its checksum, written beside and renamed.
    #[rhai_fn(name = "_store", return_raw)]
    pub fn store(path: &str, map: Map) -> Res<()> {
        let text = sums::with_checksum(&line(map)?) + "\n";
        Ok(files::write_all("runs::once", Path::new(path), text.as_bytes())?)
    }

    /// Claims a file for this process. `who` is the verb that is refused where another has it.
    #[rhai_fn(name = "_claim", return_raw)]
    pub fn claim(who: &str, path: &str) -> Res<Claim> {
        Ok(super::Handle(Arc::new(Mutex::new(Some(crate::train::Claim::take(who, path)?)))))
    }

    /// Removes a claim that was left behind.
    #[rhai_fn(name = "_sweep")]
    pub fn sweep(who: &str, path: &str) {
        crate::train::Claim::sweep(who, path);
    }

    /// The process whose stale claim was taken over, or `()`.
    #[rhai_fn(name = "_stale", pure)]
    pub fn stale(claim: &mut Claim) -> Dynamic {
        let claim = unpoisoned(claim.0.lock());
        claim.as_ref().and_then(|claim| claim.stale()).map_or(Dynamic::UNIT, |process| (process as INT).into())
    }

    /// Ends a claim.
    #[rhai_fn(name = "_release", pure)]
    pub fn release(claim: &mut Claim) {
        *unpoisoned(claim.0.lock()) = None;
    }
}
