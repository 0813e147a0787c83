//! A stream of bytes as blocks of whole lines.

use super::FilePosition;
use crate::Result;
use std::io::Read;

/// How much is read at a time.
const BLOCK: usize = 1 << 20;

/// Whole lines, and where they are in the file.
pub struct Block {
    pub text: String,
    /// Number of its first line, from 1.
    pub line: usize,
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
            Ok(text) => Ok(Some(Block { text, line })),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let bytes = error.as_bytes();
                let line = line + bytes[..valid].iter().filter(|&&byte| byte == b'\n').count();
                let at = offset + valid;
                Err(self.place.line(line, format!("byte {at} of the text (0x{:02x}) is not UTF-8", bytes[valid])))
            }
        }
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
