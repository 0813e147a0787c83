//! Prefix cache: keys and values of earlier prompts for the next prompt with the same beginning.

use crate::kernel::decoder::KvCache;
use crate::kernel::matvec::WIDE_ROWS;
use std::collections::VecDeque;

/// The most recent prompts, within a memory limit.
pub struct Prefixes {
    bytes: usize,
    /// Oldest first.
    known: VecDeque<Prefix>,
}

struct Prefix {
    ids: Vec<u32>,
    kv: Vec<KvCache>,
}

impl Prefixes {
    pub fn new(bytes: usize) -> Prefixes {
        Prefixes { bytes, known: VecDeque::new() }
    }

    /// The keys and values of the longest known prefix of `prompt`, at most `most` tokens, and its length.
    pub fn find(&mut self, prompt: &[u32], most: usize) -> Option<(Vec<KvCache>, usize)> {
        let shared = |prefix: &Prefix| prefix.ids.iter().zip(&prompt[..most]).take_while(|(a, b)| a == b).count();
        let (at, count) = self.known.iter().map(shared).enumerate().max_by_key(|(_, count)| *count)?;
        if count <= WIDE_ROWS {
            return None;
        }
        // it was used, so it moves to the end
        let prefix = self.known.remove(at)?;
        let kv = firsts(&prefix.kv, count, prefix.ids.len());
        self.known.push_back(prefix);
        Some((kv?, count))
    }

    /// Stores the keys and values for these ids, out of those of `count` tokens, replacing entries that are prefixes of them.
    pub fn keep(&mut self, ids: &[u32], kv: &[KvCache], count: usize) {
        if self.bytes == 0 || self.known.iter().any(|prefix| prefix.ids.starts_with(ids)) {
            return;
        }
        let Some(kv) = firsts(kv, ids.len(), count) else { return };
        self.known.retain(|prefix| !ids.starts_with(&prefix.ids));
        self.known.push_back(Prefix { ids: ids.to_vec(), kv });
        while self.known.iter().map(Prefix::bytes).sum::<usize>() > self.bytes {
            self.known.pop_front();
        }
    }
}

impl Prefix {
    fn bytes(&self) -> usize {
        self.kv.iter().map(KvCache::bytes).sum()
    }
}

/// The keys and values of the first `take` of `count` tokens, layer by layer. `None` if there is no room: they are recomputed.
fn firsts(kv: &[KvCache], take: usize, count: usize) -> Option<Vec<KvCache>> {
    kv.iter().map(|layer| layer.first(take, count).ok()).collect()
}
