//! Tests: `fn test_…()` in scripts, golden transcripts, and the examples in docs; several in parallel, each isolated.

mod run;
mod timeout;
pub mod walk;

use super::examples::{self, Example};
use super::{Fault, Host, checker, read_script, registry, stdlib};
use crate::sync::unpoisoned;
use run::{Rules, Runner};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use timeout::Timeouts;

/// One test: its name and its result.
pub struct Outcome {
    pub name: String,
    pub fault: Option<Fault>,
    pub time: Duration,
    /// Whether it ran; otherwise the fault is the reason.
    pub ran: bool,
}

impl Outcome {
    /// The outcome of a test that could not run.
    fn fault(name: String, fault: Fault) -> Outcome {
        Outcome { name, fault: Some(fault), time: Duration::ZERO, ran: false }
    }
}

/// One unit of work of a thread, with its own engine.
enum Job {
    /// The tests of a file.
    File(PathBuf),
    Examples(Vec<Example>),
}

impl Job {
    fn name(&self) -> String {
        match self {
            Job::File(path) => path.display().to_string(),
            Job::Examples(examples) => examples.first().map_or_else(String::new, |example| example.source.clone()),
        }
    }
}

/// Number of doc examples that share an engine.
const EXAMPLES: usize = 50;

/// Collects and runs tests.
pub struct Suite {
    host: Host,
    filter: Option<String>,
    /// Time limit of a test.
    pub limit: Duration,
    /// Overwrites transcripts with the current output.
    pub bless: bool,
    jobs: Vec<Job>,
    pub outcomes: Vec<Outcome>,
    /// The rewritten transcripts.
    pub blessed: Vec<PathBuf>,
    /// Functions that look like tests but are not.
    pub left_out: Vec<String>,
}

impl Suite {
    /// A suite that runs the tests whose name contains `filter`.
    pub fn new(filter: Option<&str>) -> Suite {
        let host = Host::new();
        host.output.capture();
        crate::progress::silence();
        let mut suite = Suite {
            host,
            filter: filter.map(str::to_string),
            limit: Duration::from_secs(300),
            bless: false,
            jobs: Vec::new(),
            outcomes: Vec::new(),
            blessed: Vec::new(),
            left_out: Vec::new(),
        };
        for (name, fault) in std::mem::take(&mut suite.host.broken) {
            suite.outcomes.push(Outcome::fault(format!("stdlib/{name}.rhai"), fault));
        }
        for (module, text) in stdlib::MODULES {
            let name = stdlib::source_name(module);
            let faults = checker::check(&mut suite.host, &name, text);
            suite.outcomes.extend(faults.into_iter().map(|fault| Outcome::fault(name.clone(), fault)));
        }
        suite
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.fault.is_none()).count()
    }

    pub fn failures(&self) -> impl Iterator<Item = (&str, &Fault)> {
        self.outcomes.iter().filter_map(|outcome| outcome.fault.as_ref().map(|fault| (outcome.name.as_str(), fault)))
    }

    /// Adds the tests of a file: its `fn test_…()`, or the whole file if it has none. If there is a transcript `NAME.out`, the
    /// output of the whole file is also compared with it. For a Markdown file, adds its examples.
    pub fn file(&mut self, path: &Path) {
        if path.extension().is_none_or(|ending| ending != "md") {
            return self.jobs.push(Job::File(path.to_path_buf()));
        }
        let name = path.display().to_string();
        match read_script(path) {
            Ok(text) => self.examples(examples::blocks(&name, &text)),
            Err(error) => self.outcomes.push(Outcome::fault(name, error.into())),
        }
    }

    /// Adds every test below a folder, sorted by name: scripts and documents.
    pub fn folder(&mut self, path: &Path) {
        let found = walk::files(path, &["rhai", "md", "out"]);
        for file in &found.files {
            let script = file.with_extension("rhai");
            match file.extension().is_some_and(|ending| ending == "out") {
                false => self.file(file),
                true if script.exists() => {}
                true => self.left_out.push(format!("{}: there is no {}", file.display(), script.display())),
            }
        }
        let name = path.display().to_string();
        self.outcomes.extend(found.faults.into_iter().map(|fault| Outcome::fault(name.clone(), fault.into())));
    }

    /// Adds the examples of all native functions and of the standard library.
    pub fn docs(&mut self) {
        self.examples(registry::examples(&self.host));
    }

    fn examples(&mut self, examples: Vec<Example>) {
        self.jobs.extend(examples.chunks(EXAMPLES).map(|some| Job::Examples(some.to_vec())));
    }

    /// Runs the collected tests, on as many threads as native work uses.
    pub fn run(&mut self) {
        let jobs = std::mem::take(&mut self.jobs);
        let rules = Rules { filter: self.filter.as_deref(), bless: self.bless };
        let threads = rayon::current_num_threads().min(jobs.len());
        let watch = Timeouts::new(threads, self.limit);
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Runner)>> = Mutex::default();
        let work = &|seat: usize| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(index) else { return };
                let mut runner = Runner::new(rules, watch.seat(seat));
                match job {
                    Job::File(path) => runner.file(path),
                    Job::Examples(examples) => runner.examples(examples),
                }
                lock(&done).push((index, runner));
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .filter_map(|seat| {
                    // scripts recurse deeply
                    let thread = std::thread::Builder::new().name(format!("tests {seat}")).stack_size(1 << 29);
                    thread.spawn_scoped(scope, move || work(seat)).ok()
                })
                .collect();
            scope.spawn(|| watch.guard());
            threads.into_iter().for_each(|thread| drop(thread.join()));
            watch.end();
        });
        let mut done = unpoisoned(done.into_inner());
        done.sort_by_key(|(index, _)| *index);
        let mut done = done.into_iter().peekable();
        for (index, job) in jobs.iter().enumerate() {
            match done.next_if(|(of, _)| *of == index) {
                Some((_, runner)) => {
                    self.outcomes.extend(runner.outcomes);
                    self.blessed.extend(runner.blessed);
                    self.left_out.extend(runner.left_out);
                }
                None => {
                    self.outcomes.push(Outcome::fault(job.name(), Fault::internal("the thread of this test ended")))
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}

/// The `.rhai` files below a folder, sorted by name.
pub fn scripts(folder: &Path) -> Vec<PathBuf> {
    walk::files(folder, &["rhai"]).files
}
