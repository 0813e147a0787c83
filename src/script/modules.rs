//! User modules: `import "path" as name;`, relative to the file that imports.

use super::compile::as_written;
use super::sources::Sources;
use super::{Res, hygiene};
use crate::sync::unpoisoned;
use crate::{Error, files};
use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Shared};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// Finds, compiles and keeps the modules that scripts import.
pub struct Modules {
    sources: Sources,
    /// By full path, with the modification time of the file.
    known: Mutex<HashMap<PathBuf, (SystemTime, Shared<Module>)>>,
    /// The imports in progress, outermost first.
    open: Mutex<Vec<PathBuf>>,
    /// Number of modules compiled so far.
    count: AtomicUsize,
}

impl Modules {
    pub fn new(sources: Sources) -> Modules {
        Modules { sources, known: Mutex::default(), open: Mutex::default(), count: AtomicUsize::new(0) }
    }

    fn import(&self, engine: &Engine, file: &Path) -> Res<Shared<Module>> {
        files::readable("import", file)?;
        let full = files::full(file).ok_or_else(|| missing(file))?;
        let time = files::modified(&full).unwrap_or(SystemTime::UNIX_EPOCH);
        if let Some((read, module)) = lock(&self.known).get(&full)
            && *read == time
        {
            return Ok(module.clone());
        }
        let chain = lock(&self.open).clone();
        if let Some(first) = chain.iter().position(|path| *path == full) {
            return Err(cycle(&chain[first..], &full).into());
        }
        lock(&self.open).push(full.clone());
        let module = self.compile(engine, file);
        lock(&self.open).pop();
        let module: Shared<Module> = module?.into();
        lock(&self.known).insert(full, (time, module.clone()));
        Ok(module)
    }

    fn compile(&self, engine: &Engine, file: &Path) -> Res<Module> {
        let text = super::read_script(file)?;
        let name = file.display().to_string();
        self.sources.add(&name, &text);
        let label = format!("import_{}", self.count.fetch_add(1, Ordering::Relaxed));
        hygiene::module(engine, &text, &as_written(engine, &text)?, &name, &label, &[])
    }
}

impl ModuleResolver for Modules {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let file = place(source, path);
        let named = file.display().to_string();
        // with its file, so that a fault shows the right one; an error without a position is about the import itself
        self.import(engine, &file).map_err(|mut error| {
            if error.position().is_none() {
                error.set_position(position);
                error
            } else {
                EvalAltResult::ErrorInModule(named, error, position).into()
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}

/// The file of `import "path"` in the script `source`.
pub fn place(source: Option<&str>, path: &str) -> PathBuf {
    let mut file = source.map(Path::new).and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            // `a/../b` reads as `b`
            Component::ParentDir if matches!(file.components().next_back(), Some(Component::Normal(_))) => {
                file.pop();
            }
            part => file.push(part),
        }
    }
    if file.extension().is_none_or(|ending| ending != "rhai") {
        let mut name = file.into_os_string();
        name.push(".rhai");
        file = name.into();
    }
    file
}

pub fn missing(file: &Path) -> Error {
    let error = Error::new("import", format!("{} is not there", file.display()));
    let names = files::beside(file);
    let names = names.iter().filter_map(|name| name.strip_suffix(".rhai"));
    let wanted = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if super::stdlib::is_module(&wanted) {
        return error.help(format!("`{wanted}::` is always there, without an import"));
    }
    error.meant(&wanted, names).or_help("the path is relative to the file that imports it")
}

fn cycle(chain: &[PathBuf], again: &Path) -> Error {
    let here = files::full(Path::new(".")).unwrap_or_default();
    let names: Vec<String> = chain
        .iter()
        .map(PathBuf::as_path)
        .chain([again])
        .map(|path| path.strip_prefix(&here).unwrap_or(path).display().to_string())
        .collect();
    Error::new("import", format!("these modules import one another: {}", names.join(" → ")))
        .help("move what they share into a module of its own")
}
