//! Checkpoints: the state from which a run resumes to the same bits, as a folder that is complete or absent.
//!
//! ```text
//! checkpoint/state.json             step, the caller's state, random state, the optimizer's step counts
//!           /weights.safetensors    every trainable parameter, by name
//!           /optimizer.safetensors  the optimizer's moments of each
//!           /script.rhai            the script that ran
//! ```
//!
//! A checkpoint is written as `NAME.new`, with the checksums of its files; then `NAME` is renamed to `NAME.old`, `NAME.new` to
//! `NAME`, and the old one is removed: `state.json` first, so that a partial one is not a checkpoint. After a kill at any
//! instant, `NAME` or `NAME.old` is complete.

use super::optimizer::{Optimizer, State, keys};
use crate::cancel::{self, Cancel};
use crate::files::sums::SUMS;
use crate::files::{self, Stage};
use crate::format::safetensors::{self, Safetensors};
use crate::sync::unpoisoned;
use crate::tensor::rng::{self, RunState};
use crate::tensor::{Array, Param};
use crate::{Error, Result, bail, ranks};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

const FORMAT: u32 = 2;
const STATE: &str = "state.json";
const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const SCRIPT: &str = "script.rhai";

/// The text of the script of this process.
static RUNNING: Mutex<String> = Mutex::new(String::new());

/// Records the running script, for the checkpoints that it writes.
pub fn runs_script(text: &str) {
    *unpoisoned(RUNNING.lock()) = text.to_string();
}

/// A place for one checkpoint, on disk or in memory. A handle: clones refer to the same place.
#[derive(Clone, Default)]
pub struct Checkpoint {
    path: Option<PathBuf>,
    held: Arc<Mutex<Option<Saved>>>,
}

/// The saved state besides the arrays.
#[derive(Clone, Serialize, Deserialize)]
struct Facts {
    format: u32,
    /// Number of completed steps.
    step: u64,
    /// The caller's state: data position, best score, options.
    state: serde_json::Value,
    random: RunState,
    rule: String,
    /// As text: JSON readers may round the last bit of a number.
    lr: String,
    steps: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    behind: BTreeMap<String, u64>,
}

/// The field common to all formats.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[derive(Clone)]
struct Saved {
    facts: Facts,
    weights: BTreeMap<String, Array>,
    memory: BTreeMap<String, Array>,
}

impl Checkpoint {
    pub fn at(path: impl AsRef<Path>) -> Checkpoint {
        Checkpoint { path: Some(path.as_ref().to_path_buf()), ..Checkpoint::default() }
    }

    pub fn in_memory() -> Checkpoint {
        Checkpoint::default()
    }

    /// Whether there is one to load. Rank 0 decides for all ranks, and the others must see it too.
    pub fn exists(&self) -> Result<bool> {
        let Some(path) = &self.path else { return Ok(self.held().is_some()) };
        let exists = ranks::first_value(&format!("look for {}", path.display()), || Ok(whole(path).is_some()))?;
        let unseen = (exists && whole(path).is_none()).then(|| {
            format!("{} of rank 0 is not there on {}: ranks need one folder for all", path.display(), files::host())
        });
        ranks::together("look for a checkpoint", unseen)?;
        Ok(exists)
    }

    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Saves the parameters, the optimizer, the run's random state, `step` and `state`. Interrupts are deferred until the
    /// checkpoint is complete.
    pub fn save(
        &self,
        step: u64,
        params: &[Arc<Param>],
        optimizer: &Optimizer,
        state: serde_json::Value,
    ) -> Result<()> {
        let of = match &self.path {
            Some(_) => optimizer.whole_state()?,
            None => optimizer.state()?,
        };
        let facts = Facts {
            format: FORMAT,
            step,
            state,
            random: rng::state(),
            rule: of.rule,
            lr: of.lr.to_string(),
            steps: of.steps,
            behind: of.behind,
        };
        let weights = keyed(params).into_iter().map(|(name, param)| (name, param.value())).collect();
        let saved = Saved { facts, weights, memory: of.memory };
        match &self.path {
            Some(path) => ranks::first(&format!("save {}", path.display()), || {
                cancel::under(&Cancel::default(), || saved.write(path))
            }),
            None => {
                *self.held() = Some(saved);
                Ok(())
            }
        }
    }

    /// Restores everything, and returns the saved step and state. Nothing changes if names or shapes differ.
    pub fn load(&self, params: &[Arc<Param>], optimizer: &Optimizer) -> Result<(u64, serde_json::Value)> {
        let saved = self.saved()?;
        let weights = saved.fitting(params)?;
        let Facts { step, state, random, rule, lr, steps, behind, .. } = saved.facts;
        let lr = lr.parse().map_err(|_| Error::new("load", format!("the checkpoint's lr is `{lr}`, not a number")))?;
        optimizer.restore(State { rule, lr, steps, behind, memory: saved.memory })?;
        set(weights)?;
        rng::restore(random);
        Ok((step, state))
    }

    /// Restores only the parameters: the best of a run, at its end.
    pub fn load_weights(&self, params: &[Arc<Param>]) -> Result<(u64, serde_json::Value)> {
        let saved = self.saved()?;
        set(saved.fitting(params)?)?;
        Ok((saved.facts.step, saved.facts.state))
    }

    /// The saved step and state, without the arrays.
    pub fn peek(&self) -> Result<(u64, serde_json::Value)> {
        let facts = match &self.path {
            Some(_) => facts(&self.folder()?)?,
            None => self.saved()?.facts,
        };
        Ok((facts.step, facts.state))
    }

    /// Removes it, if it exists.
    pub fn remove(&self) -> Result<()> {
        *self.held() = None;
        let Some(path) = &self.path else { return Ok(()) };
        ranks::first(&format!("remove {}", path.display()), || remove(path))
    }

    fn saved(&self) -> Result<Saved> {
        match (&self.path, &*self.held()) {
            (Some(_), _) => Saved::read(&self.folder()?),
            (None, Some(saved)) => Ok(saved.clone()),
            (None, None) => bail!("load", "this checkpoint holds nothing yet"),
        }
    }

    /// The complete folder.
    fn folder(&self) -> Result<PathBuf> {
        let path = self.path.as_deref().unwrap_or(Path::new("."));
        whole(path).ok_or_else(|| Error::new("load", format!("{} is not a checkpoint", path.display())))
    }

    fn held(&self) -> MutexGuard<'_, Option<Saved>> {
        unpoisoned(self.held.lock())
    }
}

impl Saved {
    fn write(&self, path: &Path) -> Result<()> {
        let (new, old) = (beside(path, "new"), beside(path, "old"));
        if files::exists(path) && !is_checkpoint(path) && !is_remainder(path) {
            return Err(Error::new("save", format!("{} exists and is not a checkpoint", path.display()))
                .help("choose another path: a checkpoint replaces the whole folder"));
        }
        clear("save", &new)?;
        let written = self.fill(&new);
        if written.is_err() {
            clear("save", &new).ok();
            return written;
        }
        if files::exists(path) {
            clear("save", &old)?;
            files::rename("save", path, &old)?;
        }
        files::rename("save", &new, path)?;
        files::sync_names("save", path)?;
        clear("save", &old)
    }

    fn fill(&self, folder: &Path) -> Result<()> {
        let stage = Stage::begin_new("save", folder)?;
        safetensors::save_in(&stage, WEIGHTS, named(&self.weights), &[])?;
        safetensors::save_in(&stage, OPTIMIZER, named(&self.memory), &[])?;
        let text = serde_json::to_string_pretty(&self.facts)
            .map_err(|error| Error::new("save", format!("the state can't be written as JSON: {error}")))?;
        stage.write_all(STATE, text.as_bytes())?;
        let script = unpoisoned(RUNNING.lock()).clone();
        stage.write_all(SCRIPT, script.as_bytes())?;
        stage.commit()
    }

    fn read(folder: &Path) -> Result<Saved> {
        let arrays = |name: &str| -> Result<BTreeMap<String, Array>> {
            let file = Safetensors::open(folder.join(name)).map_err(|error| error.attributed_to("load"))?;
            file.names().into_iter().map(|name| file.read(&name).map(|array| (name, array))).collect()
        };
        // it is not used, but damage is reported
        files::verify("load", &folder.join(SCRIPT))?;
        Ok(Saved { facts: facts(folder)?, weights: arrays(WEIGHTS)?, memory: arrays(OPTIMIZER)? })
    }

    /// Each parameter with its saved value, validated.
    fn fitting<'a>(&self, params: &'a [Arc<Param>]) -> Result<Vec<(&'a Arc<Param>, Array)>> {
        let keyed = keyed(params);
        let fitting = keyed.into_iter().map(|(name, param)| {
            let Some(array) = self.weights.get(&name) else {
                bail!("load", "the checkpoint has no weight `{name}`: it is of another model");
            };
            if array.dims() != param.value().dims() {
                bail!("load", "`{name}` has shape {:?}, the model {:?}", array.dims(), param.value().dims());
            }
            Ok((param, array.clone()))
        });
        let fitting = fitting.collect::<Result<Vec<_>>>()?;
        if fitting.len() != self.weights.len() {
            bail!("load", "the checkpoint has {} weights, the model {}", self.weights.len(), fitting.len());
        }
        Ok(fitting)
    }
}

fn set(weights: Vec<(&Arc<Param>, Array)>) -> Result<()> {
    weights.into_iter().try_for_each(|(param, array)| param.set(array))
}

/// Parameters by their names in a checkpoint.
fn keyed(params: &[Arc<Param>]) -> BTreeMap<String, &Arc<Param>> {
    keys(params.iter().map(|param| &**param)).into_iter().zip(params).collect()
}

fn named(arrays: &BTreeMap<String, Array>) -> impl Iterator<Item = (&str, &Array)> {
    arrays.iter().map(|(name, array)| (name.as_str(), array))
}

fn facts(folder: &Path) -> Result<Facts> {
    let path = folder.join(STATE);
    let text = files::read("load", &path)?;
    let damaged = |error| Error::new("load", format!("{} is damaged: {error}", path.display()));
    // another format may have other fields
    match serde_json::from_slice::<Version>(&text).map_err(damaged)?.format {
        FORMAT => serde_json::from_slice(&text).map_err(damaged),
        other => bail!("load", "{} has format {other}; this levain reads {FORMAT}", path.display()),
    }
}

/// `path`, or the previous checkpoint if a kill came between the two renames.
fn whole(path: &Path) -> Option<PathBuf> {
    [path.to_path_buf(), beside(path, "old")].into_iter().find(|path| is_checkpoint(path))
}

fn is_checkpoint(path: &Path) -> bool {
    files::is_file(&path.join(STATE))
}

/// Whether a folder holds only the remainder of a checkpoint.
fn is_remainder(path: &Path) -> bool {
    const NAMES: [&str; 4] = [WEIGHTS, OPTIMIZER, SCRIPT, SUMS];
    let is_ours = |path: &PathBuf| NAMES.iter().any(|name| path.file_name().is_some_and(|own| own == *name));
    files::is_folder(path) && files::list("save", path).is_ok_and(|paths| paths.iter().all(is_ours))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Removes a checkpoint, and the remainder of one after a kill.
fn remove(path: &Path) -> Result<()> {
    let (new, old) = (beside(path, "new"), beside(path, "old"));
    clear("remove", &new)?;
    clear("remove", &old)?;
    if is_checkpoint(path) || is_remainder(path) {
        files::rename("remove", path, &old)?;
        clear("remove", &old)?;
    }
    Ok(())
}

/// Removes one of our folders, starting with the file that makes it a checkpoint.
fn clear(who: &str, path: &Path) -> Result<()> {
    if is_checkpoint(path) {
        files::remove(who, &path.join(STATE))?;
    }
    files::remove_folder(who, path)
}
