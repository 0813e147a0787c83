//! Splits a dataset in two: plain, by groups, or stratified.

use super::Dataset;
use super::column::{Cell, json_text};
use crate::{Error, Result, bail, text};

impl Dataset {
    /// The first `fraction` of the rows, and the rest.
    pub fn split(&self, fraction: f64) -> Result<(Dataset, Dataset)> {
        let cut = self.cut(fraction)?;
        Ok((self.slice(0, cut), self.slice(cut, self.len())))
    }

    /// Like [`Dataset::split`], with rows of equal `field` on the same side: whole groups, in the order of their first row, while
    /// that brings the first side nearer to its share.
    pub fn split_by(&self, fraction: f64, field: &str) -> Result<(Dataset, Dataset)> {
        let goal = self.cut(fraction)?;
        let groups = self.groups("split", field)?;
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for group in groups {
            let before = goal.abs_diff(train.len());
            let side = if goal.abs_diff(train.len() + group.len()) <= before { &mut train } else { &mut test };
            side.extend(group);
        }
        if train.is_empty() || test.is_empty() {
            bail!("split", "`{field}` has too few different values to leave rows on both sides");
        }
        train.sort_unstable();
        test.sort_unstable();
        Ok((self.pick(train), self.pick(test)))
    }

    fn cut(&self, fraction: f64) -> Result<usize> {
        if !(fraction > 0.0 && fraction < 1.0) {
            bail!("split", "fraction {fraction} is not between 0 and 1");
        }
        let cut = (self.len() as f64 * fraction).round() as usize;
        if cut == 0 || cut == self.len() {
            bail!("split", "{fraction} of {} leaves one side empty", text::counted(self.len(), "row"));
        }
        Ok(cut)
    }

    /// Like [`Dataset::split`], with the values of `field` in the same proportions on both sides. The remaining rows go to the
    /// largest remainders, as in scikit-learn's `train_test_split`; in a tie to the first value.
    pub fn split_stratified(&self, fraction: f64, field: &str) -> Result<(Dataset, Dataset)> {
        let goal = self.cut(fraction)?;
        let classes = self.groups("split", field)?;
        self.check_classes(goal, field, &classes)?;
        let share = |class: &Vec<usize>| (class.len() * goal / self.len(), class.len() * goal % self.len());
        let mut counts: Vec<usize> = classes.iter().map(|class| share(class).0).collect();
        let mut order: Vec<usize> = (0..classes.len()).collect();
        order.sort_by_key(|&class| std::cmp::Reverse(share(&classes[class]).1));
        let left = goal - counts.iter().sum::<usize>();
        order.iter().take(left).for_each(|&class| counts[class] += 1);
        let (mut train, mut test) = (Vec::with_capacity(goal), Vec::with_capacity(self.len() - goal));
        for (class, count) in classes.iter().zip(counts) {
            train.extend(&class[..count]);
            test.extend(&class[count..]);
        }
        train.sort_unstable();
        test.sort_unstable();
        Ok((self.pick(train), self.pick(test)))
    }

    /// Returns an error if a class can't be on both sides.
    fn check_classes(&self, goal: usize, field: &str, classes: &[Vec<usize>]) -> Result<()> {
        if let Some(class) = classes.iter().find(|class| class.len() < 2) {
            let value = match self.cell(self.field("split", field)?, class[0]) {
                Cell::Text(text) => text.to_string(),
                cell => json_text(cell),
            };
            return Err(Error::new("split", format!("only row {} has `{field}` {value}", class[0]))
                .help("each value needs two rows or more to be on both sides: leave such rows out, or join classes"));
        }
        for (side, rows) in [("train", goal), ("test", self.len() - goal)] {
            if rows < classes.len() {
                let rows = text::counted(rows, "row");
                bail!("split", "`{side}` has {rows}, fewer than the {} values of `{field}`", classes.len());
            }
        }
        Ok(())
    }
}
