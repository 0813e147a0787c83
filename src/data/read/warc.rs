//! WARC, the format of web crawls (ISO 28500; Common Crawl, wget). A row for each page or text.

use super::{FilePosition, Tables, charset};
use crate::data::column::Cell;
use crate::data::table::TableBuilder;
use crate::{Result, cancel};
use std::io::{BufRead, BufReader, Read};

type Input = BufReader<Box<dyn Read + Send>>;

/// Bytes of pages per table of the stream.
const BLOCK: usize = 1 << 20;
/// Maximum length of a header line, and number of lines.
const LINE: u64 = 1 << 16;
const LINES: usize = 1000;

/// Rows of `url`, `date`, `type`, `status`, and `html` for pages or `text` for plain text. Images and other records that are not
/// text are skipped.
pub fn open(input: Box<dyn Read + Send>, place: FilePosition) -> Tables {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut done = false;
    Box::new(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let (mut rows, mut held) = (TableBuilder::default(), 0);
        while held < BLOCK {
            match cancel::check().and_then(|()| record(&mut input, &place)) {
                Ok(Some(record)) => held += record.put(&mut rows),
                Ok(None) => {
                    done = true;
                    break;
                }
                Err(error) => {
                    done = true;
                    return Some(Err(error));
                }
            }
        }
        (rows.rows() > 0 || !done).then(|| Ok(rows.finish()))
    }))
}

/// Lowercase header names with their values.
type Header = Vec<(String, String)>;

fn value<'h>(header: &'h Header, name: &str) -> Option<&'h str> {
    header.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

struct Record {
    url: String,
    date: String,
    kind: String,
    status: Option<i64>,
    body: Vec<u8>,
}

impl Record {
    /// Adds it to the table, if it is text; returns its bytes.
    fn put(self, rows: &mut TableBuilder) -> usize {
        let (kind, rest) = self.kind.split_once(';').unwrap_or((&self.kind, ""));
        let kind = kind.trim().to_ascii_lowercase();
        let is_page = kind.contains("html") || kind.contains("xml");
        if self.body.is_empty() || !(is_page || kind.starts_with("text/") || kind.ends_with("json")) {
            return self.body.len();
        }
        let labeled = rest.to_ascii_lowercase().split_once("charset=").and_then(|(_, label)| charset::labeled(label));
        let text = charset::lossy(&self.body, labeled);
        let field = if is_page { "html" } else { "text" };
        let mut set = |name: &str, cell: Cell| rows.column(name).push(cell);
        set("url", Cell::Text(&self.url));
        set("date", Cell::Text(&self.date));
        set("type", Cell::Text(&kind));
        set("status", self.status.map_or(Cell::Null, Cell::Int));
        set(field, Cell::Text(&text));
        if rows.end_row().is_err() {
            unreachable!("all records have the same few fields");
        }
        self.body.len()
    }
}

/// The next record; `None` at the end of the file.
fn record(input: &mut Input, place: &FilePosition) -> Result<Option<Record>> {
    let fault = |what: &str| place.error(format!("broken WARC: {what}"));
    let mut version = String::new();
    // records are separated by blank lines
    while version.trim().is_empty() {
        if !line(input, &mut version, place)? {
            return Ok(None);
        }
    }
    if !version.starts_with("WARC/") {
        let shown: String = version.trim().chars().take(40).collect();
        return Err(fault(&format!("a record begins with {shown:?}")));
    }
    let header = header(input, place)?;
    let length: u64 = value(&header, "content-length")
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| fault("a record does not tell its length"))?;
    let kind = value(&header, "warc-type").unwrap_or_default();
    let mut body = input.take(length);
    let mut record = Record {
        url: value(&header, "warc-target-uri").unwrap_or_default().trim_matches(['<', '>']).to_string(),
        date: value(&header, "warc-date").unwrap_or_default().to_string(),
        kind: value(&header, "content-type").unwrap_or_default().to_string(),
        status: None,
        body: Vec::new(),
    };
    if matches!(kind, "response" | "resource" | "conversion") {
        crate::limits::room(place.who, length.min(1 << 40), "a record")?;
        body.read_to_end(&mut record.body).map_err(|error| place.io(&error))?;
        if (record.body.len() as u64) < length {
            return Err(fault("the file ends in the middle of a record"));
        }
    } else {
        let skipped = std::io::copy(&mut body, &mut std::io::sink()).map_err(|error| place.io(&error))?;
        if skipped < length {
            return Err(fault("the file ends in the middle of a record"));
        }
    }
    if kind == "response" && record.kind.starts_with("application/http") {
        record = answer(record);
    }
    Ok(Some(record))
}

/// Parses a record's HTTP response. A broken one becomes empty.
fn answer(record: Record) -> Record {
    let (head, at) = match find(&record.body, b"\r\n\r\n").map(|at| (at, at + 4)) {
        Some(found) => found,
        None => match find(&record.body, b"\n\n") {
            Some(at) => (at, at + 2),
            None => return Record { body: Vec::new(), ..record },
        },
    };
    let text = String::from_utf8_lossy(&record.body[..head]).into_owned();
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let header: Header = lines.filter_map(pair).collect();
    let mut body = record.body[at..].to_vec();
    if value(&header, "transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked")) {
        // some crawlers store the decoded body but keep the header
        body = unchunked(&body).unwrap_or(body);
    }
    let coding = value(&header, "content-encoding").unwrap_or_default().to_ascii_lowercase();
    if coding.contains("gzip") && body.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        // a truncated body is text up to there
        let _ = flate2::read::MultiGzDecoder::new(body.as_slice()).take(1 << 30).read_to_end(&mut plain);
        body = plain;
    }
    Record { kind: value(&header, "content-type").unwrap_or_default().to_string(), status, body, ..record }
}

/// The bytes of a chunked body (RFC 9112, 7.1).
fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = find(body, b"\r\n")?;
        let size = std::str::from_utf8(&body[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let from = end + 2;
        whole.extend_from_slice(body.get(from..from.checked_add(size)?)?);
        body = body.get(from + size + 2..)?;
    }
}

fn find(bytes: &[u8], sign: &[u8]) -> Option<usize> {
    bytes.windows(sign.len()).position(|part| part == sign)
}

fn pair(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().to_ascii_lowercase(), value.trim().to_string()))
}

fn header(input: &mut Input, place: &FilePosition) -> Result<Header> {
    let (mut header, mut text) = (Header::new(), String::new());
    for _ in 0..LINES {
        if !line(input, &mut text, place)? || text.trim().is_empty() {
            return Ok(header);
        }
        header.extend(pair(&text));
    }
    Err(place.error("broken WARC: a header has no end"))
}

/// Reads a line; `false` at the end.
fn line(input: &mut Input, into: &mut String, place: &FilePosition) -> Result<bool> {
    let mut bytes = Vec::new();
    input.take(LINE).read_until(b'\n', &mut bytes).map_err(|error| place.io(&error))?;
    if bytes.len() as u64 == LINE {
        return Err(place.error("broken WARC: a header has no end"));
    }
    *into = String::from_utf8_lossy(&bytes).into_owned();
    Ok(!bytes.is_empty())
}
