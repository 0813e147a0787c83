//! The baseline files of a run.

use super::Args;
use super::scripts::{Scripts, folder_of, stem};
use crate::measure::baseline::{self, Baseline};
use crate::measure::bench::judge::{Case, Kept, Origin};
use crate::measure::bench::rule::Stored;
use crate::measure::machine::Machine;
use crate::script::suite::walk;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One baseline file: its previous content, and the cases to save.
pub struct Book {
    path: PathBuf,
    was: Option<Baseline>,
    becomes: Baseline,
}

/// The baselines of all scripts of this run.
pub struct Books {
    machine: Machine,
    books: BTreeMap<PathBuf, Book>,
    one: Option<PathBuf>,
    /// Stems shared by several scripts of one book: these are saved by path.
    shared: BTreeSet<String>,
}

impl Books {
    pub fn open(args: &Args, scripts: &Scripts, machine: Machine) -> Result<Books> {
        let mut stems: Vec<String> = scripts.files.iter().map(|script| stem(script)).collect();
        stems.sort();
        let twice = |pair: &[String]| (pair[0] == pair[1] && args.baseline.is_some()).then(|| pair[0].clone());
        let shared = stems.windows(2).filter_map(twice).collect();
        let mut books = Books { machine, books: BTreeMap::new(), one: args.baseline.clone(), shared };
        if args.against.is_some() {
            return Ok(books);
        }
        let mut keys: BTreeSet<PathBuf> = scripts.files.iter().map(|script| books.key(script)).collect();
        // includes folders whose scripts are all gone
        let own = books.machine.file_name();
        if args.baseline.is_none() {
            let kept = scripts.folders.iter().flat_map(|folder| walk::files(folder, &["json"]).files);
            let kept = kept.filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy() == own));
            let folders = kept.filter_map(|file| Some(file.parent()?.to_path_buf()));
            keys.extend(folders.filter(|folder| folder.ends_with("baselines")));
        }
        for key in keys {
            let book = books.book(args, &key)?;
            books.books.insert(key, book);
        }
        Ok(books)
    }

    fn book(&self, args: &Args, key: &Path) -> Result<Book> {
        let own = key.join(self.machine.file_name());
        let (path, read) = match &args.baseline {
            Some(file) if !args.save && !file.exists() => {
                return Err(
                    Error::new("baseline", format!("{} is not there", file.display())).help("`--save` makes it")
                );
            }
            Some(file) => (file.clone(), file.exists().then(|| file.clone())),
            None if args.save => (own.clone(), own.exists().then_some(own)),
            None => (own, baseline::find(key, &self.machine)),
        };
        let was = read.map(|file| Baseline::open(&file)).transpose()?;
        let mut becomes = Baseline::new(self.machine.clone());
        if let Some(was) = &was
            && was.machine == self.machine
        {
            becomes.scripts = was.scripts.clone();
        }
        Ok(Book { path, was, becomes })
    }

    pub fn key(&self, script: &Path) -> PathBuf {
        self.one.clone().unwrap_or_else(|| folder_of(script))
    }

    /// The name of a script in its book.
    fn name(&self, script: &Path) -> String {
        let (stem, path) = (stem(script), script.with_extension("").display().to_string().replace('\\', "/"));
        let was = self.books.get(&self.key(script)).and_then(|book| book.was.as_ref());
        let known = self.one.is_some() && was.is_some_and(|was| was.scripts.contains_key(&path));
        if self.shared.contains(&stem) || known { path } else { stem }
    }

    /// The results of `--save`, in lines.
    pub fn saved(&self) -> impl Iterator<Item = String> {
        let dropped = |book: &Book| {
            let all = book.was.iter().flat_map(|was| &was.scripts);
            let cases = all.flat_map(|(script, cases)| cases.keys().map(move |case| (script.clone(), case.clone())));
            let gone = cases.filter(|(script, case)| book.becomes.case(script, case).is_none());
            gone.map(|(script, case)| format!("dropped {script}: {case}")).collect::<Vec<_>>()
        };
        self.books.values().flat_map(move |book| {
            let path = format!("saved {}", book.path.display());
            dropped(book).into_iter().chain([path])
        })
    }

    /// Scripts with cases in the baselines of whole folders that no longer exist. They are not saved again.
    pub fn vanished(&mut self, scripts: &Scripts) -> Vec<(String, Vec<String>)> {
        let known: BTreeSet<(PathBuf, String)> =
            scripts.files.iter().map(|script| (self.key(script), self.name(script))).collect();
        let mut found = Vec::new();
        for (key, book) in &mut self.books {
            let place = key.parent().unwrap_or(Path::new(""));
            if self.one.is_some() || !scripts.folders.iter().any(|folder| place.starts_with(folder)) {
                continue;
            }
            let Some(was) = &book.was else { continue };
            for (name, cases) in
                was.scripts.iter().filter(|(name, _)| !known.contains(&(key.clone(), name.to_string())))
            {
                let script = place.join(name).with_extension("rhai").display().to_string();
                book.becomes.scripts.remove(name);
                found.push((script, cases.keys().cloned().collect()));
            }
        }
        found
    }

    /// Describes the baseline of the run.
    pub fn told(&self, args: &Args) -> Vec<String> {
        if let Some(binary) = &args.against {
            return vec![format!("against {}, in turn", binary.display())];
        }
        let told = |book: &Book| match &book.was {
            None => format!("no baseline yet for this class of machine ({})", book.path.display()),
            Some(was) if was.machine == self.machine => {
                format!("baseline {} by levain {}", book.path.display(), was.levain)
            }
            Some(was) => format!("baseline by levain {} of another machine: {}", was.levain, was.machine),
        };
        self.books.values().map(told).collect()
    }

    pub fn before(&self, script: &Path, case: &str) -> (Option<&Kept>, Origin) {
        let Some(was) = self.books.get(&self.key(script)).and_then(|book| book.was.as_ref()) else {
            return (None, Origin::Stored);
        };
        let origin = if was.machine == self.machine { Origin::Stored } else { Origin::OtherMachine };
        (was.case(&self.name(script), case).map(|stored| &stored.kept), origin)
    }

    /// Cases of a script that are in the baseline but not in this run.
    pub fn missing(&self, script: &Path, cases: &[Case]) -> Vec<String> {
        let was = self.books.get(&self.key(script)).and_then(|book| book.was.as_ref());
        let kept = was.and_then(|was| was.scripts.get(&self.name(script)));
        let names = kept.into_iter().flatten().map(|(name, _)| name);
        names.filter(|name| !cases.iter().any(|case| case.name() == *name)).cloned().collect()
    }

    /// Saves cases; if only some were chosen, the others stay unchanged.
    pub fn keep(&mut self, args: &Args, script: &Path, cases: &[Case]) {
        let (key, name) = (self.key(script), self.name(script));
        if let Some(book) = self.books.get_mut(&key) {
            let kept = book.becomes.scripts.entry(name).or_default();
            kept.retain(|case, _| !args.wants(script, case));
            kept.extend(cases.iter().map(|case| (case.name().to_string(), Stored::of(case))));
        }
    }

    pub fn save(&self) -> Result<()> {
        self.books.values().try_for_each(|book| book.becomes.save(&book.path))
    }
}
