//! The status of a folder shared by several processes: finished runs, the process working on each run, and the expected end.
//!
//! All of it is read from the folder: the planned runs, their results, and the claims of working processes. Ages are differences
//! of times from the folder's file system, so a wrong clock does not affect them; it is reported.

use super::claim::{Lock, lock};
use super::heartbeat;
use super::owner::{Owner, span};
use crate::files::sums::{self, Check};
use crate::plot::Table;
use crate::text::{counted, thousands};
use crate::{Result, bail, files};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Maximum depth of searched folders.
const DEPTH: usize = 4;
/// Folders inside a run, which contain no other runs.
const INNER: [&str; 4] = ["checkpoint", "weights", "best", "work"];
/// Number of recently finished runs from which the speed is estimated.
const RECENT: usize = 16;
/// Tolerated clock difference in seconds.
const CLOCK: f64 = 60.0;

pub struct Status {
    pub folder: PathBuf,
    pub groups: Vec<Group>,
    pub workers: Vec<Worker>,
    pub warnings: Vec<String>,
}

/// The runs of one folder.
pub struct Group {
    pub name: String,
    pub done: usize,
    pub failed: usize,
    /// Number of planned runs, if known.
    pub total: Option<usize>,
    /// Estimated seconds until all are done, if possible.
    pub left: Option<f64>,
}

/// A process that claims a run.
pub struct Worker {
    pub run: String,
    pub owner: Owner,
    pub state: State,
    /// Seconds since its last beat.
    pub age: Option<f64>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum State {
    Runs,
    /// On another machine, without a recent beat.
    Silent,
    Ended,
}

/// A finished run.
struct Done {
    at: SystemTime,
    failed: bool,
}

/// Results of the search.
#[derive(Default)]
struct Found {
    claims: Vec<PathBuf>,
    done: BTreeMap<PathBuf, Done>,
    /// Planned runs with their costs.
    planned: BTreeMap<PathBuf, f64>,
    warnings: Vec<String>,
}

impl Status {
    pub fn of(who: &str, folder: &Path) -> Result<Status> {
        if !files::is_folder(folder) {
            bail!(who, "{} is not a folder", folder.display());
        }
        let mut found = Found::default();
        found.walk(who, folder, 0)?;
        if found.claims.is_empty() && found.done.is_empty() && found.planned.is_empty() {
            bail!(who, "{} has no runs: neither results, nor claims, nor a plan", folder.display());
        }
        let time = files::time_in(folder).unwrap_or_else(SystemTime::now);
        let workers: Vec<Worker> = found.claims.iter().filter_map(|path| worker(who, folder, path, time)).collect();
        // a training run's folder is claimed too
        let workers = distinct(workers);
        let mut warnings = std::mem::take(&mut found.warnings);
        warnings.extend(clocks(&workers, folder, time));
        warnings.extend(namesakes(&workers));
        let groups = found.groups(folder, &workers, time);
        Ok(Status { folder: folder.to_path_buf(), groups, workers, warnings })
    }

    pub fn working(&self) -> usize {
        self.workers.iter().filter(|worker| worker.state == State::Runs).count()
    }
}

impl Found {
    fn walk(&mut self, who: &str, folder: &Path, depth: usize) -> Result<()> {
        for path in files::list(who, folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if files::is_folder(&path) {
                if depth < DEPTH && !name.starts_with('.') && !INNER.contains(&name.as_str()) {
                    self.walk(who, &path, depth + 1)?;
                }
            } else if name.ends_with(".claim") {
                self.claims.push(path);
            } else if name == "plan.json" {
                self.plan(who, folder, &path)?;
            } else if name.ends_with(".json") {
                self.result(who, path)?;
            }
        }
        Ok(())
    }

    /// The object in a file; damage is reported, and other JSON values are ignored.
    fn object(&mut self, who: &str, path: &Path) -> Result<Option<Map<String, Value>>> {
        let Some(bytes) = files::read_if_there(who, path)? else { return Ok(None) };
        if sums::checked(&bytes) == Check::Wrong {
            self.warnings.push(format!(
                "{} is damaged: it is not what its checksum says; removed, its run is done again",
                path.display()
            ));
            return Ok(None);
        }
        Ok(serde_json::from_slice(&bytes).ok())
    }

    fn plan(&mut self, who: &str, folder: &Path, path: &Path) -> Result<()> {
        let plan = self.object(who, path)?.unwrap_or_default();
        for run in plan.get("runs").and_then(Value::as_array).into_iter().flatten() {
            let (name, cost) = (run.get("path").and_then(Value::as_str), run.get("cost").and_then(Value::as_f64));
            if let Some(name) = name {
                self.planned.insert(folder.join(name), cost.unwrap_or(1.0));
            }
        }
        Ok(())
    }

    fn result(&mut self, who: &str, path: PathBuf) -> Result<()> {
        let Some(object) = self.object(who, &path)? else { return Ok(()) };
        let (Some(_), Some(result)) = (object.get("options"), object.get("result")) else { return Ok(()) };
        let failed = ["failed", "error"].iter().any(|key| result.get(key).is_some_and(|why| !why.is_null()));
        let at = files::modified(&path).unwrap_or(SystemTime::UNIX_EPOCH);
        self.done.insert(path, Done { at, failed });
        Ok(())
    }

    /// The runs by folder: the planned ones, otherwise the finished ones.
    fn groups(&self, folder: &Path, workers: &[Worker], time: SystemTime) -> Vec<Group> {
        let mut all: BTreeMap<PathBuf, Vec<&PathBuf>> = BTreeMap::new();
        let is_planned = !self.planned.is_empty();
        for path in if is_planned { self.planned.keys().collect::<Vec<_>>() } else { self.done.keys().collect() } {
            all.entry(path.parent().unwrap_or(folder).to_path_buf()).or_default().push(path);
        }
        let mut groups = Vec::new();
        for (place, runs) in all {
            let done: Vec<&PathBuf> = runs.iter().copied().filter(|path| self.done.contains_key(*path)).collect();
            let failed = done.iter().filter(|path| self.done[**path].failed).count();
            let left = is_planned.then(|| self.left(&runs, workers, time)).flatten();
            let total = is_planned.then_some(runs.len());
            groups.push(Group { name: below(folder, &place), done: done.len(), failed, total, left });
        }
        groups
    }

    /// Estimated seconds until these runs are done, at the speed of recent ones; before two are done, by the progress of running
    /// ones.
    fn left(&self, runs: &[&PathBuf], workers: &[Worker], time: SystemTime) -> Option<f64> {
        let cost = |path: &PathBuf| self.planned.get(path).copied().unwrap_or(1.0);
        let open: f64 = runs.iter().filter(|path| !self.done.contains_key(**path)).map(|path| cost(path)).sum();
        let working = workers.iter().filter(|worker| worker.state == State::Runs).count();
        if open == 0.0 || working == 0 {
            return (open == 0.0).then_some(0.0);
        }
        let mut ended: Vec<(SystemTime, f64)> =
            runs.iter().filter_map(|path| Some((self.done.get(*path)?.at, cost(path)))).collect();
        ended.sort_by_key(|(at, _)| *at);
        let ended = &ended[ended.len().saturating_sub(RECENT)..];
        if let [first, rest @ .., _] = ended {
            let spent = time.duration_since(first.0).unwrap_or_default().as_secs_f64();
            let made: f64 = ended[ended.len() - rest.len() - 1..].iter().map(|(_, cost)| cost).sum();
            return Some(spent / made * open);
        }
        let shares = workers.iter().filter(|worker| worker.state == State::Runs).filter_map(|worker| {
            let (_, at, of) = worker.owner.doing.as_ref().filter(|(_, at, of)| *at > 0 && of >= at)?;
            Some(worker.owner.worked() * *of as f64 / *at as f64)
        });
        let each: Vec<f64> = shares.collect();
        let mean = each.iter().sum::<f64>() / each.len() as f64;
        let count = runs.iter().filter(|path| !self.done.contains_key(**path)).count();
        (!each.is_empty()).then(|| mean * (count as f64 / working as f64).ceil())
    }
}

/// One line for each run with a working process.
fn distinct(workers: Vec<Worker>) -> Vec<Worker> {
    let mut all: Vec<Worker> = Vec::new();
    for worker in workers {
        let is_same = |other: &Worker| {
            other.run == worker.run
                && other.owner.process == worker.owner.process
                && other.owner.host == worker.owner.host
        };
        if !all.iter().any(is_same) {
            all.push(worker);
        }
    }
    all
}

fn below(folder: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(folder).unwrap_or(path).display().to_string();
    if inner.is_empty() { ".".into() } else { inner }
}

fn worker(who: &str, folder: &Path, path: &Path, time: SystemTime) -> Option<Worker> {
    // ignore a claim that vanishes meanwhile
    let bytes = files::read_if_there(who, path).ok()??;
    let owner = Owner::read(&bytes)?;
    let written = files::modified(path);
    let age = written.and_then(|at| time.duration_since(at).ok()).map(|age| age.as_secs_f64());
    let run = below(folder, path);
    let run = run.trim_end_matches(".claim").trim_end_matches(".json").trim_end_matches("/run").to_string();
    let state = match owner.is_near() {
        // trying the lock would keep others away from a claim that was just created
        true if owner.may_run() => State::Runs,
        true => match files::change(who, path).ok()?.map(|file| lock(&file)) {
            Some(Lock::Held) => State::Runs,
            _ => State::Ended,
        },
        false if age.is_some_and(|age| age >= heartbeat::silence().as_secs_f64()) => State::Silent,
        false => State::Runs,
    };
    Some(Worker { run, owner, state, age })
}

/// Seconds by which the first is ahead.
fn ahead(one: SystemTime, other: SystemTime) -> f64 {
    match one.duration_since(other) {
        Ok(time) => time.as_secs_f64(),
        Err(error) => -error.duration().as_secs_f64(),
    }
}

fn off(seconds: f64) -> String {
    format!("{} {}", span(seconds.abs()), if seconds > 0.0 { "ahead" } else { "behind" })
}

/// Wrong clocks: this machine's, and those of machines whose last beat has another time than its file.
fn clocks(workers: &[Worker], folder: &Path, time: SystemTime) -> Vec<String> {
    let mut told = Vec::new();
    let own = ahead(SystemTime::now(), time);
    if own.abs() > CLOCK {
        told.push(format!("the clock of this machine is {} of that of {}", off(own), folder.display()));
    }
    for worker in workers.iter().filter(|worker| !worker.owner.is_near() && worker.owner.now > 0) {
        let Some(age) = worker.age else { continue };
        let beaten = SystemTime::UNIX_EPOCH + Duration::from_secs(worker.owner.now);
        let theirs = ahead(beaten, time) + age;
        let line = format!("the clock of {} is {} of that of {}", worker.owner.host, off(theirs), folder.display());
        if theirs.abs() > CLOCK && !told.contains(&line) {
            told.push(line);
        }
    }
    told
}

/// Machines with the same name.
fn namesakes(workers: &[Worker]) -> Vec<String> {
    let mut boots: BTreeMap<&str, Vec<&Option<String>>> = BTreeMap::new();
    for worker in workers.iter().filter(|worker| worker.state == State::Runs) {
        let own = boots.entry(&worker.owner.host).or_default();
        if !own.contains(&&worker.owner.boot) {
            own.push(&worker.owner.boot);
        }
    }
    let several = boots.into_iter().filter(|(_, boots)| boots.len() > 1);
    several.map(|(host, boots)| format!("{} machines are called {host}", boots.len())).collect()
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines = Vec::new();
        for group in &self.groups {
            let of = group.total.map_or(String::new(), |total| format!(" of {}", thousands(total)));
            let failed = if group.failed > 0 { format!(", {} of them failed", group.failed) } else { String::new() };
            let left = match group.left {
                Some(left) if left > 0.0 => format!(", about {} left", span(left)),
                None if group.total.is_some_and(|total| total > group.done) && self.working() > 0 => {
                    ", too few to say how long the rest takes".into()
                }
                None if group.total.is_some_and(|total| total > group.done) => {
                    ", and nobody works on the rest".to_string()
                }
                _ => String::new(),
            };
            lines.push(format!("{}: {}{of} done{failed}{left}", group.name, thousands(group.done)));
        }
        if self.workers.is_empty() {
            lines.push(format!("nobody works in {}", self.folder.display()));
        } else {
            lines.push(self.table().to_string());
        }
        let hosts: std::collections::BTreeSet<&str> = self.workers.iter().map(|one| one.owner.host.as_str()).collect();
        if !hosts.is_empty() {
            lines.push(format!("seen from {}: claims of {}", files::host(), counted(hosts.len(), "machine")));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        f.write_str(&lines.join("\n"))
    }
}

impl Status {
    fn table(&self) -> Table {
        let rows = self.workers.iter().map(|worker| {
            let far =
                worker.owner.doing.as_ref().map_or(String::new(), |(label, at, of)| format!("{label}: {at} of {of}"));
            vec![
                worker.run.clone(),
                worker.owner.host.clone(),
                worker.owner.process.to_string(),
                span(worker.owner.worked()),
                far,
                worker.state.told(worker.age),
            ]
        });
        let headings = ["run", "machine", "process", "for", "how far", ""].map(String::from).to_vec();
        Table { title: String::new(), headings, rows: rows.collect() }
    }
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Runs => "runs",
            State::Silent => "silent",
            State::Ended => "ended",
        }
    }

    fn told(self, age: Option<f64>) -> String {
        match self {
            State::Runs => String::new(),
            State::Silent => {
                format!("no beat for {}: the next process takes it over", age.map_or_else(String::new, span))
            }
            State::Ended => "has ended: the next process takes it over".into(),
        }
    }
}
