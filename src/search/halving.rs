//! Successive halving (Jamieson and Talwalkar 2016; ASHA: Li et al. 2020): at each rung only the best part continues.

/// The results of earlier trials after the same number of steps.
#[derive(Clone, Debug)]
pub struct Rung {
    pub step: usize,
    pub scores: Vec<f64>,
}

impl Rung {
    /// Whether a trial with this score, which is minimized, stops here: it is not among the best `1 / reduction` so far. With
    /// fewer than `reduction` results all continue.
    pub fn stops(&self, score: f64, reduction: usize) -> bool {
        let (count, better) = (self.scores.len() + 1, self.scores.iter().filter(|other| **other < score).count());
        if score.is_nan() {
            return true;
        }
        count >= reduction && better >= count / reduction
    }
}
