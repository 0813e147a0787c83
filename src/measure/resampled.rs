//! Bootstrap of F1, which is not a mean over items (Efron 1979): items are resampled with their counts, the same for all arms.

use super::bootstrap::Interval;
use super::confusion::Scores;
use super::entities::Count;
use super::statistics::quantile;
use crate::tensor::Rng;
use crate::{Result, bail, cancel};

/// Each item's contributions to the counts of classes.
pub type ItemCounts = Vec<Vec<(usize, Count)>>;

/// Averaging of the scores of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The mean over classes that are expected or predicted.
    Macro,
    /// From the total of all counts.
    Micro,
    /// The mean over classes, weighted by expected occurrences.
    Weighted,
}

#[derive(Clone, Copy, Debug)]
pub struct Resampling {
    pub average: Average,
    pub samples: usize,
    pub level: f64,
    pub seed: u64,
}

/// The scores of the first arm and of each other arm, and the first's difference from it.
pub struct Resampled {
    pub score: Interval,
    pub difference: Option<Interval>,
}

/// The scores of the arms with their intervals; differences are paired by item.
pub fn resampled_f1(arms: &[ItemCounts], classes: usize, how: &Resampling) -> Result<Vec<Resampled>> {
    const WHO: &str = "f1_interval";
    let items = arms.first().map_or(0, Vec::len);
    if items < 2 || how.samples == 0 {
        bail!(WHO, "{items} items and {} samples give no interval", how.samples);
    }
    if arms.iter().any(|arm| arm.len() != items) {
        bail!(WHO, "the baseline has another number of items than the {items}");
    }
    if !(0.0 < how.level && how.level < 1.0) {
        bail!(WHO, "level {} is not between 0 and 1", how.level);
    }
    let mut rng = Rng::new(how.seed);
    let mut scores = vec![Vec::with_capacity(how.samples); arms.len()];
    for _ in 0..how.samples {
        cancel::check()?;
        let drawn: Vec<usize> = (0..items).map(|_| rng.below(items as u64) as usize).collect();
        for (arm, scores) in arms.iter().zip(&mut scores) {
            scores.push(f1(drawn.iter().map(|&item| &arm[item]), classes, how.average));
        }
    }
    let whole: Vec<f64> = arms.iter().map(|arm| f1(arm.iter(), classes, how.average)).collect();
    let interval = |mean: f64, mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let tail = (1.0 - how.level) / 2.0;
        Interval { mean, low: quantile(&values, tail), high: quantile(&values, 1.0 - tail) }
    };
    let arm = |at: usize| Resampled {
        score: interval(whole[at], scores[at].clone()),
        difference: (at > 0).then(|| {
            let apart = scores[0].iter().zip(&scores[at]).map(|(own, other)| own - other).collect();
            interval(whole[0] - whole[at], apart)
        }),
    };
    Ok((0..arms.len()).map(arm).collect())
}

fn f1<'a>(items: impl Iterator<Item = &'a Vec<(usize, Count)>>, classes: usize, average: Average) -> f64 {
    let mut counts = vec![Count::default(); classes];
    for (class, count) in items.flatten() {
        counts[*class].add(count);
    }
    if average == Average::Micro {
        let mut all = Count::default();
        counts.iter().for_each(|count| all.add(count));
        return all.scores().f1;
    }
    let seen = counts.iter().filter(|count| count.expected + count.predicted > 0);
    let scores: Vec<Scores> = seen.map(Count::scores).collect();
    match average {
        Average::Weighted => Scores::weighted_average(&scores).f1,
        _ => Scores::macro_average(&scores).f1,
    }
}
