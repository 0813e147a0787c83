//! Continued BPE: new tokens and merges for texts, starting from an existing tokenizer's segmentation.

use crate::token::bpe::bpe_train::{self, MergeLimits, Vocabulary};
use crate::token::bpe::pair_index::Corpus;
use crate::token::bpe::{BpeScratch, ByteBpe};
use crate::token::engine::told;
use crate::token::words::CountedWords;
use crate::token::{Tokenizer, TokenizerKind, words};
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use tokenizers::Model;

/// An extension of a BPE tokenizer: missing characters, then merges, in id order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// New tokens in id order, from merges or single characters.
    pub tokens: Vec<String>,
    /// The merge of each token that is not a single character.
    pub merges: Vec<(String, String)>,
    /// Occurrences of each merge's pair when it was chosen.
    pub counts: Vec<u64>,
}

impl Tokenizer {
    /// Continues BPE training on `texts`, from this tokenizer's own segmentation: up to `count` new tokens, from pairs that occur
    /// at least `min_frequency` times, with at most `max_token_length` characters.
    pub fn continue_bpe<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        count: usize,
        min_frequency: u64,
        max_token_length: usize,
    ) -> Result<Proposal> {
        let mut counter = self.count_words("continue_bpe")?;
        counter.add(texts)?;
        self.continue_counted(counter, count, min_frequency, max_token_length)
    }

    /// Counts words for [`Tokenizer::continue_counted`], over texts added in parts.
    pub fn count_words(&self, who: &str) -> Result<words::Counter<'_>> {
        self.need_bpe(who)?;
        Ok(words::Counter::new(self))
    }

    pub fn continue_counted(
        &self,
        counter: words::Counter,
        count: usize,
        min_frequency: u64,
        max_token_length: usize,
    ) -> Result<Proposal> {
        let counted = counter.finish();
        if counted.is_empty() {
            bail!("continue_bpe", "there are no words in the texts");
        }
        self.continue_on(counted, &MergeLimits { count, min_frequency, max_token_length })
    }

    pub(in crate::token) fn need_bpe(&self, who: &str) -> Result<()> {
        match self.kind() {
            TokenizerKind::ByteLevel | TokenizerKind::ByteFallback | TokenizerKind::Bpe => Ok(()),
            kind => {
                let error = Error::new(who, format!("only BPE has merges; this tokenizer is {kind}"));
                Err(error.help(match who {
                    "retrain" => "train another with `tokenizer(texts, #{ model_type: … })`",
                    _ => "give `extend` a list of words",
                }))
            }
        }
    }

    pub(in crate::token) fn continue_on(&self, counted: CountedWords, limits: &MergeLimits) -> Result<Proposal> {
        let characters: fn(&str) -> usize = match self.kind() {
            TokenizerKind::ByteLevel => crate::token::alphabet::characters,
            _ => |token| token.chars().count(),
        };
        let mut vocabulary = Vocabulary::new(self.tokens().to_vec(), "", characters);
        vocabulary.barred = self.engine().get_added_tokens_decoder().into_values().map(|token| token.content).collect();
        let corpus = self.segment(&counted, &mut vocabulary)?;
        drop(counted);
        let first = self.len();
        let merges = bpe_train::run(corpus, &mut vocabulary, limits)?;
        let token = |id: u32| vocabulary.tokens[id as usize].clone();
        Ok(Proposal {
            tokens: vocabulary.tokens[first..].to_vec(),
            merges: merges.iter().map(|merge| (token(merge.left), token(merge.right))).collect(),
            counts: merges.iter().map(|merge| merge.count).collect(),
        })
    }

    /// Words as symbols: ids, and characters missing in the vocabulary.
    fn segment(&self, counted: &CountedWords, vocabulary: &mut Vocabulary) -> Result<Corpus> {
        const WORDS: usize = 4096;
        /// Number of words from which building the index pays off.
        const MANY: usize = 1 << 14;
        let bytes = self.merges().ok().and_then(|merges| ByteBpe::of(self.engine(), merges));
        if let Some(bpe) = bytes.as_ref().filter(|_| counted.len() > MANY) {
            bpe.build_index();
        }
        let outside = if bytes.as_ref().is_some_and(ByteBpe::has_all_bytes) {
            HashMap::new()
        } else {
            self.outside(counted, vocabulary)
        };
        let some = |from: &usize| -> Result<(Vec<u32>, Vec<usize>)> {
            let (mut symbols, mut ends, mut scratch) = (Vec::new(), Vec::new(), BpeScratch::default());
            for at in *from..(from + WORDS).min(counted.len()) {
                match (&bytes, counted.bytes(at)) {
                    (Some(bpe), Some(word)) if bpe.write(&word, &mut scratch, &mut symbols) => {}
                    _ => self.symbols(&counted.word(at), &outside, &mut symbols)?,
                }
                ends.push(symbols.len());
            }
            Ok((symbols, ends))
        };
        let mut corpus = Corpus::default();
        let parts: Vec<usize> = (0..counted.len()).step_by(WORDS).collect();
        for group in parts.chunks(4 * rayon::current_num_threads().max(1)) {
            cancel::check()?;
            let segmented: Vec<_> = group.par_iter().map(some).collect();
            for (from, part) in group.iter().zip(segmented) {
                let (symbols, ends) = part?;
                let starts = std::iter::once(0).chain(ends.iter().copied());
                for (at, (start, end)) in starts.zip(&ends).enumerate() {
                    corpus.push(&symbols[start..*end], counted.count(from + at));
                }
            }
        }
        Ok(corpus)
    }

    fn outside(&self, counted: &CountedWords, vocabulary: &mut Vocabulary) -> HashMap<char, u32> {
        let mut lacking: BTreeMap<char, u64> = BTreeMap::new();
        let mut buffer = [0; 4];
        let mut known = HashMap::new();
        for (word, count) in counted.iter() {
            for character in word.chars() {
                let here =
                    *known.entry(character).or_insert_with(|| self.id(character.encode_utf8(&mut buffer)).is_some());
                if !here {
                    *lacking.entry(character).or_default() += count;
                }
            }
        }
        let mut symbols = HashMap::new();
        for (character, count) in lacking {
            let saves = if self.kind() == TokenizerKind::ByteFallback { character.len_utf8() as u64 - 1 } else { 1 };
            symbols.insert(character, vocabulary.outsider(&character.to_string(), count, saves.max(1)));
        }
        symbols
    }

    /// The symbols of one word: the parts between characters outside the vocabulary are encoded by the model.
    fn symbols(&self, word: &str, outside: &HashMap<char, u32>, symbols: &mut Vec<u32>) -> Result<()> {
        let model = self.engine().get_model();
        let known = |part: &str, symbols: &mut Vec<u32>| -> Result<()> {
            if !part.is_empty() {
                symbols.extend(model.tokenize(part).map_err(told)?.iter().map(|token| token.id));
            }
            Ok(())
        };
        let mut from = 0;
        if !outside.is_empty() {
            for (at, character) in word.char_indices() {
                if let Some(symbol) = outside.get(&character) {
                    known(&word[from..at], symbols)?;
                    symbols.push(*symbol);
                    from = at + character.len_utf8();
                }
            }
        }
        known(&word[from..], symbols)
    }
}
