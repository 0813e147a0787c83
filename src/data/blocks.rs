//! Checksums of an append-only file: a part is verified when it is first read after coming from the disk.

use crate::files::sums;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes per part.
const BLOCK: usize = 1 << 18;

#[derive(Debug, Default)]
pub struct Blocks {
    blocks: Vec<Block>,
    /// Total bytes.
    length: usize,
}

#[derive(Debug, Default)]
struct Block {
    crc32: u32,
    /// Whether it has been verified.
    seen: AtomicBool,
}

impl Blocks {
    /// Records appended bytes.
    pub fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.length == self.blocks.len() * BLOCK {
                self.blocks.push(Block::default());
            }
            let (part, rest) = bytes.split_at(bytes.len().min(self.blocks.len() * BLOCK - self.length));
            if let Some(last) = self.blocks.last_mut() {
                last.crc32 = sums::continued(last.crc32, part);
                *last.seen.get_mut() = false;
            }
            self.length += part.len();
            bytes = rest;
        }
    }

    /// Whether the parts of a file that hold the bytes from `start` to `end` are intact.
    pub fn are_whole(&self, file: &[u8], start: usize, end: usize) -> bool {
        let blocks = &self.blocks[start / BLOCK..end.div_ceil(BLOCK)];
        blocks.iter().zip(file[start / BLOCK * BLOCK..].chunks(BLOCK)).all(|(block, bytes)| {
            if block.seen.load(Ordering::Relaxed) {
                return true;
            }
            let is_whole = sums::continued(0, bytes) == block.crc32;
            block.seen.store(is_whole, Ordering::Relaxed);
            is_whole
        })
    }

    /// Marks the parts as to be read from the disk again.
    pub fn forget(&self) {
        self.blocks.iter().for_each(|block| block.seen.store(false, Ordering::Relaxed));
    }
}
