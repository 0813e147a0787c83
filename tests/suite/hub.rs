//! Models and datasets by name, from a simulated hub with every fault.

use levain::hub::{Held, Name, Settings, Want, fetch, held, remove};
use levain::model::Model;
use levain::tensor::DType;
use levain::token::Tokenizer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

/// The fault of the next transfer of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The connection ends in the middle.
    Cut,
    /// The transfer stalls, and the connection stays open.
    Stall,
    /// The bytes differ.
    Wrong,
    /// More bytes arrive than announced.
    Long,
    /// The requested range is ignored.
    NoRange,
    Status(u16),
    /// The file is at another address, which must not receive the key.
    Elsewhere,
}

#[derive(Default)]
struct Standing {
    files: BTreeMap<String, Vec<u8>>,
    faults: Vec<Fault>,
    /// The response to all requests about a repository.
    refuses: Option<(u16, &'static str)>,
    /// Announces a wrong hash of the files.
    lies: bool,
    asked: Vec<String>,
}

struct Hub {
    address: String,
    standing: Arc<Mutex<Standing>>,
    cache: tempfile::TempDir,
    /// Long, so that a slow machine does not fail; short where a transfer stalls.
    wait: Duration,
}

fn large(path: &str) -> bool {
    path.ends_with(".safetensors") || path.ends_with(".parquet")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Hub {
    fn of(files: BTreeMap<String, Vec<u8>>) -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let standing = Arc::new(Mutex::new(Standing { files, ..Standing::default() }));
        let (shared, own) = (standing.clone(), address.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (standing, own) = (shared.clone(), own.clone());
                thread::spawn(move || drop(answer(stream, &standing, &own)));
            }
        });
        Hub { address, standing, cache: tempfile::tempdir().unwrap(), wait: Duration::from_secs(30) }
    }

    /// The tiny model under the name org/tiny.
    fn tiny() -> Hub {
        let folder = std::fs::read_dir("scripts/models/tiny").unwrap().map(|entry| entry.unwrap().path());
        let read = |path: std::path::PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        };
        Hub::of(folder.filter(|path| path.is_file()).map(read).collect())
    }

    fn settings(&self) -> Settings {
        let (endpoint, cache) = (self.address.clone(), self.cache.path().join("hub"));
        Settings {
            endpoint,
            cache,
            token: Some("hf_secret".into()),
            offline: false,
            wait: self.wait,
            pause: Duration::from_millis(20),
        }
    }

    fn get(&self, name: &str, want: Want) -> levain::Result<std::path::PathBuf> {
        fetch("get", &Name::parse("get", name).unwrap().unwrap(), want, &self.settings())
    }

    fn set(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.lock().unwrap());
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.standing.lock().unwrap().asked)
    }

    /// The error message with the help below it.
    fn fault(&self, name: &str, want: Want) -> String {
        let error = self.get(name, want).unwrap_err();
        format!("{error} {}", error.advice().unwrap_or_default())
    }
}

fn answer(stream: TcpStream, standing: &Mutex<Standing>, own: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let (mut range, mut key) = (None, false);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            key |= line == "authorization: bearer hf_secret";
            range = range.or_else(|| line.strip_prefix("range: bytes=")?.trim_end_matches('-').parse::<usize>().ok());
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_string();
        let mut held = standing.lock().unwrap();
        held.asked.push(match range {
            Some(from) => format!("{path} from {from}"),
            None => path.clone(),
        });
        if !key && !path.starts_with("/elsewhere") {
            plain(&stream, 401, &[("X-Error-Code", "RepoNotFound")], b"")?;
        } else if let Some((status, code)) = held.refuses {
            plain(&stream, status, &[("X-Error-Code", code)], b"")?;
        } else if path.starts_with("/api/") {
            let body = facts(&held, &path).to_string();
            plain(&stream, 200, &[], body.as_bytes())?;
        } else {
            let name = path
                .split_once(&format!("/resolve/{SHA}/"))
                .map_or_else(|| path.replace("/elsewhere/", ""), |(_, name)| name.to_string());
            let fault = if held.faults.is_empty() { None } else { Some(held.faults.remove(0)) };
            let bytes = held.files[&name].clone();
            drop(held);
            transfer(&stream, &name, &bytes, range, fault, own)?;
        }
    }
}

fn facts(held: &Standing, path: &str) -> Value {
    if !path.contains("/tree/") {
        return json!({ "sha": SHA, "siblings": [] });
    }
    let list = held.files.iter().map(|(path, bytes)| {
        let mut entry = json!({ "type": "file", "path": path, "size": bytes.len(), "oid": "89abcdef89abcdef89abcdef89abcdef89abcdef" });
        entry["oid"] = json!(format!("{:040x}", bytes.len()));
        if large(path) {
            let hash = if held.lies { "00".repeat(32) } else { hex(&Sha256::digest(bytes)) };
            entry["lfs"] = json!({ "oid": hash, "size": bytes.len() });
        }
        entry
    });
    // a path that does not belong in a cache
    let evil = json!({ "type": "file", "path": "../../evil.json", "size": 1, "oid": "ab".repeat(20) });
    list.chain([evil]).collect()
}

fn plain(mut stream: &TcpStream, status: u16, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    stream.write_all(body)
}

fn transfer(
    mut stream: &TcpStream,
    name: &str,
    bytes: &[u8],
    range: Option<usize>,
    fault: Option<Fault>,
    own: &str,
) -> std::io::Result<()> {
    match fault {
        Some(Fault::Status(status)) => return plain(stream, status, &[], b"no"),
        Some(Fault::Elsewhere) => {
            let location = format!("{}/elsewhere/{name}", own.replace("127.0.0.1", "localhost"));
            return plain(stream, 302, &[("Location", &location)], b"");
        }
        _ => {}
    }
    let from = range.filter(|_| fault != Some(Fault::NoRange)).unwrap_or(0);
    let body = &bytes[from..];
    let (wrong, long): (Vec<u8>, Vec<u8>) = (body.iter().map(|byte| !byte).collect(), [body, b"more"].concat());
    let body = match fault {
        Some(Fault::Wrong) => &wrong[..],
        Some(Fault::Long) => &long[..],
        _ => body,
    };
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let ranged = if from > 0 {
        format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len())
    } else {
        String::new()
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\n{ranged}Content-Length: {}\r\n\r\n", body.len()).as_bytes())?;
    match fault {
        Some(Fault::Cut) => {
            stream.write_all(&body[..body.len() / 2])?;
            stream.shutdown(Shutdown::Both)
        }
        Some(Fault::Stall) => {
            stream.write_all(&body[..body.len() / 3])?;
            thread::sleep(Duration::from_secs(3));
            stream.shutdown(Shutdown::Both)
        }
        _ => stream.write_all(body),
    }
}

#[test]
fn names_are_read_and_nothing_else() {
    let read = |given: &str| Name::parse("model", given).unwrap().unwrap();
    let name = read("hf:org/name@v1.0/data/train-*.parquet");
    assert_eq!(
        (name.repo.as_str(), name.revision.as_str(), name.path.as_deref()),
        ("org/name", "v1.0", Some("data/train-*.parquet"))
    );
    assert_eq!(
        (read("hf:gpt2").repo.as_str(), read("hf:datasets/org/name").folder().as_str()),
        ("gpt2", "datasets--org--name")
    );
    assert!(Name::parse("model", "scripts/models/tiny").unwrap().is_none());
    for wrong in [
        "hf:",
        "hf:../etc",
        "hf:org/",
        "hf:org/na me",
        "hf:org/name@",
        "hf:org/name/../../x",
        "hf:org/name//x",
        "hf:datasets/",
    ] {
        let told = Name::parse("model", wrong).unwrap_err().to_string();
        assert!(told.contains(wrong), "{told}");
    }
}

#[test]
fn a_model_is_fetched_once_and_opened_from_the_cache() {
    let hub = Hub::tiny();
    let folder = hub.get("hf:org/tiny", Want::Model).unwrap();
    assert!(folder.ends_with(format!("models--org--tiny/snapshots/{SHA}")), "{}", folder.display());
    let net = Model::open(&folder, DType::F32).unwrap();
    assert_eq!(
        net.parameter_count(),
        Model::open(Path::new("scripts/models/tiny"), DType::F32).unwrap().parameter_count()
    );
    assert!(Tokenizer::open(&folder).is_ok());
    assert!(
        !folder.join("README.md").exists() && !folder.join("curve.svg").exists(),
        "what nobody reads is not fetched"
    );
    // as in Python's library: blobs by hash, links to them, and the commit of a branch
    let blob = hex(&Sha256::digest(std::fs::read("scripts/models/tiny/model.safetensors").unwrap()));
    let link = std::fs::read_link(folder.join("model.safetensors")).unwrap();
    assert_eq!(link, Path::new("../../blobs").join(&blob));
    assert_eq!(std::fs::read_to_string(folder.join("../../refs/main")).unwrap(), SHA);
    hub.asked();
    assert_eq!(hub.get("hf:org/tiny", Want::Model).unwrap(), folder);
    assert!(hub.asked().iter().all(|path| path.starts_with("/api/")), "nothing is fetched twice");
    // offline, and with the hub unreachable
    let offline = Settings { offline: true, endpoint: "http://127.0.0.1:9".into(), ..hub.settings() };
    let name = |given: &str| Name::parse("get", given).unwrap().unwrap();
    assert_eq!(fetch("get", &name("hf:org/tiny"), Want::Model, &offline).unwrap(), folder);
    let told = fetch("get", &name("hf:org/other"), Want::Model, &offline).unwrap_err();
    assert!(told.advice().unwrap().contains("HF_HUB_OFFLINE"), "{told}");
    let away = Settings { offline: false, ..offline };
    assert_eq!(fetch("get", &name("hf:org/tiny"), Want::Model, &away).unwrap(), folder);
    assert_eq!(fetch("get", &name(&format!("hf:org/tiny@{SHA}")), Want::Model, &away).unwrap(), folder);
    assert!(fetch("get", &name("hf:org/other"), Want::Model, &away).unwrap_err().to_string().contains("127.0.0.1:9"));
    let cache = hub.settings().cache;
    let Held { name: own, bytes, refs, .. } = held("cache", &cache).unwrap().remove(0);
    assert_eq!((own.as_str(), refs), ("hf:org/tiny", vec![("main".to_string(), SHA.to_string())]));
    assert!(bytes > 1_000_000);
    assert!(
        remove("cache", &cache, &name("hf:org/tiny")).unwrap()
            && !remove("cache", &cache, &name("hf:org/tiny")).unwrap()
    );
    assert_eq!(held("cache", &cache).unwrap(), []);
}

#[test]
fn a_transfer_goes_on_where_it_broke_off() {
    for faults in [
        vec![Fault::Cut],
        vec![Fault::Stall, Fault::Cut, Fault::Cut],
        vec![Fault::Status(503), Fault::Cut, Fault::NoRange],
        vec![Fault::Elsewhere],
        vec![Fault::Status(429)],
    ] {
        let stalls = faults.contains(&Fault::Stall);
        let hub = Hub { wait: Duration::from_secs(if stalls { 1 } else { 30 }), ..Hub::tiny() };
        hub.set(|held| held.files.retain(|path, _| large(path)));
        hub.set(|held| held.faults = faults.clone());
        let folder = hub.get("hf:org/tiny", Want::Model).unwrap();
        let (made, own) = (
            std::fs::read(folder.join("model.safetensors")).unwrap(),
            std::fs::read("scripts/models/tiny/model.safetensors").unwrap(),
        );
        assert!(made == own, "{faults:?}");
        let resumed = hub.asked().iter().filter(|path| path.contains(" from ")).count();
        let broken = faults.iter().filter(|fault| matches!(fault, Fault::Cut | Fault::Stall)).count();
        // a slow machine may stall by itself
        assert!(if stalls { resumed > 0 } else { resumed == broken }, "{faults:?}: {resumed}");
        let blobs: Vec<_> =
            std::fs::read_dir(folder.join("../../blobs")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(blobs.len(), 1, "{blobs:?}");
    }
}

#[test]
fn what_does_not_come_right_is_told() {
    let hub = Hub::tiny();
    hub.set(|held| held.files.retain(|path, _| large(path)));
    let told = |faults: Vec<Fault>| {
        hub.set(|held| held.faults = faults);
        hub.fault("hf:org/tiny", Want::Model)
    };
    assert!(told(vec![Fault::Wrong]).contains("its sha256 is"));
    assert!(told(vec![Fault::Long]).contains("more than the"));
    assert!(told(vec![Fault::Status(404)]).contains("there is no such file"));
    assert!(told(vec![Fault::Status(503); 4]).contains("status 503"));
    let begun = Instant::now();
    let empty = told(vec![Fault::Cut, Fault::Status(503), Fault::Status(503), Fault::Status(503), Fault::Status(503)]);
    assert!(empty.contains("status 503") && begun.elapsed() < Duration::from_secs(30), "{empty}");
    // after all that it is fetched, from the end of the last attempt
    assert!(hub.get("hf:org/tiny", Want::Model).is_ok());
    let hub = Hub::tiny();
    hub.set(|held| held.lies = true);
    assert!(hub.fault("hf:org/tiny", Want::Model).contains("the hub announced 0000"));
    assert!(!hub.settings().cache.join("models--org--tiny/snapshots").join(SHA).join("model.safetensors").exists());
    let hub =
        Hub::of(BTreeMap::from([("x-q8_0.gguf".to_string(), vec![0; 9]), ("config.json".to_string(), vec![0; 8])]));
    assert!(hub.fault("hf:org/x", Want::Model).contains("`hf:org/x/x-q8_0.gguf` is one"));
    assert!(hub.get("hf:org/x/x-q8_0.gguf", Want::Model).is_ok());
    for (status, code, words) in [
        (401, "RepoNotFound", "no such repository, or it is private"),
        (403, "GatedRepo", "access is granted on request"),
        (404, "RevisionNotFound", "there is no revision `main`"),
        (404, "", "no such repository"),
        (429, "", "too many requests"),
    ] {
        hub.set(|held| held.refuses = Some((status, code)));
        let told = hub.fault("hf:org/other", Want::Model);
        assert!(told.contains(words) && told.contains("hf:org/other"), "{told}");
        assert!(!told.contains("hf_secret"));
    }
}

#[test]
fn datasets_are_files_folders_and_patterns_of_a_name() {
    let rows = |text: &str| format!("{{\"text\": \"{text}\"}}\n").into_bytes();
    let files =
        [("data/train-0.jsonl", "a"), ("data/train-1.jsonl", "b"), ("data/test-0.jsonl", "c"), ("README.md", "d")];
    let hub = Hub::of(files.iter().map(|(path, text)| (path.to_string(), rows(text))).collect());
    // two files of one length have one hash here: the contents decide, so they must differ
    hub.set(|held| held.files.iter_mut().enumerate().for_each(|(at, (_, bytes))| bytes.extend(vec![b'\n'; at])));
    let count = |name: &str| {
        let place = hub.get(name, Want::Data).unwrap();
        levain::data::Source::expand("dataset", &[&place.display().to_string()]).unwrap().read("dataset").unwrap().rows
    };
    assert_eq!(count("hf:datasets/org/rows/data/test-0.jsonl"), 1);
    assert_eq!(count("hf:datasets/org/rows/data/train-*.jsonl"), 2);
    assert_eq!(count("hf:datasets/org/rows"), 3);
    let told = hub.fault("hf:datasets/org/rows/data/test-1.jsonl", Want::Data);
    assert!(told.contains("`data/test-0.jsonl` is meant"), "{told}");
}

/// Killed at any moment, in the middle of a file too, the next run resumes at the same point, and existing files are complete.
#[test]
fn a_download_that_is_killed_goes_on() {
    let hub = Hub::tiny();
    hub.set(|standing| standing.files.retain(|path, _| large(path)));
    let parts = || {
        let blobs = hub.settings().cache.join("models--org--tiny/blobs");
        let entries = std::fs::read_dir(blobs).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "incomplete")).collect::<Vec<_>>()
    };
    let held = || parts().iter().filter_map(|path| path.metadata().ok()).map(|facts| facts.len()).max().unwrap_or(0);
    let mut most = 0;
    for pause in [0, 3, 10, 30, 100, 300] {
        // the first transfer of the weights stalls in the middle
        hub.set(|standing| standing.faults = vec![Fault::Stall]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
        command.args(["get", "org/tiny"]).env("HF_ENDPOINT", &hub.address).env("NO_PROXY", "*");
        command.env("HF_TOKEN", "hf_secret").env("HF_HUB_CACHE", hub.settings().cache);
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        while pause >= 10 && held() <= most && Instant::now() < limit {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(held() >= most, "what was there stays: {} after {most} bytes", held());
        most = held();
    }
    assert!(most > 0, "it was killed within a file");
    hub.set(|standing| standing.faults.clear());
    hub.asked();
    let path = hub.get("hf:org/tiny", Want::Model).unwrap();
    let whole = std::fs::read("scripts/models/tiny/model.safetensors").unwrap();
    assert!(std::fs::read(path.join("model.safetensors")).unwrap() == whole && parts().is_empty(), "{:?}", parts());
    assert!(hub.asked().iter().any(|path| path.ends_with(&format!(" from {most}"))), "it goes on where it was");
}

/// The command line, with the environment of Python's library.
#[test]
fn the_command_line_gets_lists_and_removes() {
    let hub = Hub::tiny();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
        command.args(words).env("HF_ENDPOINT", &hub.address).env("HF_TOKEN", "hf_secret");
        let told = command.env("HF_HUB_CACHE", hub.settings().cache).env("NO_PROXY", "*").output().unwrap();
        (told.status.code(), String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned())
    };
    let (code, told) = run(&["get", "org/tiny"]);
    assert!(code == Some(0) && told.contains(SHA), "{told}");
    let (_, told) = run(&["cache"]);
    assert!(told.contains("hf:org/tiny") && told.contains("main 0123456") && told.contains("1 name,"), "{told}");
    let script = hub.cache.path().join("x.rhai");
    std::fs::write(&script, "print(model(\"hf:org/tiny\")); print(tokenizer(\"hf:org/tiny\").len());\n").unwrap();
    let script = script.display().to_string();
    let (code, told) = run(&["run", &script]);
    assert!(code == Some(0) && told.contains("llama, 6 layers") && told.contains("4096"), "{told}");
    let (code, told) = run(&["run", "--sandbox", &hub.cache.path().display().to_string(), &script]);
    assert!(code == Some(2) && told.contains("may not open a connection"), "{told}");
    assert_eq!(run(&["cache", "--remove", "hf:org/tiny"]).0, Some(0));
    assert_eq!(run(&["cache", "--remove", "hf:org/tiny"]).0, Some(2));
}
