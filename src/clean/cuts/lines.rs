//! Lines and paragraphs shared by several texts: menus, notices, site headers (Wenzek et al. 2020, CCNet; Penedo et al. 2023).

use super::{Hashed, Places, hashed};
use crate::clean::near::{each_unit, mixed};
use crate::clean::sorted::{Sorted, number};
use crate::{Result, bail};
use std::borrow::Cow;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    Line,
    /// Lines between blank lines.
    Paragraph,
}

/// Which lines are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinePlan {
    pub kind: LineKind,
    /// Minimum number of rows that contain the line.
    pub min_documents: usize,
    /// Minimum length in words; characters in scripts without spaces.
    pub min_words: usize,
    /// Whether the first occurrence stays.
    pub keeps_first: bool,
    /// Whether all numbers are treated as equal.
    pub numbers: bool,
    /// Whether a row that would become empty stays unchanged.
    pub keeps_whole: bool,
}

impl LinePlan {
    pub fn check(&self, who: &str) -> Result<()> {
        if self.min_documents < 2 {
            bail!(who, "`min_documents` is {}, and what one row has is not cut: 2 or more", self.min_documents);
        }
        Ok(())
    }

    /// Hashes of the lines of a text. Case, marks and width are ignored; a line without a letter or digit has no hash.
    pub fn hash(&self, text: &str, row: u32, found: &mut Vec<Hashed>) {
        each_part(text, self.kind, |range| {
            let part =
                if self.numbers { same_numbers(&text[range.clone()]) } else { Cow::Borrowed(&text[range.clone()]) };
            let (mut high, mut low, mut count) = (0u64, 0u64, 0usize);
            each_unit(&part, |unit, _| {
                high = high.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(unit);
                low = (low.rotate_left(23) ^ unit).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
                count += 1;
            });
            if count >= self.min_words.max(1) {
                found.push(hashed(mixed(high), (mixed(low) >> 32) as u32, [row, range.start as u32, range.end as u32]));
            }
        });
    }

    /// Selects the places to cut.
    pub(super) fn choose(&self, hashes: Sorted<24>, places: &mut Places) -> Result<()> {
        let mut group = Group::default();
        for entry in hashes {
            let entry = entry?;
            let (hash, place) = entry.split_at(12);
            if *hash != group.hash {
                group.hash.copy_from_slice(hash);
                (group.held, group.documents, group.first) = (Vec::new(), 0, None);
            }
            let place = [number(place, 0), number(place, 4), number(place, 8)];
            group.documents += usize::from(group.last_row != Some(place[0]) || group.documents == 0);
            group.last_row = Some(place[0]);
            if group.documents < self.min_documents {
                group.held.push(place);
                continue;
            }
            // the minimum is reached: the held-back places are cut, and all later ones
            for held in std::mem::take(&mut group.held) {
                let is_first = group.first.is_none();
                let first = *group.first.get_or_insert(held[0]);
                if !(is_first && self.keeps_first) {
                    let of = if first == held[0] { place[0] } else { first };
                    places.push(held[0], held[1], held[2], of)?;
                }
            }
            places.push(place[0], place[1], place[2], group.first.unwrap_or(place[0]))?;
        }
        Ok(())
    }
}

/// Lines with the same hash.
#[derive(Default)]
struct Group {
    hash: [u8; 12],
    /// Places held back until enough rows have the line.
    held: Vec<[u32; 3]>,
    documents: usize,
    last_row: Option<u32>,
    first: Option<u32>,
}

/// Calls `part` with the range of each line, its line end included; of each paragraph, with the blank lines after it.
pub fn each_part(text: &str, kind: LineKind, mut part: impl FnMut(Range<usize>)) {
    let (mut start, mut at, mut is_blank) = (0, 0, true);
    for line in text.split_inclusive('\n') {
        let blank = line.trim().is_empty();
        let begins = match kind {
            LineKind::Line => true,
            LineKind::Paragraph => is_blank && !blank,
        };
        if begins && at > start {
            part(start..at);
        }
        if begins {
            start = at;
        }
        (at, is_blank) = (at + line.len(), blank);
    }
    if at > start {
        part(start..at);
    }
}

/// Replaces each number of a text with 0.
fn same_numbers(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_numeric) {
        return Cow::Borrowed(text);
    }
    let mut same = String::with_capacity(text.len());
    let mut is_number = false;
    for char in text.chars() {
        match char.is_numeric() {
            true if is_number => {}
            true => same.push('0'),
            false => same.push(char),
        }
        is_number = char.is_numeric();
    }
    Cow::Owned(same)
}
