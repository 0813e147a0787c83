//! Rows of bytes, one per rank, that the other ranks receive in pieces, so that no side holds a whole row.

use super::meeting;
use super::world::{self, Occasion, Pace};
use crate::Result;
use std::ops::Range;

/// Bytes per message.
const PIECE: usize = 4 << 20;

/// The receivers of the rows.
#[derive(Clone, Copy, PartialEq)]
pub enum To {
    All,
    First,
}

/// Sends every rank's row of bytes, whose `lengths` all know, to the others. `read` appends the bytes of a range of the own row;
/// `write` receives the next bytes of another rank's row, in order.
pub fn spread(
    what: &str,
    lengths: &[usize],
    to: To,
    mut read: impl FnMut(Range<usize>, &mut Vec<u8>) -> Result<()>,
    mut write: impl FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    let Some(world) = world::world() else { return Ok(()) };
    meeting::meet(world, what, 0, lengths.iter().sum::<usize>() as u64, 1)?;
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let gets = |rank: usize| to == To::All || rank == 0;
    let mut own = Vec::new();
    let mut others: Vec<Vec<u8>> = vec![Vec::new(); world.count];
    for from in (0..longest).step_by(PIECE) {
        let cut = |rank: usize| from.min(lengths[rank])..(from + PIECE).min(lengths[rank]);
        own.clear();
        read(cut(world.rank), &mut own)?;
        let sends: Vec<(usize, &[u8])> =
            (0..world.count).filter(|rank| *rank != world.rank && gets(*rank)).map(|rank| (rank, &own[..])).collect();
        let mut receives = Vec::new();
        for (rank, bytes) in others.iter_mut().enumerate() {
            if rank != world.rank && gets(world.rank) {
                bytes.resize(cut(rank).len(), 0);
                receives.push((rank, &mut bytes[..]));
            }
        }
        world.exchange(&Occasion { what, pace: Pace::Busy, times: 1 }, &sends, &mut receives)?;
        for (rank, bytes) in others.iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
            write(rank, bytes)?;
        }
    }
    Ok(())
}
