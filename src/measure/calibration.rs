//! Calibration: whether predicted probabilities match frequencies.

use crate::{Error, Result, bail};

/// A row of numbers per item, a column per class, and the correct class.
pub struct Predictions {
    numbers: Vec<f64>,
    classes: usize,
    right: Vec<usize>,
}

/// Items whose confidence is in `(low, high]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    pub low: f64,
    pub high: f64,
    pub count: u64,
    /// The mean probability of the predicted class; 0 for an empty bin.
    pub confidence: f64,
    /// The proportion of items predicted correctly; 0 for an empty bin.
    pub accuracy: f64,
}

impl Predictions {
    /// Any finite numbers, such as logits.
    pub fn of(who: &str, numbers: Vec<f64>, classes: usize, right: Vec<usize>) -> Result<Predictions> {
        if right.is_empty() {
            bail!(who, "the lists are empty");
        }
        if classes < 2 {
            bail!(who, "{classes} class: there is nothing to choose between");
        }
        if numbers.len() != classes * right.len() {
            bail!(who, "{} rows of {classes} for {} expected", numbers.len() / classes, right.len());
        }
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            bail!(who, "item {}, class {} has {}", at / classes, at % classes, numbers[at]);
        }
        if let Some(at) = right.iter().position(|right| *right >= classes) {
            bail!(who, "item {at} is of class {}, and there are {classes}", right[at]);
        }
        Ok(Predictions { numbers, classes, right })
    }

    /// Probabilities: each from 0 to 1, summing to 1 per item.
    pub fn probabilities(who: &str, numbers: Vec<f64>, classes: usize, right: Vec<usize>) -> Result<Predictions> {
        let found = Predictions::of(who, numbers, classes, right)?;
        let fault = |at: usize, what: String| {
            Err(Error::new(who, format!("item {at}: {what}")).help("logits become probabilities with `.softmax(-1)`"))
        };
        for (at, row) in found.rows().enumerate() {
            if let Some(odd) = row.iter().find(|p| !(0.0..=1.0).contains(*p)) {
                return fault(at, format!("{odd} is not a probability"));
            }
            let sum: f64 = row.iter().sum();
            if (sum - 1.0).abs() > 1e-3 {
                return fault(at, format!("its probabilities sum to {sum:.4}, not to 1"));
            }
        }
        Ok(found)
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.numbers.chunks_exact(self.classes)
    }

    fn len(&self) -> f64 {
        self.right.len() as f64
    }

    /// The mean negative logarithm of the probability of the correct class, clamped away from 0 by the f64 epsilon, as in
    /// scikit-learn.
    pub fn log_loss(&self) -> f64 {
        let loss = |(row, right): (&[f64], &usize)| -row[*right].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
        self.rows().zip(&self.right).map(loss).sum::<f64>() / self.len()
    }

    /// The mean squared distance of the probabilities from the correct answer, summed over classes (Brier 1950).
    pub fn brier(&self) -> f64 {
        let far = |(row, right): (&[f64], &usize)| -> f64 {
            row.iter().enumerate().map(|(at, p)| (p - f64::from(u8::from(at == *right))).powi(2)).sum()
        };
        self.rows().zip(&self.right).map(far).sum::<f64>() / self.len()
    }

    /// Bins of equal width by the probability of the predicted class, the first in a tie.
    pub fn reliability(&self, bins: usize) -> Result<Vec<Bin>> {
        if bins == 0 {
            bail!("reliability", "there are no bins");
        }
        let edge = |at: usize| at as f64 / bins as f64;
        let mut found: Vec<Bin> =
            (0..bins).map(|at| Bin { low: edge(at), high: edge(at + 1), ..Bin::default() }).collect();
        for (row, right) in self.rows().zip(&self.right) {
            let top = predicted(row);
            let confidence = row[top];
            let at = (0..bins).find(|at| confidence <= edge(at + 1)).unwrap_or(bins - 1);
            found[at].count += 1;
            found[at].confidence += confidence;
            found[at].accuracy += f64::from(u8::from(top == *right));
        }
        for bin in found.iter_mut().filter(|bin| bin.count > 0) {
            bin.confidence /= bin.count as f64;
            bin.accuracy /= bin.count as f64;
        }
        Ok(found)
    }

    /// The expected calibration error (Naeini et al. 2015): the mean distance of confidence from accuracy over bins.
    pub fn ece(&self, bins: usize) -> Result<f64> {
        let gap = |bin: &Bin| bin.count as f64 / self.len() * (bin.confidence - bin.accuracy).abs();
        Ok(self.reliability(bins)?.iter().map(gap).sum())
    }

    /// The temperature by which logits are divided for the lowest log loss (Guo et al. 2017).
    ///
    /// The loss is convex in the inverse of the temperature, so its slope has one zero, which is found by halving.
    pub fn temperature(&self) -> Result<f64> {
        const WHO: &str = "temperature";
        if self.slope(0.0) >= 0.0 {
            return Err(Error::new(WHO, "the logits say no more of the right class than chance would").help(
                "no temperature makes them probabilities of it: look at the model, or at the order of the classes",
            ));
        }
        let is_right = |(row, right): (&[f64], &usize)| row.iter().all(|logit| *logit <= row[*right]);
        if self.rows().zip(&self.right).all(is_right) {
            return Err(Error::new(WHO, format!("all {} items are right: the colder the better", self.right.len()))
                .help("it is found on items of which some are wrong"));
        }
        let (mut low, mut high) = (0.0, 1.0);
        while self.slope(high) < 0.0 {
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if self.slope(middle) < 0.0 { low = middle } else { high = middle }
        }
        Ok(2.0 / (low + high))
    }

    /// The slope of the log loss by the inverse temperature: the expected logit minus the logit of the correct class.
    fn slope(&self, inverse: f64) -> f64 {
        let of = |(row, right): (&[f64], &usize)| {
            let top = row[predicted(row)];
            let weights: Vec<f64> = row.iter().map(|logit| (inverse * (logit - top)).exp()).collect();
            let whole: f64 = weights.iter().sum();
            weights.iter().zip(row).map(|(weight, logit)| weight * (logit - row[*right])).sum::<f64>() / whole
        };
        self.rows().zip(&self.right).map(of).sum::<f64>() / self.len()
    }
}

/// The index of the largest number, the first in a tie.
fn predicted(row: &[f64]) -> usize {
    (0..row.len()).fold(0, |top, at| if row[at] > row[top] { at } else { top })
}
