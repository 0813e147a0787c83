//! Repeated spans of many words, at any position: the duplicates that the suffix array of Lee et al. 2022 finds. A span of
//! `words` words that occurs twice has the same hash twice, and a longer one consists of several of these; so hashes are sorted
//! instead of suffixes, in bounded memory.

use super::{Hashed, Place, Places, hashed};
use crate::clean::near::{each_unit, is_alone, mixed};
use crate::clean::sorted::{Sorted, number};
use crate::{Result, bail};
use std::ops::Range;

/// Which spans are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpanPlan {
    /// Minimum length of a span in words.
    pub words: usize,
    /// Minimum length in characters of a span that begins in a script without spaces between words.
    pub characters: usize,
}

/// Factors of two polynomials over units: the hash of a window follows from their values at its start and its end.
const HIGH: u64 = 0x9e37_79b9_7f4a_7c15;
const LOW: u64 = 0xd6e8_feb8_6659_fd93;

impl SpanPlan {
    pub fn check(&self, who: &str) -> Result<()> {
        if self.words < 2 || self.characters < 2 {
            bail!(who, "spans of {} words or {} characters: 2 or more", self.words, self.characters);
        }
        Ok(())
    }

    /// Number of units in a window that begins with such a unit.
    fn length(&self, alone: bool) -> usize {
        if alone { self.characters } else { self.words }
    }

    /// Hashes of the windows of a text.
    pub fn hash(&self, text: &str, row: u32, found: &mut Vec<Hashed>) {
        let (mut units, mut alone) = (Vec::with_capacity(text.len() / 5), Vec::with_capacity(text.len() / 5));
        each_unit(text, |unit, place| {
            units.push(unit);
            alone.push(text[place].chars().next().is_some_and(is_alone));
        });
        if units.len() < self.words.min(self.characters) {
            return;
        }
        let sums = |factor: u64| {
            let mut sums = Vec::with_capacity(units.len() + 1);
            sums.push(0u64);
            units.iter().for_each(|unit| sums.push(sums[sums.len() - 1].wrapping_mul(factor).wrapping_add(*unit)));
            sums
        };
        let power = |factor: u64, length: usize| (0..length).fold(1u64, |power, _| power.wrapping_mul(factor));
        let (high, low) = (sums(HIGH), sums(LOW));
        let powers = [false, true].map(|alone| (power(HIGH, self.length(alone)), power(LOW, self.length(alone))));
        for (at, alone) in alone.iter().enumerate() {
            let end = at + self.length(*alone);
            if end > units.len() {
                continue;
            }
            let (of_high, of_low) = powers[usize::from(*alone)];
            let high = high[end].wrapping_sub(high[at].wrapping_mul(of_high));
            let low = low[end].wrapping_sub(low[at].wrapping_mul(of_low));
            found.push(hashed(mixed(high), (mixed(low) >> 32) as u32, [row, at as u32, end as u32]));
        }
    }

    /// Selects the units to cut: every window except the first occurrence, without the units that belong to the first occurrence
    /// itself.
    pub(super) fn choose(&self, hashes: Sorted<24>, places: &mut Places) -> Result<()> {
        let mut first = ([0; 12], [0; 3]);
        let mut is_open = false;
        for entry in hashes {
            let entry = entry?;
            let (hash, place) = entry.split_at(12);
            let place = [number(place, 0), number(place, 4), number(place, 8)];
            if !is_open || *hash != first.0 {
                first.0.copy_from_slice(hash);
                (first.1, is_open) = (place, true);
                continue;
            }
            let [row, start, end] = place;
            let from = if row == first.1[0] { start.max(first.1[2]) } else { start };
            if from < end {
                places.push(row, from, end, first.1[0])?;
            }
        }
        Ok(())
    }
}

/// The text ranges of these units: each range includes the text after its last unit, and at the start of a text the text before
/// its first unit.
pub(super) fn ranges(text: &str, places: &[Place]) -> Vec<Range<usize>> {
    let mut starts = Vec::with_capacity(text.len() / 5);
    each_unit(text, |_, place| starts.push(place.start));
    let start = |unit: u32| if unit == 0 { 0 } else { starts.get(unit as usize).copied().unwrap_or(text.len()) };
    places.iter().map(|place| start(place.start)..start(place.end)).collect()
}
