//! A stream of bytes as blocks of whole lines.

use super::{FilePosition, Reject};
use crate::{Error, Result};
use std::io::Read;

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

/// Whole lines, and their position in the file.
pub struct Block {
    pub text: String,
    /// Number of its first line, from 1.
    pub line: usize,
    /// Skipped lines that are not valid text: in `text` they are blank.
    pub rejects: Vec<Reject>,
}

impl Block {
    /// Its lines with their numbers, without line ends.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (self.line + at, line))
    }
}

pub struct LineBlocks {
    input: Box<dyn Read + Send>,
    place: FilePosition,
    rest: Vec<u8>,
    line: usize,
    offset: usize,
    done: bool,
}

impl LineBlocks {
    pub fn new(input: Box<dyn Read + Send>, place: FilePosition) -> LineBlocks {
        LineBlocks { input, place, rest: Vec::new(), line: 1, offset: 0, done: false }
    }

    fn read(&mut self) -> Result<Option<Block>> {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.reserve_exact(BLOCK + 1);
        let end = loop {
            crate::cancel::check()?;
            let before = bytes.len();
            let read = (&mut self.input).take(BLOCK as u64).read_to_end(&mut bytes);
            if read.map_err(|error| self.place.io(&error))? == 0 {
                self.done = true;
                break bytes.len();
            }
            if let Some(end) = bytes[before..].iter().rposition(|&byte| byte == b'\n') {
                break before + end + 1;
            }
        };
        self.rest = bytes.split_off(end);
        if bytes.is_empty() {
            return Ok(None);
        }
        if self.offset == 0 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
            self.offset = 3;
        }
        let (line, offset) = (self.line, self.offset);
        self.line += bytes.iter().filter(|&&byte| byte == b'\n').count();
        self.offset += bytes.len();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(Block { text, line, rejects: Vec::new() })),
            Err(error) if self.place.goes_on() => Ok(Some(self.without_broken(error.as_bytes(), line, offset))),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let line = line + error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
                let what = self.broken(error.as_bytes(), valid, offset);
                Err(self.advised(self.place.line(line, what)))
            }
        }
    }

    /// Describes the invalid byte at `at`.
    fn broken(&self, bytes: &[u8], at: usize, offset: usize) -> String {
        match self.place.is_of {
            "UTF-8" => format!("byte {} of the text (0x{:02x}) is not UTF-8", offset + at, bytes[at]),
            other => format!("what is there is not {other}"),
        }
    }

    fn advised(&self, error: Error) -> Error {
        match self.place.is_of {
            "UTF-8" => error.help("`encoding: \"auto\"` guesses its encoding, `encoding: \"gb18030\"` names one"),
            _ => error.help("another `encoding`, or `on_error: \"skip\"` to leave such lines out"),
        }
    }

    /// The block with its invalid lines blank.
    fn without_broken(&self, bytes: &[u8], first: usize, offset: usize) -> Block {
        let mut block = Block { text: String::with_capacity(bytes.len()), line: first, rejects: Vec::new() };
        let mut start = 0;
        for (at, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            match std::str::from_utf8(line) {
                Ok(text) => block.text.push_str(text),
                Err(error) => {
                    let why = self.broken(bytes, start + error.valid_up_to(), offset);
                    let text = String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_string();
                    block.rejects.push(Reject { line: first + at, why, text });
                    block.text.push('\n');
                }
            }
            start += line.len();
        }
        block
    }
}

impl Iterator for LineBlocks {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Result<Block>> {
        if self.done {
            return None;
        }
        let block = self.read();
        self.done |= block.is_err();
        block.transpose()
    }
}
