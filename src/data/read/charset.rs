//! Text encodings: named, declared by the file, or detected from its first bytes.

use super::{FilePosition, Input};
use crate::{Error, Result, bail};
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::io::{Cursor, Read};

/// The encoding to read a file in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8; for a web page, the declared one.
    #[default]
    Usual,
    /// Detected per file.
    Auto,
    Named(&'static Encoding),
}

/// Bytes from the start of a file used for detection.
const SAMPLE: u64 = 1 << 20;
/// Common names; encoding_rs knows all labels of the web.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "auto", "utf-8", "utf-16le", "utf-16be", "gb18030", "gbk", "big5", "euc-jp", "shift_jis", "iso-2022-jp", "euc-kr", "windows-1250",
    "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256", "iso-8859-1", "iso-8859-2",
    "koi8-r", "macintosh",
];

impl Charset {
    /// The encoding of a label: `gb18030`, `shift_jis`, `latin1`; or `auto`.
    pub fn named(who: &str, label: &str) -> Result<Charset> {
        if label.eq_ignore_ascii_case("auto") {
            return Ok(Charset::Auto);
        }
        match Encoding::for_label_no_replacement(label.as_bytes()) {
            Some(encoding) if encoding == UTF_8 => Ok(Charset::Usual),
            Some(encoding) => Ok(Charset::Named(encoding)),
            None => Err(Error::unknown(who, "encoding", label, KNOWN.iter().copied())),
        }
    }
}

/// The encoding detected from the first bytes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub encoding: &'static Encoding,
    /// Bytes of a byte order mark.
    pub mark: usize,
    /// `mark`, `utf-8` (all bytes agree), `zeros` (as in UTF-16), `declared` (in a web page) or `guess`.
    pub by: &'static str,
}

/// Detects the encoding from the first bytes of a text; `whole` if there are no more.
pub fn detect(bytes: &[u8], whole: bool, is_page: bool) -> Found {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return Found { encoding, mark, by: "mark" };
    }
    let found = |encoding, by| Found { encoding, mark: 0, by };
    if let Some(encoding) = wide(bytes) {
        return found(encoding, "zeros");
    }
    let is_utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // a character cut by the sample
        Err(error) => !whole && error.error_len().is_none(),
    };
    if is_utf8 {
        return found(UTF_8, "utf-8");
    }
    if let Some(encoding) = is_page.then(|| declared(bytes)).flatten() {
        return found(encoding, "declared");
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, whole);
    found(detector.guess(None, Utf8Detection::Allow), "guess")
}

/// UTF-16 without a mark: byte pairs that are ASCII characters in one byte order but not in the other. Text that is also valid
/// UTF-8 must consist of such pairs, other text must have some, such as its line ends.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let ascii = |high: u8, low: u8| high == 0 && matches!(low, b'\n' | b'\r' | b'\t' | b' '..=b'~');
    let count = |little: bool| {
        let pairs = bytes.chunks_exact(2);
        pairs.filter(|pair| if little { ascii(pair[1], pair[0]) } else { ascii(pair[0], pair[1]) }).count()
    };
    let (little, big) = (count(true), count(false));
    let share = if std::str::from_utf8(bytes).is_ok() { 2 } else { 100 };
    let enough = (bytes.len() / 2 / share).max(2);
    match () {
        _ if little >= enough && little >= 3 * big => Some(UTF_16LE),
        _ if big >= enough && big >= 3 * little => Some(UTF_16BE),
        _ => None,
    }
}

/// The encoding that a web page declares at its start: `<meta charset="gbk">`, `content="text/html; charset=gbk"`, or the
/// declaration of XML. As in browsers, within the first 1024 bytes.
pub fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    ["charset=", "encoding="].iter().find_map(|sign| {
        let (at, _) = head.match_indices(sign).next()?;
        let rest = head[at + sign.len()..].trim_start_matches(['"', '\'', ' ']);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c))).unwrap_or(rest.len());
        let encoding = Encoding::for_label_no_replacement(&rest.as_bytes()[..end])?;
        // a declaration readable as ASCII is not in UTF-16
        Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
    })
}

/// The input as UTF-8, and the name of its encoding. Invalid input becomes a byte 0xff, which is not valid UTF-8 either: a reader
/// of lines finds it there.
pub fn decoded(
    mut input: Input,
    charset: Charset,
    is_page: bool,
    place: &FilePosition,
) -> Result<(Input, &'static str)> {
    if charset == Charset::Usual && !is_page {
        return Ok((input, UTF_8.name()));
    }
    let mut sample = Vec::new();
    input.by_ref().take(SAMPLE).read_to_end(&mut sample).map_err(|error| place.io(&error))?;
    let whole = (sample.len() as u64) < SAMPLE;
    let found = match charset {
        Charset::Auto => detect(&sample, whole, is_page),
        Charset::Usual => match Encoding::for_bom(&sample) {
            Some((encoding, mark)) => Found { encoding, mark, by: "mark" },
            None => Found { encoding: declared(&sample).unwrap_or(UTF_8), mark: 0, by: "declared" },
        },
        Charset::Named(encoding) => {
            let mark = Encoding::for_bom(&sample).filter(|(marked, _)| *marked == encoding).map_or(0, |(_, mark)| mark);
            Found { encoding, mark, by: "named" }
        }
    };
    let name = found.encoding.name();
    if matches!(found.by, "guess" | "zeros") {
        crate::progress::warn(place.who, format!("{}: read as {name}, a guess", place.path.display()));
    }
    sample.drain(..found.mark);
    let whole: Input = Box::new(Cursor::new(sample).chain(input));
    if found.encoding == UTF_8 {
        return Ok((whole, name));
    }
    Ok((Box::new(Decoded::new(whole, found.encoding)), name))
}

/// Bytes of any encoding as UTF-8, with invalid input as U+FFFD: as a browser reads a page.
pub fn lossy(bytes: &[u8], given: Option<&'static Encoding>) -> String {
    let found = match given {
        Some(encoding) => Found { encoding, mark: 0, by: "named" },
        None => detect(bytes, true, true),
    };
    found.encoding.decode(bytes).0.into_owned()
}

/// The encoding of a web label, as sent by a server.
pub fn labeled(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(label.trim_matches(['"', '\'', ' ']).as_bytes())
}

/// Detects the encoding of a file from its first bytes.
pub fn detect_file(who: &'static str, path: &std::path::Path) -> Result<Found> {
    let place = FilePosition::new(who, path);
    let (format, packing) = super::format_of(who, path)?;
    if format == super::DataFormat::Parquet || format.is_archive() {
        bail!(who, "{}: it is no text, which alone has an encoding", path.display());
    }
    let mut sample = Vec::new();
    let input = super::unpack(Box::new(crate::files::open(who, path)?), packing, &place)?;
    input.take(SAMPLE).read_to_end(&mut sample).map_err(|error| place.io(&error))?;
    Ok(detect(&sample, (sample.len() as u64) < SAMPLE, format == super::DataFormat::Html))
}

/// Bytes decoded at a time.
const PIECE: usize = 1 << 16;

struct Decoded {
    input: Input,
    decoder: Decoder,
    bytes: Vec<u8>,
    /// The part of `bytes` still to be decoded.
    waiting: std::ops::Range<usize>,
    text: Vec<u8>,
    given: usize,
    is_last: bool,
    done: bool,
}

impl Decoded {
    fn new(input: Input, encoding: &'static Encoding) -> Decoded {
        Decoded {
            input,
            decoder: encoding.new_decoder_without_bom_handling(),
            bytes: vec![0; PIECE],
            waiting: 0..0,
            text: Vec::new(),
            given: 0,
            is_last: false,
            done: false,
        }
    }

    fn decode(&mut self) -> std::io::Result<()> {
        if self.waiting.is_empty() && !self.is_last {
            let read = self.input.read(&mut self.bytes)?;
            (self.waiting, self.is_last) = (0..read, read == 0);
        }
        self.text.resize(PIECE * 3 + 16, 0);
        let bytes = &self.bytes[self.waiting.clone()];
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.text, self.is_last);
        self.waiting.start += read;
        self.text.truncate(written);
        self.given = 0;
        match result {
            DecoderResult::Malformed(..) => self.text.push(0xff),
            DecoderResult::InputEmpty => self.done = self.is_last,
            DecoderResult::OutputFull => {}
        }
        Ok(())
    }
}

impl Read for Decoded {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.given == self.text.len() {
            if self.done {
                return Ok(0);
            }
            self.decode()?;
        }
        let count = into.len().min(self.text.len() - self.given);
        into[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
