//! Meetings of ranks: each states its purpose, so that ranks that have diverged are reported, not mixed up.

use super::world::{self, Occasion, Pace, World};
use crate::{Error, Result, cancel};

/// Bytes of a rank's card at a meeting: its step, two facts, and its purpose.
const CARD: usize = 128;
const LABEL: usize = CARD - 32;
/// Bytes of one message.
pub(super) const MESSAGE: usize = 64 << 20;
/// Factor of the time limit for work that rank 0 does alone.
pub(super) const LONG: u32 = 48;

/// A rank's contribution to a meeting.
#[derive(Clone)]
pub struct Card {
    pub flag: u64,
    /// Whether a stop was requested in it.
    stops: bool,
    pub length: u64,
    what: Vec<u8>,
    step: u64,
}

impl Card {
    fn write(&self) -> [u8; CARD] {
        let mut bytes = [0; CARD];
        for (at, number) in [self.flag << 1 | u64::from(self.stops), self.length, self.step, self.what.len() as u64]
            .into_iter()
            .enumerate()
        {
            bytes[8 * at..8 * at + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes[32..32 + self.what.len()].copy_from_slice(&self.what);
        bytes
    }

    fn read(bytes: &[u8]) -> Card {
        let number = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[8 * at..8 * at + 8]);
            u64::from_le_bytes(word)
        };
        let end = 32 + (number(3) as usize).min(LABEL);
        let (flag, stops) = (number(0) >> 1, number(0) & 1 == 1);
        Card { flag, stops, length: number(1), step: number(2), what: bytes[32..end].to_vec() }
    }

    fn told(&self) -> String {
        let step = if self.step > 0 { format!(" (step {})", self.step) } else { String::new() };
        format!("`{}`{step}", String::from_utf8_lossy(&self.what))
    }
}

/// Waits for all ranks, which must have the same purpose; returns each rank's card.
pub fn meet(world: &World, what: &str, flag: u64, length: u64, times: u32) -> Result<Vec<Card>> {
    let label = what.as_bytes();
    let (what_for, stops) = (label[..label.len().min(LABEL)].to_vec(), cancel::current().is_asked());
    let own = Card { flag, stops, length, what: what_for, step: world::step() };
    let bytes = own.write();
    let mut table = vec![[0; CARD]; world.count];
    table[world.rank] = bytes;
    let others = (0..world.count).filter(|rank| *rank != world.rank);
    let sends: Vec<(usize, &[u8])> = others.map(|rank| (rank, &bytes[..])).collect();
    let receives = table.iter_mut().enumerate().filter(|(rank, _)| *rank != world.rank);
    let mut receives: Vec<(usize, &mut [u8])> = receives.map(|(rank, card)| (rank, &mut card[..])).collect();
    world.exchange(&Occasion { what, pace: Pace::Patient, times }, &sends, &mut receives)?;
    let cards: Vec<Card> = table.iter().map(|bytes| Card::read(bytes)).collect();
    match cards.iter().position(|card| card.what != cards[0].what) {
        None => Ok(cards),
        // a stop ends work midway, in one rank before another
        Some(_) if cards.iter().any(|card| card.stops) => Err(Error::interrupted()),
        Some(other) => Err(Error::damage(
            "ranks",
            format!(
                "ranks have taken different ways: rank 0 has come to {}, rank {other} to {}",
                cards[0].told(),
                cards[other].told()
            ),
        )
        .help("a script must do the same in all ranks: what it asks of `rank()`, the clock, the machine or files that differ may not decide what it trains, saves or stops")),
    }
}

/// Whether any rank answers yes, to a question that all ranks ask.
pub fn agreed(what: &str, own: bool) -> Result<bool> {
    match world::world() {
        None => Ok(own),
        Some(world) => Ok(meet(world, what, u64::from(own), 0, 1)?.iter().any(|card| card.flag != 0)),
    }
}

/// The result of work that every rank did itself: if it failed in one, it failed in all.
pub fn together(what: &str, fault: Option<String>) -> Result<()> {
    let Some(world) = world::world() else { return Ok(()) };
    let cards = loop {
        match meet(world, what, u64::from(fault.is_some()), 0, 1) {
            // others have met inside the work, and come here as soon as they know of the stop
            Err(error) if error.is_interrupted() => {}
            cards => break cards?,
        }
    };
    let Some(failed) = cards.iter().position(|card| card.flag != 0) else { return Ok(()) };
    let faults = gathered(what, fault.unwrap_or_default().as_bytes())?;
    let words = faults.get(failed).map(|words| String::from_utf8_lossy(words).into_owned()).unwrap_or_default();
    Err(Error::new("ranks", format!("rank {failed}: {words}")))
}

/// The bytes of every rank, in rank order.
pub fn gathered(what: &str, own: &[u8]) -> Result<Vec<Vec<u8>>> {
    let Some(world) = world::world() else { return Ok(vec![own.to_vec()]) };
    let cards = meet(world, what, 0, own.len() as u64, 1)?;
    let mut all: Vec<Vec<u8>> = cards.iter().map(|card| vec![0; card.length as usize]).collect();
    all[world.rank].copy_from_slice(own);
    let longest = all.iter().map(Vec::len).max().unwrap_or(0);
    for from in (0..longest).step_by(MESSAGE) {
        let cut = |length: usize| from.min(length)..(from + MESSAGE).min(length);
        let mine = &own[cut(own.len())];
        let sends: Vec<(usize, &[u8])> =
            (0..world.count).filter(|rank| *rank != world.rank).map(|rank| (rank, mine)).collect();
        let others = all.iter_mut().enumerate().filter(|(rank, _)| *rank != world.rank);
        let mut receives: Vec<(usize, &mut [u8])> = others
            .map(|(rank, bytes)| {
                let range = cut(bytes.len());
                (rank, &mut bytes[range])
            })
            .collect();
        world.exchange(&Occasion { what, pace: Pace::Busy, times: 1 }, &sends, &mut receives)?;
    }
    Ok(all)
}

/// The last meeting.
pub fn at_the_end() -> Result<()> {
    match world::world() {
        None => Ok(()),
        Some(world) => meet(world, "the end of the script", 0, 0, LONG).map(drop),
    }
}
