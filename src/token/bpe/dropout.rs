//! BPE-dropout (Provilkov et al. 2020, arXiv 1910.13267): at each step of merging a word, each possible merge is skipped with
//! some probability, so that a model sees a word in several segmentations.

use crate::cancel::{self, Pace};
use crate::rng::splitmix;
use crate::token::bpe::merges::Merges;
use crate::token::bpe::tied::Symbol;
use crate::token::tokenizer::Encoding;
use crate::token::{Tokenizer, TokenizerKind};
use crate::{Error, Result, bail};
use rayon::prelude::*;
use tokenizers::OffsetType;

const WHO: &str = "encode";

/// The rate of dropout, and its seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    pub rate: f64,
    pub seed: u64,
}

/// Counter-based random numbers (SplitMix64): the same for the same seed, on any thread.
struct Chance {
    state: u64,
    rate: f64,
}

impl Chance {
    fn new(dropout: Dropout, text: u64) -> Chance {
        let mut chance = Chance { state: dropout.seed ^ text.wrapping_mul(0xd1b5_4a32_d192_ed03), rate: dropout.rate };
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        splitmix(&mut self.state)
    }

    fn drops(&mut self) -> bool {
        ((self.next() >> 11) as f64) / ((1u64 << 53) as f64) < self.rate
    }
}

impl Tokenizer {
    /// Encodes a text with BPE-dropout. `text` is its index in a batch: each text has its own random numbers.
    pub fn encode_dropping(&self, text: &str, special: bool, dropout: Dropout, number: u64) -> Result<Encoding> {
        if !(0.0..=1.0).contains(&dropout.rate) {
            bail!(WHO, "option `bpe_dropout` is {}, not between 0 and 1", dropout.rate);
        }
        if !matches!(self.kind(), TokenizerKind::ByteLevel | TokenizerKind::ByteFallback | TokenizerKind::Bpe) {
            return Err(Error::new(WHO, format!("only BPE has merges to drop; this tokenizer is {}", self.kind()))
                .help("encode without `bpe_dropout`"));
        }
        let merges = self.merges()?;
        let mut chance = Chance::new(dropout, number);
        let merged = |symbols| merge(&merges, symbols, &mut chance);
        let encoding = cancel::stoppable(|| self.encode_symbols(text, special, OffsetType::Byte, merged)).flatten()?;
        let from = self.second_bos(text, encoding.get_ids());
        Ok(Encoding {
            ids: encoding.get_ids()[from..].to_vec(),
            tokens: encoding.get_tokens()[from..].to_vec(),
            offsets: encoding.get_offsets()[from..].to_vec(),
        })
    }

    /// Encodes many texts in parallel.
    pub fn batch_dropping<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        special: bool,
        dropout: Dropout,
    ) -> Result<Vec<Vec<u32>>> {
        let numbered: Vec<(u64, &str)> = (0..).zip(texts.iter().map(AsRef::as_ref)).collect();
        let mut all = Vec::with_capacity(texts.len());
        let current = cancel::current();
        for chunk in numbered.chunks(4096) {
            cancel::check()?;
            let one = |(number, text): &(u64, &str)| {
                cancel::under(&current, || self.encode_dropping(text, special, dropout, *number))
            };
            let part: Vec<Result<Encoding>> = chunk.par_iter().map(one).collect();
            for encoding in part {
                all.push(encoding?.ids);
            }
        }
        Ok(all)
    }
}

fn merge(merges: &Merges, mut symbols: Vec<Symbol>, chance: &mut Chance) -> Vec<Symbol> {
    let pace = Pace::default();
    loop {
        let mut best: Option<(u32, usize)> = None;
        for at in 1..symbols.len() {
            pace.step();
            let Some(rank) = merges.rank(symbols[at - 1].id, symbols[at].id) else { continue };
            if !chance.drops() && best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, at));
            }
        }
        let Some((rank, at)) = best else { return symbols };
        symbols[at - 1] = Symbol { id: merges.whole(rank), start: symbols[at - 1].start, end: symbols[at].end };
        symbols.remove(at);
    }
}
