//! Fetches the pages of a list of addresses politely. Hosts are fetched in parallel, one request at a time per host: after its
//! robots.txt, at its pace, with retries while it is busy. Pages already fetched are not requested again.

mod dates;
mod hosts;
mod log;
mod page;
mod robots;
mod url;

pub use robots::Robots;
pub use url::PageUrl;

use crate::files::http::{self, Client};
use crate::files::{self, Stage};
use crate::plot::progress::{Progress, Tick};
use crate::sync::unpoisoned;
use crate::{Error, Result, bail, cancel, limits, progress};
use hosts::Hosts;
use log::Log;
use page::Outcome;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

const WHO: &str = "clean::fetch";

/// Options of a fetch.
#[derive(Clone, Debug)]
pub struct FetchPlan {
    /// The folder for the pages and the log.
    pub out: PathBuf,
    /// Minimum time between two requests to a host.
    pub delay: Duration,
    /// Number of retries after a temporary failure.
    pub retries: usize,
    /// Delay before the first retry; it doubles with each further one.
    pub pause: Duration,
    /// Timeout of a response.
    pub timeout: Duration,
    /// Maximum size of a page in bytes.
    pub max_bytes: usize,
    /// Whether robots.txt is respected.
    pub robots: bool,
    /// Number of hosts fetched in parallel.
    pub hosts: usize,
    /// Contact address sent to hosts.
    pub contact: Option<String>,
}

/// Result of a fetch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchCount {
    pub urls: usize,
    /// Number of pages present, and of those present before.
    pub pages: usize,
    pub cached: usize,
    pub failed: usize,
    /// Number of requests, without those for robots.txt.
    pub requests: usize,
}

impl FetchPlan {
    fn headers(&self) -> Vec<(&'static str, String)> {
        let version = env!("CARGO_PKG_VERSION");
        let contact = self.contact.as_ref();
        contact.map(|contact| ("user-agent", format!("levain/{version} (+{contact})"))).into_iter().collect()
    }

    /// Fetches the missing pages of these addresses. On return `out` has `pages.jsonl` and `failed.jsonl`, in the order of the
    /// addresses.
    pub fn run(&self, urls: &[String]) -> Result<FetchCount> {
        http::permitted(WHO)?;
        files::make_folder(WHO, &self.out)?;
        files::settle(WHO, &self.out)?;
        let mut seen = HashSet::new();
        let urls: Vec<&String> = urls.iter().filter(|url| seen.insert(url.as_str())).collect();
        let mut log = Log::open(&self.out.join("fetched.jsonl"))?;
        let mut failed: HashMap<&str, String> = HashMap::new();
        let mut queues: VecDeque<(String, Vec<&str>)> = VecDeque::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for url in urls.iter().filter(|url| !log.has(url)) {
            let Some(parsed) = PageUrl::parse(url) else {
                failed.insert(url, "it is no address of http or https".into());
                continue;
            };
            let place = *places.entry(parsed.host.clone()).or_insert_with(|| {
                queues.push_back((parsed.host, Vec::new()));
                queues.len() - 1
            });
            queues[place].1.push(url);
        }
        let waiting: usize = queues.iter().map(|(_, urls)| urls.len()).sum();
        let cached = urls.len() - waiting - failed.len();
        let requests = self.fetch(queues, waiting, &mut log, &mut failed)?;
        let count = self.write(&urls, &mut log, &failed)?;
        Ok(FetchCount { urls: urls.len(), cached, requests, ..count })
    }

    /// Fetches hosts in parallel, the pages of each host one by one.
    fn fetch<'u>(
        &self,
        queues: VecDeque<(String, Vec<&'u str>)>,
        waiting: usize,
        log: &mut Log,
        failed: &mut HashMap<&'u str, String>,
    ) -> Result<usize> {
        let workers = self.hosts.clamp(1, 64).min(queues.len());
        let (cancel, bounds, sink) = (cancel::current(), limits::current(), progress::sink());
        let shown = Progress::new("fetch", waiting as u64, 0, waiting < 3);
        let (queues, hosts) = (Mutex::new(queues), Hosts::default());
        let client = Client::without_redirects(self.timeout);
        let done = Mutex::new((log, failed, 0usize, None::<Error>));
        let work = || {
            loop {
                let Some((_, urls)) = unpoisoned(queues.lock()).pop_front() else { return };
                for url in urls {
                    let result = cancel::check().and_then(|()| page::fetch(url, &client, &hosts, self));
                    let mut done = unpoisoned(done.lock());
                    let (log, failed, requests, fault) = &mut *done;
                    let kept = result.and_then(|(outcome, count)| {
                        *requests += count;
                        match outcome {
                            Outcome::Page(row) | Outcome::Never(row) => log.add(url, &row)?,
                            Outcome::NotNow(why) => drop(failed.insert(url, why)),
                        }
                        Ok(())
                    });
                    if let Err(error) = kept {
                        fault.get_or_insert(error);
                    }
                    if fault.is_some() {
                        unpoisoned(queues.lock()).clear();
                        return;
                    }
                    shown.tick(Tick::default());
                }
            }
        };
        let within = || cancel::under(&cancel, || limits::within(&bounds, || progress::shown_by(&sink, work)));
        std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(within))));
        shown.done();
        let (_, _, requests, fault) = unpoisoned(done.into_inner());
        match fault {
            Some(error) => Err(error),
            None => Ok(requests),
        }
    }

    /// Writes the results, in the order of the addresses.
    fn write(&self, urls: &[&String], log: &mut Log, failed: &HashMap<&str, String>) -> Result<FetchCount> {
        let mut count = FetchCount::default();
        let mut told: Vec<Map<String, Value>> = Vec::new();
        let stage = Stage::begin(WHO, &self.out)?;
        stage.write("pages.jsonl", |out| {
            for url in urls {
                cancel::check()?;
                let Some(line) = log.line(url)? else {
                    let why = failed.get(url.as_str()).map_or("it was not fetched", String::as_str);
                    told.push(failure(url, why, None));
                    continue;
                };
                let row: Map<String, Value> = serde_json::from_slice(&line).unwrap_or_default();
                if row.contains_key("why") {
                    told.push(row);
                    continue;
                }
                count.pages += 1;
                out.write_all(&line).map_err(|error| Error::io(WHO, self.out.join("pages.jsonl"), &error))?;
            }
            Ok(())
        })?;
        count.failed = told.len();
        let lines: String = told.iter().map(|row| format!("{}\n", Value::Object(row.clone()))).collect();
        stage.write_all("failed.jsonl", lines.as_bytes())?;
        stage.commit()?;
        Ok(count)
    }

    pub fn check(&self) -> Result<()> {
        if self.max_bytes == 0 || self.hosts == 0 || self.timeout.is_zero() {
            bail!(WHO, "`max_bytes`, `hosts` and `timeout` are above 0");
        }
        Ok(())
    }
}

/// The row of an address without a page.
fn failure(url: &str, why: &str, status: Option<u16>) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("url".into(), json!(url));
    row.insert("status".into(), json!(status));
    row.insert("why".into(), json!(why));
    row
}
