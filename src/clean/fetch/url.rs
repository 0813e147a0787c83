//! Addresses of pages, as far as a fetcher needs them (RFC 3986).

/// A page address: `http://host:port` and the request target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUrl {
    /// With the scheme, in lower case.
    pub host: String,
    /// From the first slash on, with the query, without the fragment.
    pub path: String,
}

impl PageUrl {
    /// Parses an address; `None` unless it is an HTTP or HTTPS address.
    pub fn parse(text: &str) -> Option<PageUrl> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let default = if scheme == "http" { ":80" } else { ":443" };
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix(default).unwrap_or(&host);
        // credentials in an address must not reach a log
        if host.is_empty()
            || host.contains('@')
            || text.contains(|char: char| char.is_whitespace() || char.is_control())
        {
            return None;
        }
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { encoded(path) } else { format!("/{}", encoded(path)) };
        Some(PageUrl { host: format!("{scheme}://{host}"), path })
    }

    /// Resolves a reference found on the page at this address.
    pub fn join(&self, to: &str) -> Option<PageUrl> {
        let to = to.trim();
        let scheme_end =
            to.find(':').filter(|at| to[..*at].chars().all(|char| char.is_ascii_alphanumeric()) && *at > 0);
        if scheme_end.is_some() {
            return PageUrl::parse(to);
        }
        if let Some(rest) = to.strip_prefix("//") {
            let scheme = self.host.split("://").next().unwrap_or("https");
            return PageUrl::parse(&format!("{scheme}://{rest}"));
        }
        let bare = self.path.split('?').next().unwrap_or("/");
        let path = match to {
            _ if to.starts_with('/') => to.to_string(),
            _ if to.starts_with('?') => format!("{bare}{to}"),
            _ => format!("{}/{to}", &bare[..bare.rfind('/').unwrap_or(0)]),
        };
        let (path, query) = path.split_once('?').map_or((path.as_str(), ""), |(path, query)| (path, query));
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        PageUrl::parse(&format!("{}{}{query}", self.host, without_dots(path)))
    }

    pub fn text(&self) -> String {
        format!("{}{}", self.host, self.path)
    }
}

/// Removes `.` and `..` from a path.
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let last_is_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    for part in path.split('/').filter(|part| !part.is_empty()) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if last_is_folder && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

/// Percent-encodes the bytes of letters outside ASCII.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'!'..=b'~' => out.push(char::from(byte)),
            other => out += &format!("%{other:02X}"),
        }
    }
    out
}
