//! Number of rounds of a script, alone or in turn with another binary.

use super::Args;
use crate::Result;
use crate::measure::bench::drive::{self, Finding, Pass, Side};
use crate::measure::bench::judge::{self, Case, Decision, Judged, Kept, Origin};
use std::path::Path;
use std::time::Duration;

/// Minimum rounds to see the spread between identical runs.
const LEAST: u32 = 3;

pub fn alone(args: &Args, own: &Path, script: &Path) -> Result<Vec<Pass>> {
    let wanted = |case: &str| args.wants(script, case);
    let mut rounds: Vec<Pass> = Vec::new();
    for _ in 0..args.rounds.unwrap_or(LEAST) {
        rounds.push(drive::alone(&side(args, own, script), &wanted)?);
        // results without time or memory measurements are deterministic
        if rounds.iter().any(|pass| pass.fault.is_some() || !pass.is_measured()) {
            break;
        }
    }
    Ok(rounds)
}

/// Runs this binary and the other in turn, until each timed case is decided.
pub fn in_turn(args: &Args, own: &Path, other: &Path, script: &Path) -> Result<(Vec<Pass>, Vec<Pass>)> {
    let wanted = |case: &str| args.wants(script, case);
    let (mut rounds, mut others): (Vec<Pass>, Vec<Pass>) = (Vec::new(), Vec::new());
    let most = args.rounds.unwrap_or(8);
    let (here, there) = (side(args, own, script), side(args, other, script));
    for round in 1..=most {
        // the first to run alternates too
        let (new, old) = match round % 2 {
            1 => drive::in_turn(&here, &there, &wanted)?,
            _ => {
                let (old, new) = drive::in_turn(&there, &here, &wanted)?;
                (new, old)
            }
        };
        let over = new.fault.is_some() || old.fault.is_some() || !new.is_measured();
        rounds.push(new);
        others.push(old);
        let open = |case: &Case| {
            matches!(case.kept, Kept::Timed { .. })
                && judge_in_turn(case, &rounds, &others).decision == Decision::Inconclusive
        };
        if over || round >= LEAST.min(most) && !judge::cases(&rounds).iter().any(open) {
            break;
        }
    }
    Ok((rounds, others))
}

fn side<'a>(args: &Args, binary: &'a Path, script: &'a Path) -> Side<'a> {
    Side { binary, script, limit: Duration::from_secs_f64(args.limit) }
}

pub fn judge_in_turn(case: &Case, rounds: &[Pass], others: &[Pass]) -> Judged {
    let Kept::Timed { .. } = case.kept else {
        let there = judge::cases(others).into_iter().find(|other| other.name() == case.name());
        return judge::judge(case, there.as_ref().map(|other| &other.kept), Origin::Binary);
    };
    let samples = |pass: &Pass| match pass.finding(case.name()) {
        Some(Finding::Timed(_, samples)) => samples.iter().map(|sample| sample.seconds).collect(),
        _ => Vec::new(),
    };
    let pairs = |(new, old): (&Pass, &Pass)| -> Vec<f64> {
        let (new, old): (Vec<f64>, Vec<f64>) = (samples(new), samples(old));
        new.iter().zip(&old).map(|(new, old)| new / old).collect()
    };
    let ratios: Vec<Vec<f64>> = rounds.iter().zip(others).map(pairs).collect();
    judge::ratio(&ratios, case.margin())
}
