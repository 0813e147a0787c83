//! Leaks: test texts that occur in the training texts, whole, in part, or nearly.

use super::near::{NearFinder, NearPlan, each_unit, together, units_are_running};
use crate::data::Dataset;
use crate::token::words::FastMap;
use crate::{Result, bail, cancel, tasks};
use std::borrow::Cow;

const WHO: &str = "clean::leaks";
/// Texts that one thread processes at a time.
const ROWS: usize = 256;

/// Definition of a leak.
#[derive(Clone, Copy, Debug)]
pub struct LeakPlan {
    /// Minimum number of consecutive shared words; characters in scripts without spaces.
    pub words: usize,
    pub characters: usize,
    /// Minimum share of common shingles; `None`: near duplicates are not searched for.
    pub near: Option<f64>,
}

/// A test text found in the training texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    pub test: usize,
    /// The training row that contains most of it; of several, the first.
    pub train: usize,
    pub kind: LeakKind,
    /// The share of the test text in that row; for near texts, the share of common shingles.
    pub share: f64,
    /// The longest common passage.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakKind {
    Same,
    Passage,
    Near,
}

impl LeakKind {
    pub fn name(self) -> &'static str {
        ["same", "passage", "near"][self as usize]
    }
}

/// A test text as units, and where each begins and ends.
struct Test<'t> {
    text: Cow<'t, str>,
    hashes: Vec<u64>,
    places: Vec<(usize, usize)>,
    ngram: usize,
}

fn test<'t>(text: Cow<'t, str>, plan: LeakPlan) -> Test<'t> {
    let (mut hashes, mut places) = (Vec::new(), Vec::new());
    each_unit(&text, |hash, place| {
        hashes.push(hash);
        places.push((place.start, place.end));
    });
    let ngram = if units_are_running(&text) { plan.characters } else { plan.words };
    // a shorter text is searched for whole
    let ngram = ngram.min(hashes.len()).max(1);
    Test { text, hashes, places, ngram }
}

/// Maps the hash of a sequence to the tests that contain it and their positions.
type Places = FastMap<u64, Vec<(u32, u32)>>;

/// Index of the sequences of the test texts.
struct Index {
    /// Sequences of each length: the test and the position in it.
    lengths: Vec<(usize, Places)>,
}

impl Index {
    fn of(tests: &[Test]) -> Index {
        let mut lengths: Vec<(usize, Places)> = Vec::new();
        for (row, test) in tests.iter().enumerate() {
            let at = lengths.iter().position(|(ngram, _)| *ngram == test.ngram).unwrap_or_else(|| {
                lengths.push((test.ngram, Places::default()));
                lengths.len() - 1
            });
            for (place, some) in test.hashes.windows(test.ngram).enumerate() {
                lengths[at].1.entry(together(some)).or_default().push((row as u32, place as u32));
            }
        }
        Index { lengths }
    }

    /// The positions of each test found in a text, by test.
    fn hits(&self, text: &str) -> FastMap<u32, Vec<u32>> {
        let mut hashes = Vec::new();
        each_unit(text, |hash, _| hashes.push(hash));
        let mut hits: FastMap<u32, Vec<u32>> = FastMap::default();
        for (ngram, known) in &self.lengths {
            for some in hashes.windows(*ngram) {
                for (row, place) in known.get(&together(some)).into_iter().flatten() {
                    hits.entry(*row).or_default().push(*place);
                }
            }
        }
        hits
    }
}

/// Coverage of a test by the sequences at these positions: the share of its units, and the longest stretch.
fn covered(test: &Test, mut places: Vec<u32>) -> (f64, usize, usize) {
    places.sort_unstable();
    places.dedup();
    let (mut units, mut longest, mut open) = (0, (0, 0), (0, 0));
    for place in places {
        let (start, end) = (place as usize, place as usize + test.ngram);
        units += end - start.max(open.1).min(end);
        open = if start <= open.1 && open.1 > 0 { (open.0, end) } else { (start, end) };
        if open.1 - open.0 > longest.1 - longest.0 {
            longest = open;
        }
    }
    (units as f64 / test.hashes.len().max(1) as f64, longest.0, longest.1)
}

fn texts<'d>(data: &'d Dataset, field: &str, first: usize) -> Result<Vec<Cow<'d, str>>> {
    Ok(super::texts(WHO, data, field, first)?.into_iter().map(Option::unwrap_or_default).collect())
}

/// Finds the texts of `tests` in those of `train`, in the order of the tests.
pub fn leaks(
    train: impl Iterator<Item = Result<Dataset>>,
    tests: &Dataset,
    fields: (&str, &str),
    plan: LeakPlan,
) -> Result<Vec<Leak>> {
    if plan.words == 0 || plan.characters == 0 {
        bail!(WHO, "`ngram` and `characters` are above 0");
    }
    let given: Vec<Test> = texts(tests, fields.1, 0)?.into_iter().map(|text| test(text, plan)).collect();
    let index = Index::of(&given);
    let mut best: Vec<Option<Leak>> = vec![None; given.len()];
    let near_plan = plan.near.map(|threshold| NearPlan { threshold, ngram: 5 });
    let mut finder = near_plan.map(NearFinder::new);
    if let (Some(finder), Some(plan)) = (&mut finder, near_plan) {
        plan.check(WHO)?;
        finder.add(&given.iter().map(|test| Some(Cow::Borrowed(&*test.text))).collect::<Vec<_>>())?;
    }
    let mut first = 0;
    for part in train {
        let part = part?;
        cancel::check()?;
        let rows = texts(&part, fields.0, first)?;
        let found = tasks::map(tasks::ranges(rows.len(), ROWS), &|_, some| {
            some.map(|at| (first + at, index.hits(&rows[at]))).filter(|(_, hits)| !hits.is_empty()).collect::<Vec<_>>()
        });
        for (row, hits) in found.into_iter().flatten() {
            take(&mut best, &given, row, hits);
        }
        if let Some(finder) = &mut finder {
            finder.add(&rows.iter().map(|text| Some(Cow::Borrowed(&**text))).collect::<Vec<_>>())?;
        }
        first += rows.len();
    }
    if let Some(finder) = finder {
        nearly(finder.finish()?, &given, &mut best);
    }
    Ok(best.into_iter().flatten().collect())
}

/// Keeps for each test the training row that contains most of it.
fn take(best: &mut [Option<Leak>], given: &[Test], row: usize, hits: FastMap<u32, Vec<u32>>) {
    for (at, places) in hits {
        let test = &given[at as usize];
        let (share, start, end) = covered(test, places);
        let own = &mut best[at as usize];
        // rows arrive in order: of equal ones the first stays
        if own.as_ref().is_some_and(|known| known.share >= share) {
            continue;
        }
        let kind = if share >= 1.0 { LeakKind::Same } else { LeakKind::Passage };
        let text = test.text[test.places[start].0..test.places[end - 1].1].to_string();
        *own = Some(Leak { test: at as usize, train: row, kind, share, text });
    }
}

/// Adds tests without a common passage that are near to a training row.
fn nearly(groups: super::near::NearGroups, given: &[Test], best: &mut [Option<Leak>]) {
    let count = given.len();
    // the first test of each group, with the training row near to it
    let mut near: FastMap<u32, (usize, f64)> = FastMap::default();
    for (row, first, share) in &groups.removed {
        if *row as usize >= count && (*first as usize) < count {
            near.entry(*first).or_insert((*row as usize - count, f64::from(*share)));
        }
    }
    for (at, test) in given.iter().enumerate().filter(|(_, test)| !test.hashes.is_empty()) {
        let Some((train, share)) = near.get(&groups.first[at]) else { continue };
        if best[at].is_none() {
            let (kind, share) = (LeakKind::Near, *share);
            best[at] = Some(Leak { test: at, train: *train, kind, share, text: test.text.to_string() });
        }
    }
}
