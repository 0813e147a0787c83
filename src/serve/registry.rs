//! The served models, by index and by name: those from the start, and adapters added to a folder since.
//!
//! A request names an adapter, never a path: the name is looked up in the folder's listing.

use super::served::Served;
use crate::sync::unpoisoned;
use crate::{Result, files, progress};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

pub struct Registry {
    known: RwLock<Vec<Arc<Served>>>,
    /// The folder of the first model's adapters, each a subfolder named after it.
    folder: Option<PathBuf>,
    /// Only one is opened at a time.
    opening: Mutex<()>,
}

impl Registry {
    pub fn new(served: Vec<Served>, folder: Option<PathBuf>) -> Registry {
        let known = RwLock::new(served.into_iter().map(Arc::new).collect());
        Registry { known, folder, opening: Mutex::default() }
    }

    pub fn all(&self) -> Vec<Arc<Served>> {
        unpoisoned(self.known.read()).clone()
    }

    /// The model with this index: indices are stable.
    pub fn get(&self, number: usize) -> Option<Arc<Served>> {
        unpoisoned(self.known.read()).get(number).cloned()
    }

    fn find(&self, name: &str) -> Option<(usize, Arc<Served>)> {
        let known = unpoisoned(self.known.read());
        known.iter().enumerate().find(|(_, served)| served.name == name).map(|(at, served)| (at, served.clone()))
    }

    /// The model with this name; opens an adapter that was added to the folder.
    pub fn named(&self, name: &str) -> Result<Option<(usize, Arc<Served>)>> {
        if let Some(found) = self.find(name) {
            return Ok(Some(found));
        }
        let _one = unpoisoned(self.opening.lock());
        // another request may have opened it meanwhile
        if let Some(found) = self.find(name) {
            return Ok(Some(found));
        }
        let Some((_, path)) = self.listed()?.into_iter().find(|(known, _)| known == name) else { return Ok(None) };
        let Some(base) = self.get(0) else { return Ok(None) };
        let served = Arc::new(base.adapted(name, &path)?);
        progress::to_stderr(&format!("serving `{name}` too: it was put into the folder of adapters"));
        let mut known = unpoisoned(self.known.write());
        known.push(served.clone());
        Ok(Some((known.len() - 1, served)))
    }

    /// The adapters in the folder that are not open yet.
    pub fn waiting(&self) -> Result<Vec<String>> {
        let names = self.listed()?.into_iter().map(|(name, _)| name);
        Ok(names.filter(|name| self.find(name).is_none()).collect())
    }

    fn listed(&self) -> Result<Vec<(String, PathBuf)>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let entries = files::list("serve", folder)?.into_iter();
        let adapters = entries.filter(|path| files::is_file(&path.join("adapter_config.json")));
        let named = adapters.filter_map(|path| Some((path.file_name()?.to_str()?.to_string(), path)));
        Ok(named.filter(|(name, _)| !name.starts_with('.')).collect())
    }
}
