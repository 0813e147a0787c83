//! robots.txt: the paths that a host allows a program to fetch, and how often (RFC 9309; also `Crawl-delay`).

use std::time::Duration;

/// The user agent that groups may name.
const NAME: &str = "levain";
/// Maximum number of bytes read of a robots.txt.
pub const MOST: usize = 512 << 10;

/// The rules of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Robots {
    /// Patterns, and whether each allows its paths.
    rules: Vec<(String, bool)>,
    /// Seconds between two requests.
    pub delay: Option<Duration>,
    /// The file was unreachable: its rules are unknown, so nothing is allowed.
    pub is_missing: bool,
}

impl Robots {
    /// The rules of a host whose robots.txt was unreachable.
    pub fn missing() -> Robots {
        Robots { rules: vec![("/".into(), false)], delay: None, is_missing: true }
    }

    /// Reads the groups for levain, or, without any, the groups for all agents.
    pub fn read(text: &str) -> Robots {
        let (mut own, mut all) = (None, Robots::default());
        let (mut to_own, mut to_all, mut in_names) = (false, false, false);
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            if key == "user-agent" {
                if !in_names {
                    (to_own, to_all, in_names) = (false, false, true);
                }
                // a version may follow the name
                let name = value.split('/').next().unwrap_or_default().trim();
                to_own |= name.eq_ignore_ascii_case(NAME);
                to_all |= name == "*";
                if to_own {
                    own.get_or_insert_with(Robots::default);
                }
                continue;
            }
            in_names = false;
            let groups = [own.as_mut().filter(|_| to_own), Some(&mut all).filter(|_| to_all)];
            groups.into_iter().flatten().for_each(|group| group.take(&key, value));
        }
        own.unwrap_or(all)
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "allow" | "disallow" if !value.is_empty() => self.rules.push((value.to_string(), key == "allow")),
            "crawl-delay" => {
                let seconds = value.parse::<f64>().ok().filter(|seconds| (0.0..86_400.0).contains(seconds));
                self.delay = seconds.map(Duration::from_secs_f64).or(self.delay);
            }
            _ => {}
        }
    }

    /// Whether a path may be fetched: the longest matching pattern decides; of equally long ones, the one that allows.
    pub fn allows(&self, path: &str) -> bool {
        let fitting = self.rules.iter().filter(|(pattern, _)| fits(pattern.as_bytes(), path.as_bytes()));
        fitting.max_by_key(|(pattern, allows)| (pattern.len(), *allows)).is_none_or(|(_, allows)| *allows)
    }
}

/// Whether a path matches a pattern from its start; `*` is any text and `$` the end.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, to_end) = pattern.strip_suffix(b"$").map_or((pattern, false), |pattern| (pattern, true));
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let parts: Vec<&[u8]> = parts.collect();
    for (at, part) in parts.iter().enumerate() {
        if to_end && at + 1 == parts.len() {
            return rest.ends_with(part);
        }
        let found = if part.is_empty() { Some(0) } else { rest.windows(part.len()).position(|some| some == *part) };
        let Some(found) = found else { return false };
        rest = &rest[found + part.len()..];
    }
    !to_end || rest.is_empty()
}
