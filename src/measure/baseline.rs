//! Baselines: earlier benchmark results, in a committed file, for one class of machine.

use super::bench::rule::Stored;
use super::machine::Machine;
use crate::files::sums::{self, Check, KEY};
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Incremented when the meaning of the file changes.
pub const FORMAT: u32 = 1;

/// The results of a set of scripts, by script and case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Baseline {
    pub format: u32,
    pub levain: String,
    pub machine: Machine,
    pub scripts: BTreeMap<String, BTreeMap<String, Stored>>,
}

impl Baseline {
    pub fn new(machine: Machine) -> Baseline {
        let levain = env!("CARGO_PKG_VERSION").to_string();
        Baseline { format: FORMAT, levain, machine, scripts: BTreeMap::new() }
    }

    pub fn open(path: &Path) -> Result<Baseline> {
        let text = files::text("baseline", path)?;
        let fault = |what: String| Error::new("baseline", format!("{}: {what}", path.display()));
        if sums::checked(text.as_bytes()) == Check::Wrong {
            return Err(fault("damaged: it is not what its checksum says".to_string())
                .help(format!("restore it; if it was changed on purpose, take `{KEY}` out of it")));
        }
        let json: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| fault(format!("not JSON ({error})")).help("`levain bench --save` writes it anew"))?;
        match json["format"].as_u64() {
            Some(format) if format == FORMAT as u64 => {}
            Some(format) => {
                let version = json["levain"].as_str().unwrap_or("of another version");
                return Err(fault(format!("format {format}, written by levain {version}; this one reads {FORMAT}"))
                    .help("`levain bench --save --baseline` with another file makes one for this version"));
            }
            None => {
                return Err(fault("no baseline: it has no `format`".to_string())
                    .help("give a file that `levain bench --save` wrote"));
            }
        }
        serde_json::from_value(json).map_err(|error| fault(format!("not a baseline ({error})")))
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::new("baseline", error.to_string()))?;
        files::write_all("baseline", path, (sums::with_checksum(&text) + "\n").as_bytes())
    }

    pub fn case(&self, script: &str, name: &str) -> Option<&Stored> {
        self.scripts.get(script)?.get(name)
    }
}

/// The baseline in a folder for this class of machine; otherwise another's, for results that do not depend on the machine,
/// preferably one computed by the same kernels.
pub fn find(folder: &Path, machine: &Machine) -> Option<PathBuf> {
    let own = folder.join(machine.file_name());
    if files::exists(&own) {
        return Some(own);
    }
    let mut others = files::list("baseline", folder).ok()?;
    others.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    let alike = |path: &&PathBuf| Baseline::open(path).is_ok_and(|other| other.machine.kernels == machine.kernels);
    others.iter().find(alike).or(others.first()).cloned()
}
