//! Which terms a domain's texts are made of, and what each costs the tokenizer that they are to be added to.
//!
//! Two walks over the texts, which may be larger than memory: the first counts units and runs of neighbouring units,
//! the second measures the terms that were chosen. Counting forgets the rarest where there are too many (lossy
//! counting, Manku and Motwani 2002) and tells by how much a count can be too low.

use crate::token::units::Units;
use crate::token::words::{self, QuickMap, in_tasks};
use crate::token::{Kind, Tokenizer, alphabet, script};
use crate::{Error, Result, bail, nearest};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::HashMap;

pub const WHO: &str = "mine";

/// What to look for.
pub struct Mining {
    /// How many neighbouring units a term may have.
    pub join: usize,
    /// How many characters a term may have.
    pub longest: usize,
    /// How often a term has to occur.
    pub least: u64,
    /// How many terms are wanted, the first by `by`.
    pub count: usize,
    pub by: By,
    /// How many examples of each are shown, and how many characters on each side.
    pub examples: usize,
    pub around: usize,
    /// How many distinct terms are held while counting.
    pub held: usize,
}

/// The order of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Count,
    Pieces,
    Saves,
    Marginal,
    Pmi,
    Weird,
}

const BY: [(&str, By); 6] = [
    ("count", By::Count),
    ("pieces", By::Pieces),
    ("saves", By::Saves),
    ("marginal", By::Marginal),
    ("pmi", By::Pmi),
    ("weird", By::Weird),
];

impl By {
    pub fn named(name: &str) -> Result<By> {
        if let Some((_, by)) = BY.iter().find(|(known, _)| *known == name) {
            return Ok(*by);
        }
        let names = BY.map(|(known, _)| known);
        let error = Error::new(WHO, format!("`by` is `{name}`, not one of {}", names.join(", ")));
        Err(match nearest(name, names) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }
}

/// A term with what was measured of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Term {
    pub text: String,
    pub count: u64,
    /// Texts that it occurs in.
    pub texts: u64,
    /// Pieces that it is written with now.
    pub pieces: usize,
    /// Words of the tokenizer that it spans: of several, only an added token can make one piece.
    pub words: usize,
    /// Pieces that fewer would be written if it were one piece: all of them, and after the terms before it.
    pub saves: u64,
    pub marginal: u64,
    /// How much likelier it is here than in the general texts.
    pub weird: Option<f64>,
    /// Of its weakest cut, in bits; of one unit there is none.
    pub pmi: Option<f64>,
    /// How uncertain the unit before and after it is, in bits.
    pub left: f64,
    pub right: f64,
    /// It in its place: what is before it, and after.
    pub examples: Vec<(String, String)>,
}

/// What mining found, and what it left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mined {
    pub terms: Vec<Term>,
    pub texts: u64,
    pub bytes: u64,
    pub units: u64,
    /// Units that were too long to be terms, each time they occurred.
    pub long: u64,
    /// Terms of a list that do not occur.
    pub absent: usize,
    /// Distinct terms that were left out: too rare, one piece already, with a control character, the same as another to
    /// the tokenizer, saving nothing after others, and beyond the count that was asked.
    pub rare: usize,
    pub whole: usize,
    pub control: usize,
    pub twins: usize,
    pub needless: usize,
    pub beyond: usize,
    /// By how much a count can be too low.
    pub missed: u64,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    count: u64,
    /// What could have been forgotten before.
    missed: u64,
    /// Where its units end but the last, a byte each.
    cuts: u32,
}

/// Units that may join: an end is kept in one byte, and there is room for four.
const MOST_UNITS: usize = 5;
const MOST_CHARACTERS: usize = 60;

/// The first walk.
pub struct Counting<'u, 'e> {
    units: &'u Units<'e>,
    mining: &'u Mining,
    seen: QuickMap<Box<str>, Seen>,
    floor: u64,
    found: Mined,
}

#[derive(Default)]
struct Part<'t> {
    seen: QuickMap<&'t str, Seen>,
    units: u64,
    long: u64,
}

impl<'u, 'e> Counting<'u, 'e> {
    pub fn new(units: &'u Units<'e>, mining: &'u Mining) -> Result<Counting<'u, 'e>> {
        if mining.join == 0 || mining.join > MOST_UNITS {
            bail!(WHO, "option `join` is {}: terms of 1 to {MOST_UNITS} units can be found", mining.join);
        }
        if mining.longest == 0 || mining.longest > MOST_CHARACTERS {
            bail!(
                WHO,
                "option `longest` is {}: terms of 1 to {MOST_CHARACTERS} characters can be found",
                mining.longest
            );
        }
        if mining.count == 0 {
            bail!(WHO, "option `count` is 0: no terms are wanted");
        }
        Ok(Counting { units, mining, seen: QuickMap::default(), floor: 0, found: Mined::default() })
    }

    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        let Counting { units, mining, seen, floor, found } = self;
        found.texts += texts.len() as u64;
        found.bytes += texts.iter().map(|text| text.as_ref().len() as u64).sum::<u64>();
        in_tasks(
            texts,
            |texts| count(units, mining, texts),
            |part| {
                found.units += part.units;
                found.long += part.long;
                for (term, new) in part.seen {
                    match seen.get_mut(term) {
                        Some(old) => old.add(new),
                        None => {
                            seen.insert(term.into(), Seen { missed: *floor, ..new });
                        }
                    }
                }
                while seen.len() > mining.held {
                    *floor += 1;
                    seen.retain(|_, one| one.count + one.missed > *floor);
                }
            },
        )
    }
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.count += other.count;
        // the same letters can be cut in several ways: one of them, whatever the order
        self.cuts = self.cuts.min(other.cuts);
    }
}

fn count<'t, S: AsRef<str>>(units: &Units, mining: &Mining, texts: &'t [S]) -> Result<Part<'t>> {
    let mut part = Part::default();
    let mut spans = Vec::new();
    for text in texts {
        let text = text.as_ref();
        units.cut(text, &mut spans)?;
        part.units += spans.len() as u64;
        for first in 0..spans.len() {
            let start = spans[first].0;
            let mut cuts = 0;
            for last in first..(first + mining.join).min(spans.len()) {
                if last > first {
                    if !is_joint(&text[spans[last - 1].1..spans[last].0]) {
                        break;
                    }
                    cuts |= ((spans[last - 1].1 - start).min(255) as u32) << (8 * (last - first - 1));
                }
                let term = &text[start..spans[last].1];
                if term.len() > mining.longest && term.chars().count() > mining.longest {
                    part.long += u64::from(last == first);
                    break;
                }
                let one = Seen { count: 1, missed: 0, cuts };
                part.seen.entry(term).and_modify(|seen| seen.add(one)).or_insert(one);
            }
        }
    }
    Ok(part)
}

/// Whether what lies between two units lets them be one term.
fn is_joint(gap: &str) -> bool {
    gap.is_empty() || gap == " "
}

/// Counts of some terms in other texts.
pub struct General<'u, 'e> {
    units: &'u Units<'e>,
    mining: &'u Mining,
    counts: QuickMap<Box<str>, u64>,
    total: u64,
}

impl<'u, 'e> Counting<'u, 'e> {
    /// For counting the same terms in general texts.
    pub fn general(&self) -> General<'u, 'e> {
        let wanted = self.seen.iter().filter(|(_, seen)| seen.count >= self.mining.least);
        let counts = wanted.map(|(term, _)| (term.clone(), 0)).collect();
        General { units: self.units, mining: self.mining, counts, total: 0 }
    }

    /// Chooses the terms that are worth a second look.
    pub fn choose(self, tokenizer: &Tokenizer, general: Option<General>) -> Result<Mined> {
        let Counting { units, mining, seen, mut found, floor } = self;
        if seen.is_empty() && found.long == 0 {
            return Err(Error::new(WHO, format!("there are no terms in the {} texts", found.texts))
                .help("look at the texts, and at what `units` (or `pattern`, `list`) takes for a unit"));
        }
        found.missed = floor;
        found.absent = units.listed().saturating_sub(seen.len());
        let total = found.units.max(1) as f64;
        let mut candidates: Vec<(&str, Seen)> = seen.iter().map(|(term, seen)| (&**term, *seen)).collect();
        candidates.retain(|(_, seen)| seen.count >= mining.least.max(1));
        found.rare = seen.len() - candidates.len();
        candidates.par_sort_unstable_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));

        let written: Vec<Result<Written>> = candidates.par_iter().map(|(term, _)| written(tokenizer, term)).collect();
        let mut first: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut terms: Vec<Term> = Vec::new();
        for ((text, one), written) in candidates.into_iter().zip(written) {
            let written = written?;
            if text.chars().any(char::is_control) {
                found.control += 1;
                continue;
            }
            if written.ids.len() < 2 {
                found.whole += 1;
                continue;
            }
            // to a tokenizer that lowers capitals, `Patent` and `patent` are one
            if let Some(at) = first.get(&written.ids) {
                let twin: &mut Term = &mut terms[*at];
                twin.count += one.count;
                twin.saves = twin.count * (twin.pieces as u64 - 1);
                found.twins += 1;
                continue;
            }
            let pieces = written.ids.len();
            first.insert(written.ids, terms.len());
            let weird = general.as_ref().map(|general| {
                let there = general.counts.get(text).copied().unwrap_or(0) as f64 + 1.0;
                (one.count as f64 / total) / (there / (general.total as f64 + 1.0))
            });
            terms.push(Term {
                text: text.to_string(),
                count: one.count,
                pieces,
                words: written.words,
                saves: one.count * (pieces as u64 - 1),
                weird,
                pmi: weakest_cut(text, one, &seen, total),
                ..Term::default()
            });
        }
        found.terms = terms;
        Ok(found)
    }
}

impl General<'_, '_> {
    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        let General { units, mining, counts, total } = self;
        let free = Mining { longest: MOST_CHARACTERS, ..**mining };
        in_tasks(
            texts,
            |texts| count(units, &free, texts),
            |part| {
                *total += part.units;
                for (term, seen) in part.seen {
                    if let Some(count) = counts.get_mut(term) {
                        *count += seen.count;
                    }
                }
            },
        )
    }
}

/// How a tokenizer writes a term now.
struct Written {
    ids: Vec<u32>,
    words: usize,
}

fn written(tokenizer: &Tokenizer, term: &str) -> Result<Written> {
    // in running text a word of a script with spaces stands after one
    let spaced = script::is_spaced(term) && tokenizer.kind() == Kind::ByteLevel;
    let text = if spaced { format!(" {term}") } else { term.to_string() };
    let found = words::of_text(tokenizer, &text)?;
    let mut ids = tokenizer.ids(&text, false)?;
    // SentencePiece puts `▁` before a text: in running text it is the space before it
    if ids.len() > 1 && !script::is_spaced(term) && ids.first().and_then(|id| tokenizer.piece(*id)) == Some("▁") {
        ids.remove(0);
    }
    Ok(Written { ids, words: found.len() })
}

/// Pointwise mutual information of a term's parts at the cut where it is least, in bits (Church and Hanks 1990; the
/// least over cuts as in finding new Chinese words).
fn weakest_cut(term: &str, one: Seen, seen: &QuickMap<Box<str>, Seen>, total: f64) -> Option<f64> {
    let ends = (0..MOST_UNITS - 1).map(|at| (one.cuts >> (8 * at) & 0xff) as usize).take_while(|end| *end > 0);
    let probability = |part: &str| seen.get(part).map(|seen| seen.count as f64 / total);
    let cut = |end: usize| {
        let (left, right) = (term.get(..end)?, term.get(end..)?.trim_start_matches(' '));
        Some((one.count as f64 / total / (probability(left)? * probability(right)?)).log2())
    };
    ends.filter_map(cut).min_by(f64::total_cmp)
}

impl Mined {
    /// Puts the terms in order, and keeps the first.
    pub fn cut(&mut self, by: By, count: usize) {
        let before = self.terms.len();
        let value = |term: &Term| match by {
            By::Count => term.count as f64,
            By::Pieces => term.pieces as f64,
            By::Saves => term.saves as f64,
            By::Marginal => term.marginal as f64,
            By::Pmi => term.pmi.unwrap_or(f64::NEG_INFINITY),
            By::Weird => term.weird.unwrap_or(f64::NEG_INFINITY),
        };
        let order = |a: &Term, b: &Term| -> Ordering {
            value(b).total_cmp(&value(a)).then_with(|| b.saves.cmp(&a.saves)).then_with(|| a.text.cmp(&b.text))
        };
        self.terms.par_sort_by(order);
        self.terms.truncate(count);
        self.beyond += before - self.terms.len();
    }
}

/// The second walk: neighbours, texts and examples of the chosen terms.
pub struct Looking<'u, 'e> {
    units: &'u Units<'e>,
    mining: &'u Mining,
    places: QuickMap<Box<str>, u32>,
    /// How often each unit (by its hash) stands before (even) and after (odd) each term.
    beside: QuickMap<(u32, u64), u64>,
    found: Mined,
}

#[derive(Default)]
struct Look {
    texts: QuickMap<u32, u64>,
    beside: QuickMap<(u32, u64), u64>,
    examples: Vec<(u32, String, String)>,
}

impl<'u, 'e> Looking<'u, 'e> {
    pub fn new(units: &'u Units<'e>, mining: &'u Mining, found: Mined) -> Looking<'u, 'e> {
        let place = |(at, term): (usize, &Term)| (Box::from(term.text.as_str()), at as u32);
        let places = found.terms.iter().enumerate().map(place).collect();
        Looking { units, mining, places, beside: QuickMap::default(), found }
    }

    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        let Looking { units, mining, places, beside, found } = self;
        in_tasks(
            texts,
            |texts| look(units, mining, places, texts),
            |part| {
                part.texts.into_iter().for_each(|(at, count)| found.terms[at as usize].texts += count);
                part.beside.into_iter().for_each(|(key, count)| *beside.entry(key).or_default() += count);
                for (at, before, after) in part.examples {
                    let examples = &mut found.terms[at as usize].examples;
                    if examples.len() < mining.examples {
                        examples.push((before, after));
                    }
                }
            },
        )
    }

    pub fn finish(self) -> Mined {
        let Looking { beside, mut found, .. } = self;
        let mut counts: Vec<(u32, u64)> = beside.into_iter().map(|((side, _), count)| (side, count)).collect();
        counts.par_sort_unstable();
        for side in counts.chunk_by(|a, b| a.0 == b.0) {
            let total: u64 = side.iter().map(|(_, count)| count).sum();
            let share = |count: u64| count as f64 / total as f64;
            let entropy: f64 = side.iter().map(|(_, count)| -share(*count) * share(*count).log2()).sum();
            let term = &mut found.terms[side[0].0 as usize / 2];
            *(if side[0].0 % 2 == 0 { &mut term.left } else { &mut term.right }) = entropy.max(0.0);
        }
        found
    }
}

fn look<S: AsRef<str>>(units: &Units, mining: &Mining, places: &QuickMap<Box<str>, u32>, texts: &[S]) -> Result<Look> {
    let mut look = Look::default();
    let mut shown: QuickMap<u32, usize> = QuickMap::default();
    let mut spans = Vec::new();
    let mut here: Vec<u32> = Vec::new();
    for text in texts {
        let text = text.as_ref();
        units.cut(text, &mut spans)?;
        here.clear();
        for first in 0..spans.len() {
            for last in first..(first + mining.join).min(spans.len()) {
                if last > first && !is_joint(&text[spans[last - 1].1..spans[last].0]) {
                    break;
                }
                let (start, end) = (spans[first].0, spans[last].1);
                let Some(&at) = places.get(&text[start..end]) else { continue };
                here.push(at);
                let before = first.checked_sub(1).map(|at| spans[at]).filter(|span| is_joint(&text[span.1..start]));
                let after = spans.get(last + 1).filter(|span| is_joint(&text[end..span.0]));
                *look.beside.entry((2 * at, hash(before.map(|(a, b)| &text[a..b])))).or_default() += 1;
                *look.beside.entry((2 * at + 1, hash(after.map(|(a, b)| &text[*a..*b])))).or_default() += 1;
                let shown = shown.entry(at).or_default();
                if *shown < mining.examples {
                    *shown += 1;
                    look.examples.push((at, tail(&text[..start], mining.around), head(&text[end..], mining.around)));
                }
            }
        }
        here.sort_unstable();
        here.dedup();
        here.iter().for_each(|at| *look.texts.entry(*at).or_default() += 1);
    }
    Ok(look)
}

/// A border, where there is no neighbour, is a neighbour like another.
fn hash(neighbour: Option<&str>) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = words::QuickBuild::default().build_hasher();
    hasher.write(neighbour.unwrap_or_default().as_bytes());
    hasher.finish()
}

fn tail(text: &str, characters: usize) -> String {
    let from = text.char_indices().rev().take(characters).last().map_or(text.len(), |(at, _)| at);
    one_line(&text[from..])
}

fn head(text: &str, characters: usize) -> String {
    let to = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    one_line(&text[..to])
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// The letters in which a term stands inside a counted word.
pub fn inside_words(tokenizer: &Tokenizer, term: &str) -> Vec<String> {
    match tokenizer.kind() {
        Kind::ByteLevel if script::is_spaced(term) => {
            vec![alphabet::spell(term), alphabet::spell(&format!(" {term}"))]
        }
        Kind::ByteLevel => vec![alphabet::spell(term)],
        _ => match words::of_text(tokenizer, term) {
            Ok(found) if found.len() == 1 && script::is_spaced(term) => found,
            Ok(found) if found.len() == 1 => vec![found[0].trim_start_matches('▁').to_string()],
            _ => Vec::new(),
        },
    }
}
