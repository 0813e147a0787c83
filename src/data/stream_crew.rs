//! Distributes parts of a stream among ranks to apply a step.

use super::Dataset;
use super::step::Step;
use super::wire::{Wire, put_number};
use crate::Result;
use crate::ranks::Crew;

/// Applies a step to parts, each with the index of its first row, by all ranks of the crew; `place` is the step's index among the
/// stages.
pub fn shared_out(step: &dyn Step, place: usize, parts: Vec<(usize, Dataset)>, crew: &Crew) -> Vec<Result<Dataset>> {
    if crew.count() == 1 {
        return step.apply_all(parts);
    }
    let write = |parts: Vec<(usize, Dataset)>, job: &mut Vec<u8>| {
        put_number(job, place as u64);
        for (first, rows) in parts {
            put_number(job, first as u64);
            rows.put(job);
        }
    };
    let read = |answer: &[u8]| {
        let (mut wire, mut made) = (Wire(answer), Vec::new());
        while !wire.0.is_empty() {
            made.push(Dataset::from_wire(&mut wire)?);
        }
        Ok(made)
    };
    match crew.each(parts, write, read, |own| step.apply_all(own).into_iter().collect()) {
        Ok(made) => made.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    }
}

/// Another rank's answer to its share of the parts, after the index of the step.
pub fn answered(step: &dyn Step, mut wire: Wire) -> Result<Vec<u8>> {
    let mut parts = Vec::new();
    while !wire.0.is_empty() {
        parts.push((wire.number()? as usize, Dataset::from_wire(&mut wire)?));
    }
    let mut made = Vec::new();
    step.apply_all(parts).into_iter().try_for_each(|rows| rows.map(|rows| rows.put(&mut made)))?;
    Ok(made)
}
