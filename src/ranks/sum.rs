//! Elementwise sums over ranks, in tree order: every rank adds its share of all numbers, and sends the sums to the others.

use super::world::{self, Occasion, Pace, World};
use super::{meeting, tree};
use crate::number::Number;
use crate::{Result, bail};
use std::ops::{Add, Range};

/// Numbers per message: 4 MB of f32. Smaller ones are slow over TCP.
const PIECE: usize = 1 << 20;
/// Maximum numbers in all messages of one round.
const ROUND: usize = 1 << 24;

/// Numbers that some ranks have, all at the same position of one long row.
pub struct Addend {
    pub length: usize,
    /// The ranks that have them. The others' numbers are not zeros, but absent: the sum of one is itself, including the sign of a
    /// zero.
    pub has: Vec<bool>,
}

/// Sums the row of concatenated addends. `read` appends the bytes of a range of this rank's numbers, with arbitrary bytes for
/// those that it lacks; `write` receives the bytes of the sums in order.
pub fn sum<T: Number + Add<Output = T>>(
    what: &str,
    addends: &[Addend],
    mut read: impl FnMut(Range<usize>, &mut Vec<u8>) -> Result<()>,
    mut write: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let Some(world) = world::world() else { bail!("ranks", "{what}: there is one rank alone") };
    let total: usize = addends.iter().map(|addend| addend.length).sum();
    meeting::meet(world, what, 0, total as u64, 1)?;
    let row = Row::of(addends);
    let piece = PIECE.min(ROUND / world.count).max(1);
    let mut round = Round { world, what, outgoing: Vec::new(), incoming: Vec::new(), sums: Vec::new() };
    let mut at = 0;
    while at < total {
        let length = (piece * world.count).min(total - at);
        let share = length.div_ceil(world.count);
        let cuts: Vec<Range<usize>> = (0..world.count)
            .map(|rank| at + (rank * share).min(length)..at + ((rank + 1) * share).min(length))
            .collect();
        round.outgoing.clear();
        read(at..at + length, &mut round.outgoing)?;
        round.spread::<T>(&cuts)?;
        round.add::<T>(&cuts[world.rank], &row);
        round.collect::<T>(&cuts)?;
        for sums in &round.sums {
            write(sums)?;
        }
        at += length;
    }
    Ok(())
}

/// The positions of the addends.
struct Row<'a> {
    addends: &'a [Addend],
    starts: Vec<usize>,
}

impl Row<'_> {
    fn of(addends: &[Addend]) -> Row<'_> {
        let starts = addends.iter().scan(0, |end, addend| {
            let start = *end;
            *end += addend.length;
            Some(start)
        });
        Row { addends, starts: starts.collect() }
    }

    /// The parts of a range by addend, relative to the range's start, with the ranks that have them.
    fn parts(&self, range: &Range<usize>) -> impl Iterator<Item = (Range<usize>, &[bool])> {
        let first = self.starts.partition_point(|start| *start <= range.start).saturating_sub(1);
        let of = self.addends[first..].iter().zip(&self.starts[first..]);
        let (from, to) = (range.start, range.end);
        of.take_while(move |(_, start)| **start < to)
            .map(move |(addend, start)| {
                ((*start).max(from)..(start + addend.length).min(to).max(from), &addend.has[..])
            })
            .filter(|(part, _)| !part.is_empty())
            .map(move |(part, has)| (part.start - from..part.end - from, has))
    }
}

struct Round<'a> {
    world: &'a World,
    what: &'a str,
    /// This rank's numbers, for the others.
    outgoing: Vec<u8>,
    /// All ranks' numbers in this rank's share.
    incoming: Vec<Vec<u8>>,
    /// The sums of each rank's share.
    sums: Vec<Vec<u8>>,
}

impl Round<'_> {
    /// Sends every rank this one's numbers of its share.
    fn spread<T: Number + Add<Output = T>>(&mut self, cuts: &[Range<usize>]) -> Result<()> {
        let (rank, first) = (self.world.rank, cuts[0].start);
        let bytes = |cut: &Range<usize>| (cut.start - first) * T::SIZE..(cut.end - first) * T::SIZE;
        self.incoming.resize_with(cuts.len(), Vec::new);
        for (from, incoming) in self.incoming.iter_mut().enumerate() {
            incoming.clear();
            match from == rank {
                true => incoming.extend_from_slice(&self.outgoing[bytes(&cuts[rank])]),
                false => incoming.resize(cuts[rank].len() * T::SIZE, 0),
            }
        }
        let others = cuts.iter().enumerate().filter(|(other, _)| *other != rank);
        let sends: Vec<(usize, &[u8])> = others.map(|(to, cut)| (to, &self.outgoing[bytes(cut)])).collect();
        let others = self.incoming.iter_mut().enumerate().filter(|(other, _)| *other != rank);
        let mut receives: Vec<(usize, &mut [u8])> = others.map(|(from, bytes)| (from, &mut bytes[..])).collect();
        self.world.exchange(&Occasion { what: self.what, pace: Pace::Busy, times: 1 }, &sends, &mut receives)
    }

    /// Adds the numbers of this rank's share.
    fn add<T: Number + Add<Output = T>>(&mut self, share: &Range<usize>, row: &Row) {
        for (part, has) in row.parts(share) {
            let bytes = part.start * T::SIZE..part.end * T::SIZE;
            let mut has = has.to_vec();
            for (left, right) in tree::pairs(self.incoming.len()) {
                let [mine, theirs] = match self.incoming.get_disjoint_mut([left, right]) {
                    Ok(both) => both.map(|numbers| &mut numbers[bytes.clone()]),
                    Err(_) => continue,
                };
                match (has[left], has[right]) {
                    (true, true) => add_to::<T>(mine, theirs),
                    (false, true) => mine.copy_from_slice(theirs),
                    (_, false) => {}
                }
                has[left] |= has[right];
            }
        }
    }

    /// Sends every rank the sums of this one's share.
    fn collect<T: Number + Add<Output = T>>(&mut self, cuts: &[Range<usize>]) -> Result<()> {
        let rank = self.world.rank;
        self.sums.resize_with(cuts.len(), Vec::new);
        for (of, sums) in self.sums.iter_mut().enumerate() {
            sums.resize(cuts[of].len() * T::SIZE, 0);
        }
        self.sums[rank].copy_from_slice(&self.incoming[0]);
        let own = std::mem::take(&mut self.sums[rank]);
        let sends: Vec<(usize, &[u8])> = (0..cuts.len()).filter(|to| *to != rank).map(|to| (to, &own[..])).collect();
        let others = self.sums.iter_mut().enumerate().filter(|(other, _)| *other != rank);
        let mut receives: Vec<(usize, &mut [u8])> = others.map(|(from, bytes)| (from, &mut bytes[..])).collect();
        let done =
            self.world.exchange(&Occasion { what: self.what, pace: Pace::Busy, times: 1 }, &sends, &mut receives);
        self.sums[rank] = own;
        done
    }
}

/// mine += theirs.
fn add_to<T: Number + Add<Output = T>>(mine: &mut [u8], theirs: &[u8]) {
    for (a, b) in mine.chunks_exact_mut(T::SIZE).zip(theirs.chunks_exact(T::SIZE)) {
        (T::read(a) + T::read(b)).put(a);
    }
}
