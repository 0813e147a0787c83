//! A forest of regression trees (Breiman 2001): each is grown on a bootstrap sample of the trials, split where the squared error
//! decreases most, down to single trials.

use crate::rng::Rng;

/// A part of the space: a split, or a leaf with its value.
#[derive(Clone, Debug)]
pub enum Node {
    Leaf(f64),
    /// Condition of the first branch: the feature's number is at most this, or its choice equals this.
    Split {
        feature: usize,
        at: f64,
        below: Box<Node>,
        above: Box<Node>,
    },
}

/// Training data: rows of numbers, or of choices by index, and a value for each row.
pub struct Table {
    pub rows: Vec<Vec<f64>>,
    pub values: Vec<f64>,
    /// For each feature, the number of its choices, if it is categorical.
    pub choices: Vec<Option<usize>>,
}

/// Grows the trees of a forest.
pub fn grow(table: &Table, trees: usize, rng: &Rng) -> Vec<Node> {
    let count = table.rows.len();
    let tree = |number: usize| {
        let mut rng = rng.split(number as u64);
        let mut sample: Vec<usize> = (0..count).map(|_| rng.below(count as u64) as usize).collect();
        sample.sort_unstable();
        table.node(&sample, &mut rng)
    };
    (0..trees).map(tree).collect()
}

/// The best split so far.
struct Best {
    error: f64,
    feature: usize,
    at: f64,
}

impl Table {
    fn node(&self, sample: &[usize], rng: &mut Rng) -> Node {
        let value = |row: usize| self.values[row];
        let mean = sample.iter().map(|&row| value(row)).sum::<f64>() / sample.len() as f64;
        if sample.iter().all(|&row| value(row) == value(sample[0])) {
            return Node::Leaf(mean);
        }
        // between equally good features, the first one examined is taken
        let mut best: Option<Best> = None;
        for feature in rng.permutation(self.choices.len()) {
            let split = match self.choices[feature] {
                Some(choices) => self.choice(sample, feature, choices),
                None => self.split(sample, feature),
            };
            if split.as_ref().is_some_and(|split| best.as_ref().is_none_or(|best| split.error < best.error)) {
                best = split;
            }
        }
        let Some(Best { feature, at, .. }) = best else { return Node::Leaf(mean) };
        let is_below = |row: usize| match self.choices[feature] {
            Some(_) => self.rows[row][feature] == at,
            None => self.rows[row][feature] <= at,
        };
        let (below, above): (Vec<usize>, Vec<usize>) = sample.iter().partition(|&&row| is_below(row));
        let mut side = |sample: &[usize]| Box::new(self.node(sample, rng));
        Node::Split { feature, at, below: side(&below), above: side(&above) }
    }

    /// The best threshold for a numeric split, midway between two values.
    fn split(&self, sample: &[usize], feature: usize) -> Option<Best> {
        let mut order: Vec<(f64, f64)> =
            sample.iter().map(|&row| (self.rows[row][feature], self.values[row])).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut all = Sum::default();
        order.iter().for_each(|(_, value)| all.add(*value));
        let (mut left, mut best) = (Sum::default(), None::<Best>);
        for at in 1..order.len() {
            let (place, value) = order[at - 1];
            left.add(value);
            let error = left.error() + all.without(&left).error();
            if place < order[at].0 && best.as_ref().is_none_or(|best| error < best.error) {
                best = Some(Best { error, feature, at: (place + order[at].0) / 2.0 });
            }
        }
        best
    }

    /// The best choice to separate from the others.
    fn choice(&self, sample: &[usize], feature: usize, choices: usize) -> Option<Best> {
        let mut sums: Vec<Sum> = (0..choices).map(|_| Sum::default()).collect();
        let mut all = Sum::default();
        for &row in sample {
            sums[self.rows[row][feature] as usize].add(self.values[row]);
            all.add(self.values[row]);
        }
        let mut best = None::<Best>;
        for (choice, own) in sums.iter().enumerate().filter(|(_, own)| own.count > 0.0 && own.count < all.count) {
            let error = own.error() + all.without(own).error();
            if best.as_ref().is_none_or(|best| error < best.error) {
                best = Some(Best { error, feature, at: choice as f64 });
            }
        }
        best
    }
}

#[derive(Default)]
struct Sum {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    fn without(&self, part: &Sum) -> Sum {
        Sum { count: self.count - part.count, sum: self.sum - part.sum, squares: self.squares - part.squares }
    }

    /// The sum of squared deviations from the mean.
    fn error(&self) -> f64 {
        self.squares - self.sum * self.sum / self.count
    }
}
