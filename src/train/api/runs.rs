//! Rust side of `stdlib/runs.rhai`: stored results, and claims on runs.

use super::{from_json, to_json};
use crate::files;
use crate::files::sums::{self, Check, KEY};
use crate::script::prelude::*;
use crate::sync::unpoisoned;
use crate::train::{self, Status};
use std::path::Path;
use std::sync::{Arc, Mutex};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<Claim>("Claim");
}

/// A claim held by a script: it ends with its last copy, or when it is released.
#[derive(Clone)]
pub struct Claim(Arc<Mutex<Option<train::Claim>>>);

fn line(map: Map) -> Res<String> {
    let json = to_json("runs::once", map)?;
    Ok(serde_json::to_string(&json).unwrap_or_default())
}

fn map<const N: usize>(entries: [(&str, Dynamic); N]) -> Dynamic {
    Dynamic::from(entries.into_iter().map(|(key, value)| (key.into(), value)).collect::<Map>())
}

/// The report of `levain status`, as a map.
fn status(folder: &str) -> Res<Map> {
    let status = Status::of("runs::status", Path::new(folder))?;
    let count = |count: usize| Dynamic::from(count as INT);
    let maybe = |seconds: Option<f64>| seconds.map_or(Dynamic::UNIT, Dynamic::from);
    let groups = status.groups.iter().map(|group| {
        map([
            ("name", group.name.clone().into()),
            ("done", count(group.done)),
            ("failed", count(group.failed)),
            ("total", group.total.map_or(Dynamic::UNIT, count)),
            ("seconds_left", maybe(group.left)),
        ])
    });
    let workers = status.workers.iter().map(|worker| {
        let doing = worker.owner.doing.as_ref();
        let step = |of: fn(&(String, u64, u64)) -> u64| doing.map_or(Dynamic::UNIT, |told| (of(told) as INT).into());
        map([
            ("run", worker.run.clone().into()),
            ("host", worker.owner.host.clone().into()),
            ("process", (worker.owner.process as INT).into()),
            ("state", worker.state.name().into()),
            ("seconds", worker.owner.worked().into()),
            ("silent", maybe(worker.age)),
            ("doing", doing.map_or(Dynamic::UNIT, |told| told.0.clone().into())),
            ("at", step(|told| told.1)),
            ("of", step(|told| told.2)),
        ])
    });
    let mut found = Map::new();
    found.insert("runs".into(), groups.collect::<List>().into());
    found.insert("workers".into(), workers.collect::<List>().into());
    found.insert("warnings".into(), status.warnings.iter().map(|line| line.clone().into()).collect::<List>().into());
    found.insert("text".into(), status.to_string().into());
    Ok(found)
}

fn digest(values: &List, so_far: u32) -> u32 {
    values.iter().fold(so_far, |sum, value| match value.read_lock::<List>() {
        Some(inner) => digest(&inner, sums::continued(sum, b"[")),
        None => sums::continued(sum, format!("{value}\0").as_bytes()),
    })
}

const ENDINGS: [&str; 6] = ["safetensors", "bin", "json", "txt", "model", "gguf"];

fn digest_of(path: &Path) -> Res<String> {
    let who = "verdict::run";
    // weights, tokenizers and their options; other files do not matter
    let counts = |file: &std::path::PathBuf| {
        let ending = file.extension().unwrap_or_default().to_string_lossy().into_owned();
        files::is_file(file) && !file.ends_with("levain_checksums.json") && ENDINGS.contains(&ending.as_str())
    };
    let files: Vec<_> = match files::is_folder(path) {
        true => files::list(who, path)?.into_iter().filter(counts).collect(),
        false if files::is_file(path) => vec![path.to_path_buf()],
        false => return Ok(String::new()),
    };
    let mut sum = 0;
    for file in files {
        sum = sums::continued(sum, file.file_name().unwrap_or_default().as_encoded_bytes());
        if files::size(&file).is_some_and(|size| size > 0) {
            sum = sums::continued(sum, &files::map(who, &file)?);
        }
    }
    Ok(format!("{sum:08x}"))
}

#[export_module]
mod verbs {
    pub type Claim = super::Claim;

    /// Reads the JSON object in a file; `()` if there is no file.
    #[rhai_fn(name = "_stored", return_raw)]
    pub fn stored(path: &str) -> Res<Dynamic> {
        // all ranks see what the first sees: another might look just after a run finished
        let bytes = crate::ranks::first_value(&format!("runs::stored {path}"), || {
            Ok(files::read_if_there("runs::stored", Path::new(path))?
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        })?;
        let Some(bytes) = bytes.map(String::into_bytes) else { return Ok(Dynamic::UNIT) };
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
            Err(error) => {
                let what = format!("{path} is not the result of a run: {error}");
                let help = "restore it from a copy, or remove it, and the run is done again";
                Err(Error::new("runs::stored", what).help(help).into())
            }
        }
    }

    /// Returns a map as its file would return it, digits included.
    #[rhai_fn(name = "_as_stored", return_raw)]
    pub fn as_stored(map: Map) -> Res<Dynamic> {
        from_json(serde_json::from_str::<serde_json::Value>(&line(map)?).unwrap_or_default())
    }

    /// Stores a map as a line of JSON with its checksum, by writing beside and renaming.
    #[rhai_fn(name = "_store", return_raw)]
    pub fn store(path: &str, map: Map) -> Res<()> {
        let text = sums::with_checksum(&line(map)?) + "\n";
        Ok(files::write_all("runs::once", Path::new(path), text.as_bytes())?)
    }

    /// Claims a file for this process. `who` is the verb of the error if another process holds it.
    #[rhai_fn(name = "_claim", return_raw)]
    pub fn claim(who: &str, path: &str) -> Res<Claim> {
        Ok(super::Claim(Arc::new(Mutex::new(Some(train::Claim::take(who, path)?)))))
    }

    /// Claims a file for this process; `()` if another process holds it.
    #[rhai_fn(name = "_attempt", return_raw)]
    pub fn attempt(who: &str, path: &str) -> Res<Dynamic> {
        let claim = train::Claim::attempt(who, path)?;
        Ok(claim.map_or(Dynamic::UNIT, |claim| Dynamic::from(super::Claim(Arc::new(Mutex::new(Some(claim)))))))
    }

    /// Fails if another process has taken over a claim.
    #[rhai_fn(name = "_holds", pure, return_raw)]
    pub fn holds(claim: &mut Claim, who: &str) -> Res<()> {
        match &*unpoisoned(claim.0.lock()) {
            Some(claim) => Ok(claim.check(who)?),
            None => Ok(()),
        }
    }

    /// Returns the status of a folder of runs.
    #[rhai_fn(name = "_status", return_raw)]
    pub fn status(folder: &str) -> Res<Map> {
        super::status(folder)
    }

    /// Computes a checksum of lists of texts, as eight digits.
    #[rhai_fn(name = "_digest", return_raw)]
    pub fn digest(values: List) -> Res<String> {
        Ok(format!("{:08x}", super::digest(&values, 0)))
    }

    /// Computes a checksum of a file, or of the files in a folder with their names; empty for other paths, such as a name on a
    /// hub.
    #[rhai_fn(name = "_digest_of", return_raw)]
    pub fn digest_of(path: &str) -> Res<String> {
        super::digest_of(Path::new(path))
    }

    /// Removes an abandoned claim.
    #[rhai_fn(name = "_sweep")]
    pub fn sweep(who: &str, path: &str) {
        train::Claim::sweep(who, path);
    }

    /// Returns the process whose stale claim was taken over, or `()`.
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
