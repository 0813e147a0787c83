//! Work done by rank 0 alone while the others wait, such as writing a file, and parts of it that it distributes among them: they
//! need not read or know its purpose.

use super::meeting::{LONG, MESSAGE, meet};
use super::world::{self, Occasion, OnItsOwn, Pace, World};
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The reason for which rank 0 comes to a meeting.
const DONE: u64 = 0;
const FAILED: u64 = 1;
const SHARES: u64 = 2;

/// Rank 0 with the ranks waiting to help it; alone if there are no others.
#[derive(Clone)]
pub struct Crew(Option<(&'static World, Arc<str>)>);

impl Crew {
    pub fn alone() -> Crew {
        Crew(None)
    }

    /// The number of workers.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |(world, _)| world.count)
    }

    /// Distributes items among all, in runs of equal length: rank 0 processes its own by `own`; `write` serializes those of
    /// another rank, and `read` deserializes its results. Returns all results in item order, or the first error.
    pub fn each<T, R>(
        &self,
        mut items: Vec<T>,
        write: impl Fn(Vec<T>, &mut Vec<u8>),
        read: impl Fn(&[u8]) -> Result<Vec<R>>,
        own: impl FnOnce(Vec<T>) -> Result<Vec<R>>,
    ) -> Result<Vec<R>> {
        let Some((world, what)) = self.0.as_ref().filter(|(world, _)| world.is_here()) else { return own(items) };
        let mut jobs = Vec::new();
        for rank in (1..world.count).rev() {
            let mut job = Vec::new();
            // the remaining items are divided among the ranks up to this one; if there are few, rank 0 has the first
            let given = items.split_off((items.len() * rank).div_ceil(rank + 1));
            if !given.is_empty() {
                write(given, &mut job);
            }
            jobs.push(job);
        }
        jobs.reverse();
        meet(world, what, SHARES, 0, LONG)?;
        let lengths: Vec<[u8; 8]> = jobs.iter().map(|job| (job.len() as u64).to_le_bytes()).collect();
        send(world, what, &lengths.iter().map(|length| &length[..]).collect::<Vec<_>>())?;
        send(world, what, &jobs.iter().map(|job| &job[..]).collect::<Vec<_>>())?;
        let mut results = own(items);
        let cards = meet(world, what, DONE, 0, LONG)?;
        let mut answers: Vec<Vec<u8>> = cards[1..].iter().map(|card| vec![0; card.length as usize]).collect();
        receive(world, what, &mut answers)?;
        for (answer, card) in answers.iter().zip(&cards[1..]) {
            let more = match card.flag {
                FAILED => Err(told(answer)),
                _ if answer.is_empty() => Ok(Vec::new()),
                _ => read(answer),
            };
            results = results.and_then(|mut all| {
                all.extend(more?);
                Ok(all)
            });
        }
        results
    }
}

/// Sends each other rank its bytes, whose length all know.
fn send(world: &World, what: &str, bytes: &[&[u8]]) -> Result<()> {
    for from in (0..longest(bytes)).step_by(MESSAGE) {
        let cut = |bytes: &'_ [u8]| from.min(bytes.len())..(from + MESSAGE).min(bytes.len());
        let sends: Vec<(usize, &[u8])> =
            bytes.iter().zip(1..).map(|(bytes, rank)| (rank, &bytes[cut(bytes)])).collect();
        world.exchange(&Occasion { what, pace: Pace::Busy, times: 1 }, &sends, &mut [])?;
    }
    Ok(())
}

fn receive(world: &World, what: &str, bytes: &mut [Vec<u8>]) -> Result<()> {
    for from in (0..longest(bytes)).step_by(MESSAGE) {
        let pieces = bytes.iter_mut().zip(1..).map(|(bytes, rank)| {
            let cut = from.min(bytes.len())..(from + MESSAGE).min(bytes.len());
            (rank, &mut bytes[cut])
        });
        let mut pieces: Vec<(usize, &mut [u8])> = pieces.collect();
        world.exchange(&Occasion { what, pace: Pace::Busy, times: 1 }, &[], &mut pieces)?;
    }
    Ok(())
}

fn longest(bytes: &[impl AsRef<[u8]>]) -> usize {
    bytes.iter().map(|bytes| bytes.as_ref().len()).max().unwrap_or(0)
}

/// Another rank receives this many bytes from rank 0.
fn from_first(world: &World, what: &str, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    for piece in bytes.chunks_mut(MESSAGE) {
        world.exchange(&Occasion { what, pace: Pace::Busy, times: 1 }, &[], &mut [(0, piece)])?;
    }
    Ok(bytes)
}

/// The result of `lead` in rank 0; an error is an error of all. The other ranks process by `help` what it distributes.
fn led_bytes(
    what: &str,
    lead: impl FnOnce(Crew) -> Result<Vec<u8>>,
    help: impl Fn(&[u8]) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let Some(world) = world::world() else { return lead(Crew::alone()) };
    // data that the others may still read changes only after they have come here
    meet(world, what, 0, 0, 1)?;
    if world.rank > 0 {
        return follow(world, what, help);
    }
    let own = OnItsOwn::begin();
    let done = lead(Crew(Some((world, what.into()))));
    drop(own);
    let (flag, bytes) = match &done {
        Ok(bytes) => (DONE, bytes.clone()),
        Err(error) => (FAILED, written(error)),
    };
    meet(world, what, flag, bytes.len() as u64, LONG)?;
    send(world, what, &vec![&bytes[..]; world.count - 1])?;
    done
}

/// Helps rank 0 until it has finished.
fn follow(world: &World, what: &str, help: impl Fn(&[u8]) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    loop {
        let first = meet(world, what, 0, 0, LONG)?.swap_remove(0);
        if first.flag != SHARES {
            let bytes = from_first(world, what, first.length as usize)?;
            return if first.flag == DONE { Ok(bytes) } else { Err(told(&bytes)) };
        }
        let length = from_first(world, what, 8)?.try_into().map_or(0, u64::from_le_bytes);
        let job = from_first(world, what, length as usize)?;
        let own = OnItsOwn::begin();
        let done = if job.is_empty() { Ok(Vec::new()) } else { help(&job) };
        drop(own);
        let (flag, answer) = match done {
            Ok(answer) => (DONE, answer),
            Err(error) => (FAILED, written(&error)),
        };
        meet(world, what, flag, answer.len() as u64, LONG)?;
        for piece in answer.chunks(MESSAGE) {
            world.exchange(&Occasion { what, pace: Pace::Busy, times: 1 }, &[(0, piece)], &mut [])?;
        }
    }
}

/// The result of `work`, which only rank 0 runs; an error is an error of all.
pub fn shared(what: &str, work: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    led_bytes(what, |_| work(), |_| Ok(Vec::new()))
}

/// Runs in rank 0 alone what all ranks would do identically, such as writing a file; the others wait.
pub fn first(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    shared(what, || work().map(|()| Vec::new())).map(drop)
}

/// Like [`first`], and returns the result in all ranks.
pub fn first_value<T: Serialize + DeserializeOwned>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    led(what, |_| work(), |_| Ok(Vec::new()))
}

/// Like [`first_value`], for work that rank 0 distributes: other ranks process it by `help`.
pub fn led<T: Serialize + DeserializeOwned>(
    what: &str,
    lead: impl FnOnce(Crew) -> Result<T>,
    help: impl Fn(&[u8]) -> Result<Vec<u8>>,
) -> Result<T> {
    if world::world().is_none() {
        return lead(Crew::alone());
    }
    let fault = |error: serde_json::Error| Error::new(what, format!("can't be told to the other ranks: {error}"));
    let bytes = led_bytes(what, |crew| serde_json::to_vec(&lead(crew)?).map_err(fault), help)?;
    serde_json::from_slice(&bytes).map_err(fault)
}

fn written(error: &Error) -> Vec<u8> {
    let parts = (error.who(), error.what(), error.advice(), error.is_interrupted());
    serde_json::to_vec(&parts).unwrap_or_default()
}

fn told(bytes: &[u8]) -> Error {
    match serde_json::from_slice::<(String, String, Option<String>, bool)>(bytes) {
        Ok((.., true)) => Error::interrupted(),
        Ok((who, what, help, _)) => match help {
            Some(help) => Error::new(who, what).help(help),
            None => Error::new(who, what),
        },
        Err(error) => Error::new("ranks", format!("rank 0 failed, and its words are no text: {error}")),
    }
}
