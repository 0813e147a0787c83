//! `levain watch`: live curves of runs, from their logs.

use super::connections::{self, Bounds};
use super::error::{Answer, ApiError, json_response};
use super::metrics::Metrics;
use super::page;
use crate::cancel;
use crate::sync::unpoisoned;
use crate::{Result, bail, files};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const PAGE: &str = include_str!("watch.html");
/// The name of a run's log in its folder.
const LOG: &str = "log.jsonl";
/// Maximum depth of folders below the watched one.
const DEEP: usize = 4;
/// Maximum size of a page's request, which lists the number of known rows of each run.
const QUESTION: usize = 1 << 20;
const IDLE: Duration = Duration::from_millis(50);

/// The watched paths: logs, and folders that contain some.
struct Watched {
    paths: Vec<PathBuf>,
    logs: Mutex<BTreeMap<PathBuf, Log>>,
}

/// The rows of one log, with its length and modification time when it was read.
#[derive(Default, Clone)]
struct Log {
    size: u64,
    changed: Option<SystemTime>,
    rows: Arc<Vec<Value>>,
}

/// Shows the curves of the runs at these paths until a stop is requested.
pub fn watch(paths: &[PathBuf], address: SocketAddr, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    for path in paths {
        files::readable("watch", path)?;
        if !files::exists(path) {
            bail!("watch", "{} is not there", path.display());
        }
    }
    let watched = Arc::new(Watched { paths: paths.to_vec(), logs: Mutex::default() });
    let router =
        Router::new().route("/", get(async || page::html(PAGE))).route("/rows", post(rows)).with_state(watched);
    let bounds = Bounds { max_connections: 64, read_within: Duration::from_secs(10) };
    let connections = connections::start("watch", address, router, bounds, Arc::new(Metrics::default()))?;
    ready(connections.address);
    let hold = cancel::current().hold();
    while !hold.is_requested() {
        std::thread::sleep(IDLE);
    }
    connections.stop()
}

/// The rows of each run that the page does not have: `{ run: { from, rows } }`, for `{ run: known }`.
async fn rows(State(watched): State<Arc<Watched>>, request: Request) -> Answer<Response> {
    let body = to_bytes(request.into_body(), QUESTION).await.unwrap_or_else(|_| Bytes::new());
    let known: Map<String, Value> = serde_json::from_slice(&body).map_err(|error| ApiError::bad(error.to_string()))?;
    let read = tokio::task::spawn_blocking(move || watched.news(&known)).await;
    let news = read.map_err(|_| ApiError::internal("an internal error: please report it"))?;
    Ok(json_response(StatusCode::OK, &Value::Object(news)))
}

impl Watched {
    fn news(&self, known: &Map<String, Value>) -> Map<String, Value> {
        let mut news = Map::new();
        for (name, path) in self.found() {
            let rows = self.read(&path);
            let known = known.get(&name).and_then(Value::as_u64).unwrap_or(0) as usize;
            // a log that has become shorter was restarted
            let from = if known <= rows.len() { known } else { 0 };
            news.insert(name, json!({ "from": from, "rows": &rows[from..] }));
        }
        news
    }

    /// The existing logs, by the names of their runs.
    fn found(&self) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        for path in &self.paths {
            let own = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if files::is_file(path) {
                found.insert(own, path.clone());
                continue;
            }
            let mut logs = Vec::new();
            below(path, DEEP, &mut logs);
            for log in logs {
                let inside = log.parent().and_then(|folder| folder.strip_prefix(path).ok());
                let inside = inside.map(|inside| inside.display().to_string()).filter(|inside| !inside.is_empty());
                let name = match (inside, self.paths.len()) {
                    (None, _) => own.clone(),
                    (Some(inside), 1) => inside,
                    (Some(inside), _) => format!("{own}/{inside}"),
                };
                found.insert(name, log);
            }
        }
        found
    }

    fn read(&self, path: &Path) -> Arc<Vec<Value>> {
        let mut logs = unpoisoned(self.logs.lock());
        let held = logs.entry(path.to_path_buf()).or_default();
        let (size, changed) = (files::size(path).unwrap_or(0), files::modified(path));
        if size != held.size || changed != held.changed {
            let rows = parsed(&files::read("watch", path).unwrap_or_default());
            *held = Log { size, changed, rows: Arc::new(rows) };
        }
        held.rows.clone()
    }
}

/// The rows of a log; a line still being written has no end yet.
fn parsed(bytes: &[u8]) -> Vec<Value> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let row = |line: &[u8]| match serde_json::from_slice(line) {
        Ok(Value::Object(mut row)) => {
            row.shift_remove(files::sums::KEY);
            Some(Value::Object(row))
        }
        _ => None,
    };
    bytes[..whole].split(|byte| *byte == b'\n').filter_map(row).collect()
}

fn below(folder: &Path, deep: usize, found: &mut Vec<PathBuf>) {
    for path in files::list("watch", folder).unwrap_or_default() {
        if path.file_name().is_some_and(|name| name == LOG) {
            found.push(path);
        } else if deep > 0 && files::is_folder(&path) {
            below(&path, deep - 1, found);
        }
    }
}
