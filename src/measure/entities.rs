//! Scores of entities: an entity is correct if its label, its first word and its last word are.

use super::confusion::Scores;
use crate::data::tags::{Scheme, Span, Tag, spans};
use crate::{Result, bail};
use std::collections::BTreeMap;

/// Number of correct, predicted and expected entities of a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub right: u64,
    pub predicted: u64,
    pub expected: u64,
}

/// Counts of the entities in rows of tags.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityCounts {
    /// By label, in alphabetical order.
    pub labels: BTreeMap<String, Count>,
    /// Number of correct tags, and of all tags.
    pub tags: (u64, u64),
    /// Rows of predicted and of expected tags that are malformed in the scheme.
    pub malformed: (Vec<usize>, Vec<usize>),
}

impl Count {
    pub fn add(&mut self, other: &Count) {
        self.right += other.right;
        self.predicted += other.predicted;
        self.expected += other.expected;
    }

    pub fn scores(&self) -> Scores {
        Scores::of(self.right, self.predicted, self.expected)
    }
}

impl EntityCounts {
    pub fn scores(&self) -> Vec<Scores> {
        self.labels.values().map(Count::scores).collect()
    }

    pub fn micro_average(&self) -> Scores {
        let mut all = Count::default();
        self.labels.values().for_each(|count| all.add(count));
        all.scores()
    }

    pub fn token_accuracy(&self) -> f64 {
        self.tags.0 as f64 / self.tags.1 as f64
    }
}

/// Reads the tags of a row; an error names the position.
pub fn read_row<'a>(who: &str, scheme: Scheme, row: usize, tags: &'a [String]) -> Result<Vec<Tag<'a>>> {
    let read = |(at, tag): (usize, &'a String)| {
        scheme.read(who, tag).map_err(|error| error.at(format!("row {row}, tag {at}")))
    };
    tags.iter().enumerate().map(read).collect()
}

/// Counts the entities in rows of tags: see [`spans`] for the meaning of `strict`.
pub fn entity_counts(
    predicted: &[Vec<String>],
    expected: &[Vec<String>],
    scheme: Scheme,
    strict: bool,
) -> Result<EntityCounts> {
    const WHO: &str = "entity_scores";
    if predicted.len() != expected.len() {
        bail!(WHO, "{} rows predicted for {} expected", predicted.len(), expected.len());
    }
    let mut counts = EntityCounts::default();
    for (row, (predicted, expected)) in predicted.iter().zip(expected).enumerate() {
        if predicted.len() != expected.len() {
            bail!(WHO, "row {row}: {} tags predicted for {} expected", predicted.len(), expected.len());
        }
        counts.tags.0 += predicted.iter().zip(expected).filter(|(a, b)| a == b).count() as u64;
        counts.tags.1 += expected.len() as u64;
        let (predicted, expected) = (read_row(WHO, scheme, row, predicted)?, read_row(WHO, scheme, row, expected)?);
        for (tags, rows) in [(&predicted, &mut counts.malformed.0), (&expected, &mut counts.malformed.1)] {
            if !scheme.misplaced(tags).is_empty() {
                rows.push(row);
            }
        }
        counts.add(&spans(&predicted, scheme, strict), &spans(&expected, scheme, strict));
    }
    if counts.tags.1 == 0 {
        bail!(WHO, "there are no tags");
    }
    Ok(counts)
}

impl EntityCounts {
    fn add(&mut self, predicted: &[Span], expected: &[Span]) {
        for span in predicted {
            let count = self.labels.entry(span.label.clone()).or_default();
            count.predicted += 1;
            // a span occurs only once in a row
            count.right += u64::from(expected.contains(span));
        }
        for span in expected {
            self.labels.entry(span.label.clone()).or_default().expected += 1;
        }
    }
}
