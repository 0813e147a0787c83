//! Sparse matrices.

use crate::kernel::parallel;
use crate::{Result, bail};

/// Rows of column indices and numbers, the indices of a row in ascending order.
#[derive(Clone, Debug, Default)]
pub struct Sparse {
    pub columns: usize,
    /// End of each row.
    ends: Vec<usize>,
    places: Vec<u32>,
    numbers: Vec<f64>,
}

impl Sparse {
    pub fn new(columns: usize) -> Sparse {
        Sparse { columns, ..Sparse::default() }
    }

    /// From dense rows, zeros included.
    pub fn dense(who: &str, numbers: Vec<f64>, columns: usize) -> Result<Sparse> {
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            bail!(who, "row {}, column {} is {}", at / columns, at % columns, numbers[at]);
        }
        let rows = numbers.len() / columns.max(1);
        Ok(Sparse {
            columns,
            ends: (1..=rows).map(|row| row * columns).collect(),
            places: (0..rows).flat_map(|_| 0..columns as u32).collect(),
            numbers,
        })
    }

    /// Adds a row.
    pub fn push(&mut self, row: &[(u32, f64)]) {
        self.places.extend(row.iter().map(|(place, _)| place));
        self.numbers.extend(row.iter().map(|(_, number)| number));
        self.ends.push(self.places.len());
    }

    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Number of stored numbers.
    pub fn kept(&self) -> usize {
        self.places.len()
    }

    /// The column indices and numbers of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        let span = start..self.ends[row];
        self.places[span.clone()].iter().map(|place| *place as usize).zip(self.numbers[span].iter().copied())
    }

    /// Selects these rows, in this order.
    pub fn pick(&self, rows: &[usize]) -> Sparse {
        let mut picked = Sparse::new(self.columns);
        for row in rows {
            let row: Vec<(u32, f64)> = self.row(*row).map(|(place, number)| (place as u32, number)).collect();
            picked.push(&row);
        }
        picked
    }

    /// Transposes the matrix.
    pub fn transposed(&self) -> Sparse {
        let mut ends = vec![0; self.columns];
        self.places.iter().for_each(|place| ends[*place as usize] += 1);
        let mut sum = 0;
        let mut next: Vec<usize> = ends
            .iter_mut()
            .map(|end| {
                let start = sum;
                sum += *end;
                *end = sum;
                start
            })
            .collect();
        let (mut places, mut numbers) = (vec![0; sum], vec![0.0; sum]);
        for row in 0..self.rows() {
            for (place, number) in self.row(row) {
                places[next[place]] = row as u32;
                numbers[next[place]] = number;
                next[place] += 1;
            }
        }
        Sparse { columns: self.rows(), ends, places, numbers }
    }

    /// Multiplies by a dense matrix `[columns, width]`; returns `[rows, width]`. Each row of the result is one sum in index
    /// order, so it does not depend on threads.
    pub fn times(&self, dense: &[f64], width: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.rows() * width];
        let each = (self.kept() / self.rows().max(1)).max(1) * width;
        let step = ((1 << 14) / each).max(1);
        parallel::pieces(&mut out, step * width.max(1), &|first, piece: &mut [f64]| {
            for (at, sums) in piece.chunks_exact_mut(width.max(1)).enumerate() {
                if let [sum] = sums {
                    *sum = self.row(first + at).map(|(place, number)| number * dense[place]).sum();
                    continue;
                }
                for (place, number) in self.row(first / width + at) {
                    let from = &dense[place * width..][..width];
                    sums.iter_mut().zip(from).for_each(|(sum, from)| *sum += number * from);
                }
            }
        });
        out
    }
}
