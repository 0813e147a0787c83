//! Hosts: the paths that each allows, and the time of its next request.

use super::robots::{MOST, Robots};
use super::{FetchPlan, WHO};
use crate::files::http::Client;
use crate::sync::unpoisoned;
use crate::{Result, cancel};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Interval between two interrupt checks during a wait.
const GLANCE: Duration = Duration::from_millis(50);

#[derive(Default)]
pub struct Hosts(Mutex<HashMap<String, Arc<Host>>>);

#[derive(Default)]
pub struct Host {
    robots: Mutex<Option<Robots>>,
    /// Time of the earliest next request.
    next: Mutex<Option<Instant>>,
}

impl Hosts {
    pub fn of(&self, name: &str) -> Arc<Host> {
        unpoisoned(self.0.lock()).entry(name.to_string()).or_default().clone()
    }
}

impl Host {
    /// The rules of its robots.txt. A missing file allows all; an unreachable one allows nothing (RFC 9309, 2.3.1).
    pub fn robots(&self, name: &str, client: &Client, plan: &FetchPlan) -> Result<Robots> {
        if !plan.robots {
            return Ok(Robots::default());
        }
        let mut known = unpoisoned(self.robots.lock());
        if let Some(robots) = &*known {
            return Ok(robots.clone());
        }
        let mut url = format!("{name}/robots.txt");
        let mut found = Robots::missing();
        for _ in 0..5 {
            cancel::check()?;
            self.wait(plan.delay)?;
            let Ok(answer) = client.get(WHO, &url, &plan.headers()) else { break };
            let location = answer.header("location").map(str::to_string);
            match (answer.status, location) {
                (200..=299, _) => {
                    let bytes = answer.start(MOST);
                    found = Robots::read(&String::from_utf8_lossy(&bytes));
                    break;
                }
                (300..=399, Some(to)) => {
                    let Some(to) = super::PageUrl::parse(&url).and_then(|from| from.join(&to)) else { break };
                    url = to.text();
                }
                (400..=499, _) if answer.status != 429 => {
                    found = Robots::default();
                    break;
                }
                _ => break,
            }
        }
        *known = Some(found.clone());
        Ok(found)
    }

    /// Waits until the host accepts another request; `delay` is the time from then to the request after it.
    pub fn wait(&self, delay: Duration) -> Result<()> {
        let until = {
            let mut next = unpoisoned(self.next.lock());
            let now = Instant::now();
            let until = next.unwrap_or(now).max(now);
            *next = Some(until + delay);
            until
        };
        pause(until.saturating_duration_since(Instant::now()))
    }

    /// Sends the host no request for this duration.
    pub fn rest(&self, time: Duration) {
        let mut next = unpoisoned(self.next.lock());
        let until = Instant::now() + time;
        *next = Some(next.map_or(until, |next| next.max(until)));
    }
}

/// Waits, unless an interrupt is requested.
pub fn pause(time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    loop {
        cancel::check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(GLANCE));
    }
}
