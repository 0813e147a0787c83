//! Fetches one page: as its host allows, with retries while the host is busy, following redirects.

use super::hosts::Hosts;
use super::{FetchPlan, PageUrl, WHO, dates, failure};
use crate::data::{decode_lossy, labeled_charset};
use crate::files::http::{Answer, Client};
use crate::{Result, cancel, text};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// Maximum number of redirects of a page.
const HOPS: usize = 5;
/// Maximum wait when a host sends `Retry-After`.
const PATIENCE: Duration = Duration::from_secs(300);

/// Result of an address.
pub enum Outcome {
    Page(Map<String, Value>),
    /// Failed for good.
    Never(Map<String, Value>),
    /// Failed for now; a later run may succeed.
    NotNow(String),
}

/// Fetches a page, and returns the number of requests made.
pub fn fetch(url: &str, client: &Client, hosts: &Hosts, plan: &FetchPlan) -> Result<(Outcome, usize)> {
    let never = |why: &str, status: Option<u16>| Outcome::Never(failure(url, why, status));
    let Some(mut at) = PageUrl::parse(url) else { return Ok((never("it is no address of http or https", None), 0)) };
    let mut requests = 0;
    for _ in 0..=HOPS {
        let host = hosts.of(&at.host);
        let robots = host.robots(&at.host, client, plan)?;
        if !robots.allows(&at.path) {
            let why = if robots.is_missing { "can't be had now" } else { "does not allow it" };
            return Ok((Outcome::NotNow(format!("robots.txt of {} {why}", at.host)), requests));
        }
        let delay = plan.delay.max(robots.delay.unwrap_or_default());
        let mut tries = 0;
        let answer = loop {
            cancel::check()?;
            host.wait(delay)?;
            requests += 1;
            let (why, asked) = match client.get(WHO, &at.text(), &plan.headers()) {
                Ok(answer) if answer.status != 429 && answer.status < 500 => break answer,
                Ok(answer) => {
                    let asked = answer.header("retry-after").and_then(|value| dates::until(value, SystemTime::now()));
                    (format!("status {}", answer.status), asked)
                }
                Err(error) => (error.what().to_string(), None),
            };
            if tries == plan.retries {
                return Ok((Outcome::NotNow(format!("{why}, {}", text::counted(tries + 1, "time"))), requests));
            }
            let wait = asked.unwrap_or(plan.pause * (1 << tries.min(10)));
            if wait > PATIENCE {
                let seconds = text::thousands(wait.as_secs());
                return Ok((Outcome::NotNow(format!("{why}, and it asks to come back in {seconds} s")), requests));
            }
            // no other request to the host meanwhile
            host.rest(wait);
            tries += 1;
        };
        match answer.status {
            200..=299 => return Ok((page(url, &at, answer, plan), requests)),
            300..=399 => {
                let Some(to) = answer.header("location").and_then(|to| at.join(to)) else {
                    return Ok((never("it is sent on to nowhere", Some(answer.status)), requests));
                };
                at = to;
            }
            status => return Ok((never(&format!("status {status}"), Some(status)), requests)),
        }
    }
    Ok((never(&format!("it is sent on more than {HOPS} times"), None), requests))
}

/// The row of a page, with the fields of a WARC record.
fn page(url: &str, at: &PageUrl, answer: Answer, plan: &FetchPlan) -> Outcome {
    let status = answer.status;
    let header = answer.header("content-type").unwrap_or("text/html").to_string();
    let (kind, rest) = header.split_once(';').unwrap_or((&header, ""));
    let kind = kind.trim().to_ascii_lowercase();
    let is_page = kind.contains("html") || kind.contains("xml");
    if !(is_page || kind.starts_with("text/") || kind.ends_with("json")) {
        return Outcome::Never(failure(url, &format!("it is {kind}, and no text"), Some(status)));
    }
    let bytes = match answer.bytes(WHO, plan.max_bytes) {
        Ok(bytes) => bytes,
        Err(error) if error.what().contains("broke off") => return Outcome::NotNow(error.what().to_string()),
        Err(error) => return Outcome::Never(failure(url, error.what(), Some(status))),
    };
    let label = rest.to_ascii_lowercase().split_once("charset=").map(|(_, label)| label.to_string());
    let charset = label.and_then(|label| labeled_charset(label.split(';').next().unwrap_or_default()));
    let mut row = Map::new();
    row.insert("url".into(), json!(url));
    row.insert("final_url".into(), json!(at.text()));
    row.insert("date".into(), json!(dates::written(SystemTime::now())));
    row.insert("type".into(), json!(kind));
    row.insert("status".into(), json!(status));
    row.insert((if is_page { "html" } else { "text" }).into(), json!(decode_lossy(&bytes, charset)));
    Outcome::Page(row)
}
