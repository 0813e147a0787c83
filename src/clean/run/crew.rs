//! Row-wise steps shared among all ranks: rank 0 sends parts to the others and receives the results of the steps.

use super::phase::Through;
use super::step::{Gone, Memory, Part};
use super::tally::StepTally;
use super::{CleanRun, WHO};
use crate::data::wire::{Wire, broken, put_number, put_text};
use crate::data::{Dataset, Stream};
use crate::ranks::Crew;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;

/// A job is of a step of the stream, whose index it begins with, or of steps of the run.
const OF_RUN: u64 = u64::MAX;

impl CleanRun {
    /// Passes parts through steps, on all ranks of the crew.
    pub(super) fn shared_out(&self, steps: Range<usize>, mut all: Vec<Through>, crew: &Crew) -> Result<Vec<Through>> {
        if crew.count() == 1 {
            return self.alone(steps, all);
        }
        let sent = all.iter().map(|through| Through::of(through.part.clone()));
        let write = |parts: Vec<Through>, job: &mut Vec<u8>| {
            put_number(job, OF_RUN);
            put_number(job, steps.start as u64);
            put_number(job, steps.end as u64);
            parts.iter().for_each(|through| put_part(&through.part, job));
        };
        let read = |answer: &[u8]| {
            let (mut wire, mut made) = (Wire(answer), Vec::new());
            while !wire.0.is_empty() {
                made.push(through_of(&mut wire)?);
            }
            Ok(made)
        };
        let made = crew.each(sent.collect(), write, read, |own| self.alone(steps.clone(), own))?;
        for (through, made) in all.iter_mut().zip(made) {
            through.part = made.part;
            through.gone.extend(made.gone);
            through.cut.extend(made.cut);
            through.tally.steps.extend(made.tally.steps);
        }
        Ok(all)
    }

    fn alone(&self, steps: Range<usize>, mut parts: Vec<Through>) -> Result<Vec<Through>> {
        // row-wise steps have no state
        let mut memory = Memory::default();
        for step in self.steps.get(steps).ok_or_else(broken)? {
            self.step(step, 0, &mut parts, &mut memory)?;
        }
        Ok(parts)
    }

    /// The answer of another rank to a job.
    pub(super) fn help(&self, stream: &Stream, job: &[u8]) -> Result<Vec<u8>> {
        let mut wire = Wire(job);
        if wire.number()? != OF_RUN {
            return stream.help(job);
        }
        let steps = wire.number()? as usize..wire.number()? as usize;
        let mut parts = Vec::new();
        while !wire.0.is_empty() {
            parts.push(Through::of(part_of(&mut wire)?));
        }
        let mut answer = Vec::new();
        for through in self.alone(steps, parts)? {
            put_part(&through.part, &mut answer);
            put_json(&through.gone, &mut answer)?;
            put_json(&through.cut, &mut answer)?;
            put_json(&through.tally.steps, &mut answer)?;
        }
        Ok(answer)
    }
}

fn put_part(part: &Part, out: &mut Vec<u8>) {
    part.rows.put(out);
    part.numbers.iter().for_each(|number| put_number(out, *number));
}

fn part_of(wire: &mut Wire) -> Result<Part> {
    let rows = Dataset::from_wire(wire)?;
    let numbers = (0..rows.len()).map(|_| wire.number()).collect::<Result<_>>()?;
    Ok(Part { rows, numbers })
}

fn through_of(wire: &mut Wire) -> Result<Through> {
    let mut through = Through::of(part_of(wire)?);
    through.gone = json_of::<Vec<Gone>>(wire)?;
    through.cut = json_of::<Vec<Gone>>(wire)?;
    through.tally.steps = json_of::<Vec<StepTally>>(wire)?;
    Ok(through)
}

fn put_json(value: &impl Serialize, out: &mut Vec<u8>) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|error| Error::new(WHO, error.to_string()))?;
    put_text(out, &text);
    Ok(())
}

fn json_of<T: DeserializeOwned>(wire: &mut Wire) -> Result<T> {
    serde_json::from_str(wire.text()?).map_err(|_| broken())
}
