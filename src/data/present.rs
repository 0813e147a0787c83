//! The rows of a column that have a value: a bit per row, so that a rarely present field costs little.

/// Rows with and without a value. The values are contiguous, without gaps.
#[derive(Clone, Debug, Default)]
pub struct Present {
    bits: Vec<u64>,
    /// Number of rows with a value before each word of the bits.
    before: Vec<u32>,
    rows: usize,
    given: usize,
}

impl Present {
    /// `rows` rows that all have a value.
    pub fn all(rows: usize) -> Present {
        let mut present = Present::default();
        present.extend(rows, true);
        present
    }

    /// `rows` rows without a value.
    pub fn none(rows: usize) -> Present {
        let mut present = Present::default();
        present.extend(rows, false);
        present
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    /// Bytes of memory that it holds.
    pub fn size(&self) -> usize {
        self.bits.len() * 8 + self.before.len() * 4
    }

    /// The index of the row's value.
    pub fn place(&self, row: usize) -> Option<usize> {
        let (word, bit) = (self.bits[row / 64], row % 64);
        (word >> bit & 1 == 1).then(|| {
            let here = word & ((1 << bit) - 1);
            self.before[row / 64] as usize + here.count_ones() as usize
        })
    }

    pub fn push(&mut self, has: bool) {
        if self.rows.is_multiple_of(64) {
            self.bits.push(0);
            self.before.push(self.given as u32);
        }
        if has {
            self.bits[self.rows / 64] |= 1 << (self.rows % 64);
            self.given += 1;
        }
        self.rows += 1;
    }

    /// Appends rows that all have a value, or none.
    pub fn extend(&mut self, rows: usize, has: bool) {
        let end = self.rows + rows;
        while self.rows < end && !self.rows.is_multiple_of(64) {
            self.push(has);
        }
        let words = (end - self.rows) / 64;
        self.bits.extend(std::iter::repeat_n(if has { u64::MAX } else { 0 }, words));
        let each = if has { 64 } else { 0 };
        self.before.extend((0..words).map(|word| (self.given + each * word) as u32));
        (self.rows, self.given) = (self.rows + 64 * words, self.given + each * words);
        while self.rows < end {
            self.push(has);
        }
    }

    /// Appends the rows of another column.
    pub fn append(&mut self, more: &Present) {
        for row in 0..more.rows {
            self.push(more.bits[row / 64] >> (row % 64) & 1 == 1);
        }
    }
}
