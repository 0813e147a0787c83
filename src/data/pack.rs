//! Sequences into blocks of one length.

use std::collections::BTreeSet;

/// Sequences one after the other, cut where a block is full. Gives the pieces of every block.
pub fn stream(sequences: &[(usize, usize)], length: usize) -> Vec<Vec<(usize, usize)>> {
    let mut blocks = vec![Vec::new()];
    let mut room = length;
    for &(mut start, end) in sequences {
        while start < end {
            if room == 0 {
                blocks.push(Vec::new());
                room = length;
            }
            let taken = room.min(end - start);
            if let Some(block) = blocks.last_mut() {
                block.push((start, start + taken));
            }
            start += taken;
            room -= taken;
        }
    }
    blocks
}

/// Whole sequences, the longest first, each into the block where it leaves the least room (best-fit decreasing:
/// Johnson 1974; for language models Ding et al. 2024, "Fewer truncations improve language modeling").
/// Gives the sequences of every block; which block is which depends on nothing but the sizes.
pub fn best_fit(sizes: &[usize], length: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(sizes[at]));
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    // (room, block) of every block that has room
    let mut open: BTreeSet<(usize, usize)> = BTreeSet::new();
    for at in order {
        let size = sizes[at];
        let (room, block) = match open.range((size, 0)..).next().copied() {
            Some(found) => {
                open.remove(&found);
                found
            }
            None => {
                blocks.push(Vec::new());
                (length, blocks.len() - 1)
            }
        };
        blocks[block].push(at);
        if room > size {
            open.insert((room - size, block));
        }
    }
    // within a block in the order of the data
    blocks.iter_mut().for_each(|block| block.sort_unstable());
    blocks
}
