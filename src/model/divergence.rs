//! Divergence of one prediction from another.

/// The Kullback-Leibler divergence, in nats, of the prediction with logits `theirs` from the one with logits `own`.
pub fn divergence(own: &[f32], theirs: &[f32]) -> f64 {
    let (a, b) = (log_sum(own), log_sum(theirs));
    let part = |(p, q): (&f32, &f32)| {
        let log_p = f64::from(*p) - a;
        log_p.exp() * (log_p - (f64::from(*q) - b))
    };
    own.iter().zip(theirs).map(part).sum()
}

fn log_sum(logits: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum::<f64>().ln() + largest
}
