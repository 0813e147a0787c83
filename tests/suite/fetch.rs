//! Fetching pages of a list of addresses, from a simulated web with rules, delays and faults.

use levain::clean::fetch::{FetchPlan, PageUrl, Robots};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Standing {
    asked: Vec<(String, Instant)>,
    agents: Vec<String>,
    /// Number of busy responses per path.
    busy: HashMap<String, usize>,
    robots: String,
    robots_status: u16,
    open: usize,
    most_open: usize,
}

struct Site {
    address: String,
    standing: Arc<Mutex<Standing>>,
}

impl Site {
    fn new(robots: &str) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let standing = Standing { robots: robots.into(), robots_status: 200, ..Standing::default() };
        let standing = Arc::new(Mutex::new(standing));
        let shared = standing.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let standing = shared.clone();
                thread::spawn(move || drop(answer(stream, &standing)));
            }
        });
        Site { address, standing }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Paths requested since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.standing.lock().unwrap().asked).into_iter().map(|(path, _)| path).collect()
    }
}

fn answer(mut stream: TcpStream, standing: &Mutex<Standing>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut agent = String::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if line.to_lowercase().starts_with("user-agent:") {
                agent = line[11..].trim().to_string();
            }
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_string();
        let (robots, busy) = {
            let mut held = standing.lock().unwrap();
            held.asked.push((path.clone(), Instant::now()));
            held.agents.push(agent);
            held.open += 1;
            held.most_open = held.most_open.max(held.open);
            let busy = held.busy.entry(path.clone()).or_default();
            *busy += 1;
            let busy = *busy;
            ((held.robots_status, held.robots.clone()), busy)
        };
        let html = "Content-Type: text/html; charset=utf-8";
        let (status, headers, body): (u16, String, Vec<u8>) = match path.as_str() {
            "/robots.txt" => (robots.0, "Content-Type: text/plain".into(), robots.1.into_bytes()),
            "/gbk" => (200, "Content-Type: text/html; charset=gbk".into(), b"<p>\xb5\xda\xd2\xbb\xcc\xf5</p>".to_vec()),
            "/plain" => (200, "Content-Type: text/plain".into(), b"plain text".to_vec()),
            "/picture" => (200, "Content-Type: image/png".into(), b"\x89PNG".to_vec()),
            "/gone" => (404, html.into(), b"gone".to_vec()),
            "/busy" if busy < 3 => (503, "Retry-After: 0".into(), Vec::new()),
            "/limited" if busy < 2 => (429, "Retry-After: 1".into(), Vec::new()),
            "/later" => (503, "Retry-After: 86400".into(), Vec::new()),
            "/broken" => (500, html.into(), Vec::new()),
            "/old" => (301, "Location: new/page".into(), Vec::new()),
            "/round" => (302, "Location: /round".into(), Vec::new()),
            "/secret-way" => (302, "Location: /private/x".into(), Vec::new()),
            "/large" => (200, html.into(), vec![b'x'; 300_000]),
            _ => (200, html.into(), format!("<p>the page {path}</p>").into_bytes()),
        };
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
        standing.lock().unwrap().open -= 1;
    }
}

fn plan(folder: &tempfile::TempDir) -> FetchPlan {
    FetchPlan {
        out: folder.path().join("pages"),
        delay: Duration::ZERO,
        retries: 3,
        pause: Duration::from_millis(5),
        timeout: Duration::from_secs(30),
        max_bytes: 200_000,
        robots: true,
        hosts: 4,
        contact: None,
    }
}

fn rows(folder: &tempfile::TempDir, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path().join("pages").join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn pages_come_in_order_and_what_has_none_is_told() {
    let site = Site::new("User-agent: *\nDisallow: /private\n");
    let folder = tempfile::tempdir().unwrap();
    let paths = [
        "/a",
        "/gbk",
        "/gone",
        "/picture",
        "/plain",
        "/private/y",
        "/old",
        "/round",
        "/secret-way",
        "/large",
        "/busy",
        "/limited",
        "/later",
        "/broken",
        "/a",
    ];
    let mut urls: Vec<String> = paths.iter().map(|path| site.url(path)).collect();
    urls.push("ftp://example.org/x".into());
    let done = plan(&folder).run(&urls).unwrap();
    assert_eq!((done.urls, done.pages, done.failed, done.cached), (15, 6, 9, 0));
    let pages = rows(&folder, "pages.jsonl");
    let of = |at: usize, field: &str| pages[at][field].as_str().unwrap_or_default().to_string();
    let order: Vec<String> = (0..6).map(|at| of(at, "url").replace(&site.address, "")).collect();
    assert_eq!(order, ["/a", "/gbk", "/plain", "/old", "/busy", "/limited"]);
    assert_eq!(of(0, "html"), "<p>the page /a</p>");
    assert_eq!((of(1, "html"), of(1, "type")), ("<p>第一条</p>".into(), "text/html".into()));
    assert_eq!(of(2, "text"), "plain text");
    assert_eq!((of(3, "final_url"), pages[3]["status"].as_u64()), (site.url("/new/page"), Some(200)));
    assert!(of(0, "date").starts_with("20") && of(0, "date").ends_with('Z'), "{}", of(0, "date"));
    let failed: Vec<(String, String)> = rows(&folder, "failed.jsonl")
        .iter()
        .map(|row| {
            (
                row["url"].as_str().unwrap().replace(&site.address, ""),
                row["why"].as_str().unwrap().replace(&site.address, "SITE"),
            )
        })
        .collect();
    let expected = [
        ("/gone", "status 404"),
        ("/picture", "it is image/png, and no text"),
        ("/private/y", "robots.txt of SITE does not allow it"),
        ("/round", "it is sent on more than 5 times"),
        ("/secret-way", "robots.txt of SITE does not allow it"),
        ("/large", "an answer of more than 200000 bytes"),
        ("/later", "status 503, and it asks to come back in 86,400 s"),
        ("/broken", "status 500, 4 times"),
        ("ftp://example.org/x", "it is no address of http or https"),
    ];
    assert_eq!(failed, expected.map(|(url, why)| (url.to_string(), why.to_string())));
    // robots.txt is requested once, forbidden pages never, and one request at a time
    let asked = site.asked();
    assert_eq!(asked.iter().filter(|path| *path == "/robots.txt").count(), 1);
    assert!(!asked.iter().any(|path| path.starts_with("/private")), "{asked:?}");
    assert_eq!(asked.iter().filter(|path| *path == "/busy").count(), 3);
    assert_eq!(site.standing.lock().unwrap().most_open, 1);

    // the same again: existing pages, and permanent failures, are not requested again
    let again = plan(&folder).run(&urls).unwrap();
    assert_eq!((again.pages, again.failed, again.cached), (6, 9, 10));
    assert_eq!(rows(&folder, "pages.jsonl"), pages);
    let asked = site.asked();
    assert!(
        asked.iter().all(|path| ["/robots.txt", "/later", "/broken", "/secret-way"].contains(&path.as_str())),
        "{asked:?}"
    );
    // an incomplete last line after a kill is ignored, and the page is fetched again
    let log = folder.path().join("pages/fetched.jsonl");
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() - 7]).unwrap();
    let healed = plan(&folder).run(&urls).unwrap();
    assert_eq!((healed.pages, healed.failed, healed.cached), (6, 9, 9));
    // other addresses beside them, in another order
    let more = [site.url("/b"), urls[1].clone()];
    let done = plan(&folder).run(&more).unwrap();
    assert_eq!((done.pages, done.cached, done.requests), (2, 1, 1));
    assert_eq!(rows(&folder, "pages.jsonl")[1], pages[1]);
}

#[test]
fn hosts_are_asked_at_their_pace() {
    let site = Site::new("User-agent: levain\nCrawl-delay: 0.3\nDisallow:\n\nUser-agent: *\nDisallow: /\n");
    let fast = Site::new("");
    let folder = tempfile::tempdir().unwrap();
    let urls: Vec<String> = (0..4).flat_map(|at| [site.url(&format!("/{at}")), fast.url(&format!("/{at}"))]).collect();
    let how = FetchPlan { delay: Duration::from_millis(50), contact: Some("mail@example.org".into()), ..plan(&folder) };
    assert_eq!(how.run(&urls).unwrap().pages, 8);
    for (site, least) in [(&site, 300), (&fast, 50)] {
        let held = site.standing.lock().unwrap();
        let times: Vec<Instant> =
            held.asked.iter().filter(|(path, _)| path != "/robots.txt").map(|(_, time)| *time).collect();
        for pair in times.windows(2) {
            // the other side's clock starts when it has read the request
            assert!(
                pair[1] - pair[0] >= Duration::from_millis(least - 20),
                "{:?}, below {least} ms",
                pair[1] - pair[0]
            );
        }
        assert!(
            held.agents
                .iter()
                .all(|agent| agent == concat!("levain/", env!("CARGO_PKG_VERSION"), " (+mail@example.org)")),
            "{:?}",
            held.agents
        );
    }
    let urls: Vec<String> = fast.standing.lock().unwrap().asked.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(urls, ["/robots.txt", "/0", "/1", "/2", "/3"]);
}

#[test]
fn rules_that_can_not_be_had_allow_nothing_and_none_allow_all() {
    for (status, pages) in [(500, 0), (404, 1)] {
        let site = Site::new("");
        site.standing.lock().unwrap().robots_status = status;
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(plan(&folder).run(&[site.url("/a")]).unwrap().pages, pages, "{status}");
        let failed = rows(&folder, "failed.jsonl");
        assert!(failed.iter().all(|row| row["why"].as_str().unwrap().ends_with("can't be had now")), "{failed:?}");
        let own = FetchPlan { robots: false, ..plan(&folder) };
        assert_eq!(own.run(&[site.url("/a")]).unwrap().pages, 1);
    }
    // no server
    let folder = tempfile::tempdir().unwrap();
    let quick = FetchPlan { retries: 0, robots: false, ..plan(&folder) };
    assert_eq!(quick.run(&["http://127.0.0.1:9/".into()]).unwrap().failed, 1);
}

#[test]
fn robots_are_read_as_the_standard_says() {
    let text = "# all\nUser-agent: other\nDisallow: /\n\nUSER-AGENT: *\nUser-agent: Levain/2\nDisallow: /a\nAllow: /a/b # but this\nDisallow: /*.pdf$\nDisallow: /q?x=\nCrawl-Delay: 2.5\n";
    let robots = Robots::read(text);
    let allowed = ["/", "/a/b", "/a/b/c", "/x.pdf?download", "/q?y=1", "/b"];
    let forbidden = ["/a", "/a/c", "/abc", "/x.pdf", "/deep/y.pdf", "/q?x=1"];
    assert!(allowed.iter().all(|path| robots.allows(path)) && !forbidden.iter().any(|path| robots.allows(path)));
    assert_eq!(robots.delay, Some(Duration::from_millis(2500)));
    // a specific group takes precedence over the general one
    let own = Robots::read("User-agent: *\nDisallow: /\nUser-agent: levain\nAllow: /\n");
    assert!(own.allows("/x"));
    assert!(Robots::read("").allows("/x") && Robots::read("<html>no rules</html>").allows("/x"));
    assert!(!Robots::read("user-agent:*\ndisallow:/").allows("/x"));
}

#[test]
fn addresses_are_read_and_joined() {
    let at = |text: &str| PageUrl::parse(text).map(|url| url.text());
    assert_eq!(at("HTTPS://Example.ORG:443").as_deref(), Some("https://example.org/"));
    assert_eq!(at("http://example.org:8080/a?b=c#d").as_deref(), Some("http://example.org:8080/a?b=c"));
    assert_eq!(at("https://zh.example.org/法律").as_deref(), Some("https://zh.example.org/%E6%B3%95%E5%BE%8B"));
    for wrong in [
        "example.org",
        "ftp://example.org",
        "https://",
        "https://a b.org",
        "https://name:word@example.org",
        "http:///x",
    ] {
        assert_eq!(at(wrong), None, "{wrong}");
    }
    let base = PageUrl::parse("https://example.org/a/b/c?q=1").unwrap();
    for (to, whole) in [
        ("/x", "https://example.org/x"),
        ("d", "https://example.org/a/b/d"),
        ("../d/./e?f=../g", "https://example.org/a/d/e?f=../g"),
        ("../../../../x/", "https://example.org/x/"),
        ("?r=2", "https://example.org/a/b/c?r=2"),
        ("//other.org/y", "https://other.org/y"),
        ("http://other.org", "http://other.org/"),
    ] {
        assert_eq!(base.join(to).unwrap().text(), whole, "{to}");
    }
    assert_eq!(base.join("mailto:a@b.org"), None);
}

#[test]
fn a_confined_script_fetches_nothing() {
    let bounds = levain::limits::Bounds::new(levain::Limits::default(), Some(Vec::new()));
    let folder = tempfile::tempdir().unwrap();
    let told = levain::limits::within(&bounds, || plan(&folder).run(&["http://127.0.0.1:9/".into()])).unwrap_err();
    assert!(told.to_string().contains("may not open a connection"), "{told}");
}
