//! `levain bench --compare OLD NEW`: compares two saved results, without a run.

use super::Args;
use crate::Result;
use crate::measure::baseline::Baseline;
use crate::measure::bench::judge::{self, Origin};
use crate::measure::bench::report::{Report, Row};
use std::path::Path;

/// Judges NEW's cases against OLD, with NEW's thresholds.
pub fn report(args: &Args, old_file: &Path, new_file: &Path) -> Result<Report> {
    let (old, new) = (Baseline::open(old_file)?, Baseline::open(new_file)?);
    let origin = if old.machine == new.machine { Origin::Stored } else { Origin::OtherMachine };
    let told = |what: &str, file: &Path, result: &Baseline| {
        format!("{what} {} by levain {}: {}", file.display(), result.levain, result.machine)
    };
    let compared = vec![told("old", old_file, &old), told("new", new_file, &new)];
    let mut report = Report { machine: new.machine.clone(), compared, rows: Vec::new(), faults: Vec::new() };
    let wanted = |script: &str, name: &str| args.wants(Path::new(script), name);
    for (script, cases) in &new.scripts {
        for (name, stored) in cases.iter().filter(|(name, _)| wanted(script, name)) {
            let case = stored.case(name);
            let before = old.case(script, name).map(|stored| &stored.kept);
            report.rows.push(Row::new(script, &case, judge::judge(&case, before, origin)));
        }
    }
    for (script, cases) in &old.scripts {
        let gone = cases.keys().filter(|name| wanted(script, name) && new.case(script, name).is_none());
        report.rows.extend(gone.map(|name| Row::missing(script, name, "the old", "the new")));
    }
    report.rows.sort_by(|a, b| a.script.cmp(&b.script));
    Ok(report)
}
