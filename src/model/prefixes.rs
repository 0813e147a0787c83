//! What prompts left behind: keys and values for the next prompt that begins alike.

use crate::kernel::decoder::KvCache;
use crate::kernel::matvec::WIDE_ROWS;
use std::collections::VecDeque;

/// The prompts that were read last, within a bound of memory.
pub struct Prefixes {
    bytes: usize,
    /// The oldest first.
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

    /// The keys and values of the longest beginning of `prompt` that is known, at most `most` tokens, and its length.
    pub fn find(&mut self, prompt: &[u32], most: usize) -> Option<(Vec<KvCache>, usize)> {
        let shared = |prefix: &Prefix| prefix.ids.iter().zip(&prompt[..most]).take_while(|(a, b)| a == b).count();
        let (at, count) = self.known.iter().map(shared).enumerate().max_by_key(|(_, count)| *count)?;
        if count <= WIDE_ROWS {
            return None;
        }
        // it was of use, so it goes last
        let prefix = self.known.remove(at)?;
        let kv = firsts(&prefix.kv, count, prefix.ids.len());
        self.known.push_back(prefix);
        Some((kv?, count))
    }

    /// Keeps the part that these ids left of the keys and values of `count` tokens, in the place of what it begins with.
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

/// The keys and values of the first `take` of `count` tokens, layer by layer. None where there is no room for them: they are read again.
fn firsts(kv: &[KvCache], take: usize, count: usize) -> Option<Vec<KvCache>> {
    kv.iter().map(|layer| layer.first(take, count).ok()).collect()
}
