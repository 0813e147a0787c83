//! Which pieces a tokenizer should get for given texts: the steps of continued BPE.

use crate::token::bpe::{ByteBpe, Scratch};
use crate::token::continued::{self, Limits, Vocabulary};
use crate::token::engine::told;
use crate::token::places::Corpus;
use crate::token::words::Counted;
use crate::token::{Kind, Tokenizer, words};
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use tokenizers::Model;

/// What to extend a BPE tokenizer by: characters that it lacks, then merges, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// New pieces in id order, those of merges and those that are single characters.
    pub pieces: Vec<String>,
    /// The merge that makes each piece that is no single character.
    pub merges: Vec<(String, String)>,
    /// How often each merge's pair occurred when it was chosen.
    pub counts: Vec<u64>,
}

impl Tokenizer {
    /// Goes on with BPE training on `texts`, from the segmentation that this tokenizer gives them: up to `count`
    /// new pieces of pairs that occur at least `least` times, of at most `longest` characters.
    pub fn continue_bpe<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        count: usize,
        least: u64,
        longest: usize,
    ) -> Result<Proposal> {
        let mut counter = self.count_words("continue_bpe")?;
        counter.add(texts)?;
        self.continue_counted(counter, count, least, longest)
    }

    /// Counts words for [`Tokenizer::continue_counted`], over texts that come in parts.
    pub fn count_words(&self, who: &str) -> Result<words::Counter<'_>> {
        self.need_bpe(who)?;
        Ok(words::Counter::new(self))
    }

    pub fn continue_counted(
        &self,
        counter: words::Counter,
        count: usize,
        least: u64,
        longest: usize,
    ) -> Result<Proposal> {
        let counted = counter.finish();
        if counted.is_empty() {
            bail!("continue_bpe", "there are no words in the texts");
        }
        self.continue_on(counted, &Limits { count, least, longest })
    }

    pub(super) fn need_bpe(&self, who: &str) -> Result<()> {
        match self.kind() {
            Kind::ByteLevel | Kind::ByteFallback | Kind::Bpe => Ok(()),
            kind => {
                let error = Error::new(who, format!("merges are of BPE; this tokenizer is of the kind {kind}"));
                Err(error.help(match who {
                    "retrain" => "train another with `tokenizer(texts, #{ kind: … })`",
                    _ => "give `extend` a list of words",
                }))
            }
        }
    }

    pub(super) fn continue_on(&self, counted: Counted, limits: &Limits) -> Result<Proposal> {
        let characters: fn(&str) -> usize = match self.kind() {
            Kind::ByteLevel => crate::token::alphabet::characters,
            _ => |piece| piece.chars().count(),
        };
        let mut vocabulary = Vocabulary::new(self.pieces().to_vec(), "", characters);
        vocabulary.barred = self.engine().get_added_tokens_decoder().into_values().map(|token| token.content).collect();
        let corpus = self.segment(&counted, &mut vocabulary)?;
        drop(counted);
        let first = self.len();
        let merges = continued::run(corpus, &mut vocabulary, limits)?;
        let piece = |id: u32| vocabulary.pieces[id as usize].clone();
        Ok(Proposal {
            pieces: vocabulary.pieces[first..].to_vec(),
            merges: merges.iter().map(|merge| (piece(merge.left), piece(merge.right))).collect(),
            counts: merges.iter().map(|merge| merge.count).collect(),
        })
    }

    /// The words as symbols: ids, and characters that the vocabulary lacks.
    fn segment(&self, counted: &Counted, vocabulary: &mut Vocabulary) -> Result<Corpus> {
        const WORDS: usize = 4096;
        /// Words that take longer than to make ready for them.
        const MANY: usize = 1 << 14;
        let bytes = ByteBpe::of(self);
        if let Some(bpe) = bytes.as_ref().filter(|_| counted.len() > MANY) {
            bpe.hasten();
        }
        let outside = if bytes.as_ref().is_some_and(ByteBpe::has_all_bytes) {
            HashMap::new()
        } else {
            self.outside(counted, vocabulary)
        };
        let some = |from: &usize| -> Result<(Vec<u32>, Vec<usize>)> {
            let (mut symbols, mut ends, mut scratch) = (Vec::new(), Vec::new(), Scratch::default());
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

    /// For each piece that `old` has not, in id order, the ids with which `old` writes it.
    pub fn constituents(&self, old: &Tokenizer) -> Result<Vec<Vec<u32>>> {
        let model = old.engine().get_model();
        let added = self.engine().get_added_tokens_decoder();
        let ids = |id: &u32| -> Result<Vec<u32>> {
            let piece = &self.pieces()[*id as usize];
            // an added token is text, not letters of the model
            if added.contains_key(id) {
                return old.ids(piece, false);
            }
            Ok(model.tokenize(piece).map_err(told)?.iter().map(|token| token.id).collect())
        };
        self.fresh(old).par_iter().map(ids).collect()
    }

    fn outside(&self, counted: &Counted, vocabulary: &mut Vocabulary) -> HashMap<char, u32> {
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
            let saves = if self.kind() == Kind::ByteFallback { character.len_utf8() as u64 - 1 } else { 1 };
            symbols.insert(character, vocabulary.outsider(&character.to_string(), count, saves.max(1)));
        }
        symbols
    }

    /// One word: what lies between characters outside the vocabulary, by the model itself.
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
