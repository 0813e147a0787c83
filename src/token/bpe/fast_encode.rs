//! Encoding without the engine, in cases with the same ids: byte-level BPE with a common pre-tokenizer, in a text without added
//! tokens.

use crate::cancel::Pace;
use crate::sync::unpoisoned;
use crate::token::bpe::{BpeScratch, ByteBpe, Merges};
use crate::token::engine::Engine;
use crate::token::words::split::Cutter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Bytes of text after which building the index pays off.
const MANY: usize = 1 << 18;

pub struct FastEncode {
    bpe: ByteBpe,
    cutter: Cutter,
    /// Special tokens before and after a text.
    around: (Vec<u32>, Vec<u32>),
    /// Bytes of text encoded so far.
    seen: AtomicUsize,
    /// One for each thread that has encoded a text.
    spare: Mutex<Vec<BpeScratch>>,
}

impl FastEncode {
    pub fn of(engine: &Engine, merges: Arc<Merges>) -> Option<FastEncode> {
        let cutter = Cutter::of(engine)?;
        let bpe = ByteBpe::of(engine, merges)?;
        Some(FastEncode { around: around(engine)?, bpe, cutter, seen: AtomicUsize::new(0), spare: Mutex::default() })
    }

    /// `None` if the engine must encode the text.
    pub fn ids(&self, text: &str, special: bool) -> Option<Vec<u32>> {
        if self.seen.fetch_add(text.len(), Ordering::Relaxed) > MANY {
            self.bpe.build_index();
        }
        let mut scratch = self.spare().pop().unwrap_or_default();
        let mut ids = Vec::with_capacity(text.len() / 3);
        if special {
            ids.extend(&self.around.0);
        }
        let mut known = true;
        let pace = Pace::default();
        let cut = self.cutter.words(text, |word| {
            pace.step();
            // after a word that needs the engine, so does the rest
            known = known && self.bpe.write(word.as_bytes(), &mut scratch, &mut ids);
        });
        if special {
            ids.extend(&self.around.1);
        }
        self.spare().push(scratch);
        (cut && known).then_some(ids)
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<BpeScratch>> {
        unpoisoned(self.spare.lock())
    }
}

/// The special tokens around a text, if they are the same for every text.
fn around(engine: &Engine) -> Option<(Vec<u32>, Vec<u32>)> {
    let ids = |text: &str, special| Some(engine.encode_fast(text, special).ok()?.get_ids().to_vec());
    let [letter] = ids("a", false)?[..] else { return None };
    let with = ids("a", true)?;
    let at = with.iter().position(|id| *id == letter)?;
    let (before, after) = (with[..at].to_vec(), with[at + 1..].to_vec());
    (ids("", true)? == [before.as_slice(), after.as_slice()].concat()).then_some((before, after))
}
