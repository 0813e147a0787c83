//! Successive halving (Jamieson and Talwalkar 2016; ASHA: Li et al. 2020): at each rung only the best part goes on.

/// The results of earlier trials after as many steps.
#[derive(Clone, Debug)]
pub struct Rung {
    pub step: usize,
    pub scores: Vec<f64>,
}

impl Rung {
    /// Whether a trial with this score, less being better, ends here: it is not among the best `1 / reduction` of those that came so far.
    /// While there are fewer than `reduction` all go on.
    pub fn stops(&self, score: f64, reduction: usize) -> bool {
        let (count, better) = (self.scores.len() + 1, self.scores.iter().filter(|other| **other < score).count());
        if score.is_nan() {
            return true;
        }
        count >= reduction && better >= count / reduction
    }
}
