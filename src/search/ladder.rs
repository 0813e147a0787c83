//! Decides which trial continues, and how far: asynchronous successive halving (ASHA: Li et al. 2020) and Hyperband (Li et al.
//! 2018).
//!
//! A trial climbs rungs: after a number of steps it waits at one, and continues from its checkpoint if it is among the best
//! there. A leg leads from one rung to the next. The next leg is a function only of the previous legs and of the scores visible
//! to it.

/// A part of a trial's work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leg {
    pub trial: usize,
    pub from: usize,
    pub until: usize,
}

/// The action after these legs.
#[derive(Debug, PartialEq)]
pub enum Next {
    Leg(Leg),
    /// More scores are needed.
    Wait,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    Asha,
    Hyperband,
}

/// Rungs at `first`, `first × reduction` … and at `last`.
#[derive(Clone, Debug)]
pub struct Ladder {
    pub rule: Rule,
    pub first: usize,
    pub last: usize,
    pub reduction: usize,
    /// Number of initial trials; Hyperband has its own number.
    pub trials: usize,
}

/// A finished leg and its score, which is minimized; infinite means failed.
pub type Seen = (Leg, f64);

impl Ladder {
    /// The steps of the rungs, ascending.
    pub fn rungs(&self) -> Vec<usize> {
        let mut rungs = Vec::new();
        let mut step = self.first.max(1);
        while step < self.last {
            rungs.push(step);
            step = step.saturating_mul(self.reduction.max(2));
        }
        rungs.push(self.last);
        rungs
    }

    /// Number of legs: a minimum for ASHA, since trials that are temporarily among the best continue too.
    pub fn count(&self) -> usize {
        let halved = |count: usize, rungs: usize| -> usize {
            let next = |count: &usize| Some(count / self.reduction.max(2));
            std::iter::successors(Some(count), next).take(rungs).sum()
        };
        match self.rule {
            Rule::Asha => halved(self.trials, self.rungs().len()),
            Rule::Hyperband => self.brackets().iter().map(|(count, rungs)| halved(*count, rungs.len())).sum(),
        }
    }

    /// The action after `legs`, given the scores of the first `seen.len()`.
    pub fn next(&self, legs: &[Leg], seen: &[Seen]) -> Next {
        match self.rule {
            Rule::Asha => self.asha(legs, seen),
            Rule::Hyperband => self.hyperband(legs, seen),
        }
    }

    fn asha(&self, legs: &[Leg], seen: &[Seen]) -> Next {
        let rungs = self.rungs();
        for at in (0..rungs.len().saturating_sub(1)).rev() {
            let here: Vec<(usize, f64)> =
                seen.iter().filter(|(leg, _)| leg.until == rungs[at]).map(|(leg, score)| (leg.trial, *score)).collect();
            for trial in self.best(&here) {
                let leg = Leg { trial, from: rungs[at], until: rungs[at + 1] };
                if !legs.contains(&leg) {
                    return Next::Leg(leg);
                }
            }
        }
        let begun = legs.iter().filter(|leg| leg.from == 0).count();
        if begun < self.trials {
            return Next::Leg(Leg { trial: begun, from: 0, until: rungs[0] });
        }
        if seen.len() == legs.len() { Next::Done } else { Next::Wait }
    }

    /// The trials at a rung that continue, best first.
    fn best(&self, here: &[(usize, f64)]) -> Vec<usize> {
        let mut order: Vec<(usize, f64)> = here.iter().copied().filter(|(_, score)| score.is_finite()).collect();
        order.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        order.truncate(here.len() / self.reduction.max(2));
        order.into_iter().map(|(trial, _)| trial).collect()
    }

    /// The brackets of Hyperband: number of initial trials, and their rungs.
    pub fn brackets(&self) -> Vec<(usize, Vec<usize>)> {
        let rungs = self.rungs();
        let most = rungs.len() - 1;
        let count = |halvings: usize| {
            let whole = (self.reduction.max(2) as f64).powi(halvings as i32);
            ((most + 1) as f64 / (halvings + 1) as f64 * whole).ceil() as usize
        };
        (0..=most).rev().map(|halvings| (count(halvings), rungs[most - halvings..].to_vec())).collect()
    }

    fn hyperband(&self, legs: &[Leg], seen: &[Seen]) -> Next {
        let mut next = None;
        self.walk(seen, |members, from, until, place| {
            if legs.len() < place + members.len() {
                next = Some(Leg { trial: members[legs.len() - place], from, until });
            }
            next.is_none()
        });
        match next {
            Some(leg) => Next::Leg(leg),
            None if seen.len() == legs.len() => Next::Done,
            None => Next::Wait,
        }
    }

    /// Visits the rungs of all brackets with their members, as far as earlier scores determine them, or until `visit` stops.
    /// Returns the trials that were dropped.
    fn walk(&self, seen: &[Seen], mut visit: impl FnMut(&[usize], usize, usize, usize) -> bool) -> Vec<usize> {
        let (mut place, mut first, mut over) = (0, 0, Vec::new());
        for (count, rungs) in self.brackets() {
            let mut members: Vec<usize> = (first..first + count).collect();
            let mut from = 0;
            first += count;
            for until in rungs {
                let end = place + members.len();
                if !visit(&members, from, until, place) || seen.len() < end {
                    return over;
                }
                let here: Vec<(usize, f64)> = seen[place..end].iter().map(|(leg, score)| (leg.trial, *score)).collect();
                let mut best = if until < self.last { self.best(&here) } else { Vec::new() };
                best.sort_unstable();
                over.extend(members.iter().filter(|trial| !best.contains(trial)));
                (place, from, members) = (end, until, best);
                if members.is_empty() {
                    break;
                }
            }
        }
        over
    }

    /// Trials that can't continue in any case: their checkpoints are no longer needed.
    pub fn over(&self, legs: &[Leg], seen: &[Seen]) -> Vec<usize> {
        if self.rule == Rule::Hyperband {
            return self.walk(seen, |_, _, _, _| true);
        }
        let most = self.trials / self.reduction.max(2);
        let is_over = |(leg, score): &&Seen| {
            let others = || seen.iter().filter(|(other, _)| other.until == leg.until);
            let goes_on = legs.iter().any(|next| next.trial == leg.trial && next.from == leg.until);
            // enough trials are already better, however many more reach the rung
            let is_behind = || others().filter(|(_, other)| other < score).count() >= most;
            !goes_on && (leg.until >= self.last || !score.is_finite() || is_behind())
        };
        seen.iter().filter(is_over).map(|(leg, _)| leg.trial).collect()
    }
}
