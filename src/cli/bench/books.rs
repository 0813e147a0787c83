//! The baseline files of a run.

use super::{Args, folder_of, stem};
use crate::measure::baseline::{self, Baseline};
use crate::measure::bench::judge::{Case, Kept, Origin};
use crate::measure::machine::Machine;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One baseline file: what it held, what is to be kept.
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
    /// Stems that several scripts of one book have: these are kept by their paths.
    shared: BTreeSet<String>,
}

impl Books {
    pub fn open(args: &Args, scripts: &[PathBuf], machine: Machine) -> Result<Books> {
        let mut stems: Vec<String> = scripts.iter().map(|script| stem(script)).collect();
        stems.sort();
        let twice = |pair: &[String]| (pair[0] == pair[1] && args.baseline.is_some()).then(|| pair[0].clone());
        let shared = stems.windows(2).filter_map(twice).collect();
        let mut books = Books { machine, books: BTreeMap::new(), one: args.baseline.clone(), shared };
        if args.against.is_some() {
            return Ok(books);
        }
        for script in scripts {
            let key = books.key(script);
            if books.books.contains_key(&key) {
                continue;
            }
            let own = key.join(books.machine.file_name());
            let (path, read) = match &args.baseline {
                Some(file) if !args.save && !file.exists() => {
                    return Err(
                        Error::new("baseline", format!("{} is not there", file.display())).help("`--save` makes it")
                    );
                }
                Some(file) => (file.clone(), file.exists().then(|| file.clone())),
                None if args.save => (own.clone(), own.exists().then_some(own)),
                None => (own, baseline::find(&key, &books.machine)),
            };
            let was = read.map(|file| Baseline::open(&file)).transpose()?;
            let mut becomes = Baseline::new(books.machine.clone());
            if let Some(was) = &was
                && was.machine == books.machine
            {
                becomes.scripts = was.scripts.clone();
            }
            books.books.insert(key, Book { path, was, becomes });
        }
        Ok(books)
    }

    pub fn key(&self, script: &Path) -> PathBuf {
        self.one.clone().unwrap_or_else(|| folder_of(script))
    }

    /// What a script is called in its book.
    fn name(&self, script: &Path) -> String {
        let stem = stem(script);
        let path = || script.with_extension("").display().to_string().replace('\\', "/");
        if self.shared.contains(&stem) { path() } else { stem }
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.books.values().map(|book| book.path.as_path())
    }

    /// What the run is compared with, in words.
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
        (was.case(&self.name(script), case), origin)
    }

    /// Cases of a script that the baseline has and this run has not.
    pub fn missing(&self, script: &Path, cases: &[Case]) -> Vec<String> {
        let was = self.books.get(&self.key(script)).and_then(|book| book.was.as_ref());
        let kept = was.and_then(|was| was.scripts.get(&self.name(script)));
        let names = kept.into_iter().flatten().map(|(name, _)| name);
        names.filter(|name| !cases.iter().any(|case| case.name() == *name)).cloned().collect()
    }

    pub fn keep(&mut self, script: &Path, cases: &[Case]) {
        let (key, name) = (self.key(script), self.name(script));
        if let Some(book) = self.books.get_mut(&key) {
            let kept = cases.iter().map(|case| (case.name().to_string(), case.kept.clone())).collect();
            book.becomes.scripts.insert(name, kept);
        }
    }

    pub fn save(&self) -> Result<()> {
        self.books.values().try_for_each(|book| book.becomes.save(&book.path))
    }
}
