//! Multiple tests: adjusted p values.

/// The method of adjusting p values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjust {
    /// Controls the probability of any false rejection, under any dependence of the tests (Holm 1979).
    Holm,
    /// The same, in one step (Dunn 1961).
    Bonferroni,
    /// Controls the expected share of false rejections (Benjamini and Hochberg 1995).
    BenjaminiHochberg,
}

/// Adjusted p values, in the order of `values`: a test is rejected at a level if its adjusted value is at most the level.
pub fn adjusted(values: &[f64], how: Adjust) -> Vec<f64> {
    let count = values.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut found = vec![0.0; count];
    match how {
        Adjust::Bonferroni => values.iter().zip(&mut found).for_each(|(p, slot)| *slot = (p * count as f64).min(1.0)),
        Adjust::Holm => {
            let mut most: f64 = 0.0;
            for (rank, at) in order.into_iter().enumerate() {
                most = most.max(values[at] * (count - rank) as f64).min(1.0);
                found[at] = most;
            }
        }
        Adjust::BenjaminiHochberg => {
            let mut least: f64 = 1.0;
            for (rank, at) in order.into_iter().enumerate().rev() {
                least = least.min(values[at] * count as f64 / (rank + 1) as f64);
                found[at] = least;
            }
        }
    }
    found
}
