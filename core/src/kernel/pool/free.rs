//! Free ranges of memory.

use std::collections::{BTreeMap, BTreeSet};

/// Ranges by size and by address; adjacent ranges are merged.
pub struct Free {
    sizes: BTreeSet<(usize, usize)>,
    places: BTreeMap<usize, usize>,
    bytes: usize,
}

impl Free {
    pub const fn new() -> Free {
        Free { sizes: BTreeSet::new(), places: BTreeMap::new(), bytes: 0 }
    }

    /// Total bytes of all ranges.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a range has room for this size.
    pub fn has(&self, size: usize) -> bool {
        self.sizes.range((size, 0)..).next().is_some()
    }

    /// The start of a range of this size, split from the smallest that fits.
    pub fn take(&mut self, size: usize) -> Option<usize> {
        let &(found, place) = self.sizes.range((size, 0)..).next()?;
        self.remove(place, found);
        if found > size {
            self.insert(place + size, found - size);
        }
        Some(place)
    }

    /// The largest range, whole.
    pub fn take_largest(&mut self) -> Option<(usize, usize)> {
        let &(size, place) = self.sizes.last()?;
        self.remove(place, size);
        Some((place, size))
    }

    /// Adds a range, and merges it with its neighbors.
    pub fn put(&mut self, mut place: usize, mut size: usize) {
        if let Some((&before, &length)) = self.places.range(..place).next_back()
            && before + length == place
        {
            self.remove(before, length);
            (place, size) = (before, size + length);
        }
        if let Some(&length) = self.places.get(&(place + size)) {
            self.remove(place + size, length);
            size += length;
        }
        self.insert(place, size);
    }

    fn insert(&mut self, place: usize, size: usize) {
        self.sizes.insert((size, place));
        self.places.insert(place, size);
        self.bytes += size;
    }

    fn remove(&mut self, place: usize, size: usize) {
        self.sizes.remove(&(size, place));
        self.places.remove(&place);
        self.bytes -= size;
    }
}
