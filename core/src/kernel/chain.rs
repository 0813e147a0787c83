//! Linear-chain conditional random fields (Lafferty, McCallum and Pereira 2001), one sequence at a time, in f64.
//!
//! Sums over all paths use numbers rescaled at each step, so that a step is a matrix product; where that underflows, logarithms.
//! A score of -inf forbids.

/// Transition scores, `[from][to]` row by row, and the scores of the first and the last state.
#[derive(Clone, Debug)]
pub struct Transitions {
    pub states: usize,
    pub between: Vec<f64>,
    pub start: Vec<f64>,
    pub end: Vec<f64>,
    /// e^between relative to its largest score, and that score.
    scaled: Vec<f64>,
    largest: f64,
}

/// A sequence's contribution to the gradients: the expected number of uses of each score.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The probability of each state at each step, `[steps][states]`.
    pub states: Vec<f64>,
    pub between: Vec<f64>,
}

impl Transitions {
    pub fn new(between: Vec<f64>, start: Vec<f64>, end: Vec<f64>) -> Transitions {
        let largest = between.iter().copied().filter(|score| score.is_finite()).fold(f64::NEG_INFINITY, f64::max);
        let largest = if largest.is_finite() { largest } else { 0.0 };
        let scaled = between.iter().map(|score| (score - largest).exp()).collect();
        Transitions { states: start.len(), between, start, end, scaled, largest }
    }

    /// The score of a path; `scores` are those of the states at each step, `[steps][states]`.
    pub fn score(&self, scores: &[f64], path: &[usize]) -> f64 {
        let (Some(first), Some(last)) = (path.first(), path.last()) else { return 0.0 };
        let own: f64 = path.iter().enumerate().map(|(step, state)| scores[step * self.states + state]).sum();
        let moves: f64 = path.windows(2).map(|pair| self.between[pair[0] * self.states + pair[1]]).sum();
        self.start[*first] + own + moves + self.end[*last]
    }

    /// The logarithm of the sum of e^score over all paths, and the expected counts; `None` if no path is allowed.
    pub fn forward_backward(&self, scores: &[f64]) -> Option<(f64, Expected)> {
        if scores.is_empty() {
            return Some((0.0, Expected { states: Vec::new(), between: vec![0.0; self.states * self.states] }));
        }
        self.by_scaling(scores).or_else(|| self.by_logarithms(scores))
    }

    fn by_scaling(&self, scores: &[f64]) -> Option<(f64, Expected)> {
        let n = self.states;
        let steps = scores.len() / n;
        let (mut forward, mut emit) = (vec![0.0; steps * n], vec![0.0; steps * n]);
        let (mut scales, mut total) = (vec![0.0; steps], (steps - 1) as f64 * self.largest);
        let ends = relative(&self.end, &mut total);
        for step in 0..steps {
            let span = step * n..(step + 1) * n;
            emit[span.clone()].copy_from_slice(&relative(&scores[span.clone()], &mut total));
            let (before, own) = forward.split_at_mut(step * n);
            let own = &mut own[..n];
            if step == 0 {
                own.copy_from_slice(&relative(&self.start, &mut total));
            } else {
                for (i, weight) in before[(step - 1) * n..].iter().enumerate() {
                    let row = &self.scaled[i * n..][..n];
                    own.iter_mut().zip(row).for_each(|(to, by)| *to += weight * by);
                }
            }
            own.iter_mut().zip(&emit[span]).for_each(|(own, emit)| *own *= emit);
            if step + 1 == steps {
                own.iter_mut().zip(&ends).for_each(|(own, end)| *own *= end);
            }
            let sum: f64 = own.iter().sum();
            if !(sum > 1e-200 && sum.is_finite()) {
                return None;
            }
            own.iter_mut().for_each(|own| *own /= sum);
            scales[step] = sum;
            total += sum.ln();
        }
        Some((total, self.scaled_back(forward, &emit, &ends, &scales)))
    }

    /// Expected counts of paths, from the forward sums.
    fn scaled_back(&self, forward: Vec<f64>, emit: &[f64], ends: &[f64], scales: &[f64]) -> Expected {
        let n = self.states;
        let steps = scales.len();
        let (mut states, mut between) = (forward, vec![0.0; n * n]);
        // the last step includes the end scores, and its sums are the probabilities
        let mut back = vec![1.0; n];
        for step in (0..steps - 1).rev() {
            let next: Vec<f64> = (0..n)
                .map(|j| {
                    let end = if step + 2 == steps { ends[j] } else { 1.0 };
                    emit[(step + 1) * n + j] * end * back[j] / scales[step + 1]
                })
                .collect();
            let own = &mut states[step * n..][..n];
            for (i, own) in own.iter_mut().enumerate() {
                let row = &self.scaled[i * n..][..n];
                let to = &mut between[i * n..][..n];
                let mut sum = 0.0;
                for ((to, by), next) in to.iter_mut().zip(row).zip(&next) {
                    let share = by * next;
                    sum += share;
                    *to += *own * share;
                }
                back[i] = sum;
                *own *= sum;
            }
        }
        Expected { states, between }
    }

    fn by_logarithms(&self, scores: &[f64]) -> Option<(f64, Expected)> {
        let n = self.states;
        let steps = scores.len() / n;
        let (mut forward, mut back) = (vec![f64::NEG_INFINITY; steps * n], vec![f64::NEG_INFINITY; steps * n]);
        for step in 0..steps {
            for j in 0..n {
                let before = |i: usize| forward[(step - 1) * n + i] + self.between[i * n + j];
                let sum = if step == 0 { self.start[j] } else { log_sum((0..n).map(before)) };
                forward[step * n + j] = sum + scores[step * n + j];
            }
        }
        back[(steps - 1) * n..].copy_from_slice(&self.end);
        for step in (0..steps - 1).rev() {
            for i in 0..n {
                let after = |j: usize| self.between[i * n + j] + scores[(step + 1) * n + j] + back[(step + 1) * n + j];
                back[step * n + i] = log_sum((0..n).map(after));
            }
        }
        let total = log_sum((0..n).map(|j| forward[(steps - 1) * n + j] + self.end[j]));
        if !total.is_finite() {
            return None;
        }
        let states = forward.iter().zip(&back).map(|(a, b)| (a + b - total).exp()).collect();
        let mut between = vec![0.0; n * n];
        for step in 1..steps {
            for i in 0..n {
                for j in 0..n {
                    let path = forward[(step - 1) * n + i] + self.between[i * n + j];
                    between[i * n + j] += (path + scores[step * n + j] + back[step * n + j] - total).exp();
                }
            }
        }
        Some((total, Expected { states, between }))
    }

    /// The best path and its score (Viterbi 1967); ties go to lower states. `None` if no path is allowed.
    pub fn best(&self, scores: &[f64]) -> Option<(Vec<usize>, f64)> {
        let n = self.states;
        let steps = scores.len() / n;
        if steps == 0 {
            return Some((Vec::new(), 0.0));
        }
        let mut top: Vec<f64> = (0..n).map(|j| self.start[j] + scores[j]).collect();
        let mut from = vec![0u32; steps * n];
        for step in 1..steps {
            let mut next = vec![f64::NEG_INFINITY; n];
            for (j, next) in next.iter_mut().enumerate() {
                let mut best = (0, f64::NEG_INFINITY);
                for (i, top) in top.iter().enumerate() {
                    let score = top + self.between[i * n + j];
                    if score > best.1 {
                        best = (i, score);
                    }
                }
                from[step * n + j] = best.0 as u32;
                *next = best.1 + scores[step * n + j];
            }
            top = next;
        }
        let ended: Vec<f64> = top.iter().zip(&self.end).map(|(top, end)| top + end).collect();
        let last = (0..n).fold(0, |best, j| if ended[j] > ended[best] { j } else { best });
        if !ended[last].is_finite() {
            return None;
        }
        let mut path = vec![last; steps];
        for step in (1..steps).rev() {
            path[step - 1] = from[step * n + path[step]] as usize;
        }
        Some((path, ended[last]))
    }
}

/// e^score relative to the largest score, which is added to `total`.
fn relative(scores: &[f64], total: &mut f64) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let largest = if largest.is_finite() { largest } else { 0.0 };
    *total += largest;
    scores.iter().map(|score| (score - largest).exp()).collect()
}

fn log_sum(scores: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = scores.clone().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return largest;
    }
    largest + scores.map(|score| (score - largest).exp()).sum::<f64>().ln()
}
