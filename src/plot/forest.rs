//! Forest plot: a grid of decisions, each with its effect and interval as a bar about zero.

use super::svg::escape;
use super::table::Table;
use std::fmt::Write;

/// One comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effect {
    pub row: String,
    pub column: String,
    /// The group among several comparisons in one cell.
    pub group: String,
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// The smallest effect of interest.
    pub margin: f64,
    pub decision: Decision,
    /// The decision, in a word.
    pub label: String,
    pub digits: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    Yes,
    No,
    /// Within the margin on both sides.
    Same,
    #[default]
    Open,
    /// Without a decision: the interval alone.
    Shown,
}

impl Decision {
    fn sign(self) -> char {
        match self {
            Decision::Yes => '✓',
            Decision::No => '✗',
            Decision::Same => '≈',
            Decision::Open => '?',
            Decision::Shown => '·',
        }
    }

    fn class(self) -> &'static str {
        match self {
            Decision::Yes => "yes",
            Decision::No => "no",
            Decision::Same => "same",
            Decision::Open => "open",
            Decision::Shown => "shown",
        }
    }
}

/// Effects by row and column. A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forest {
    pub title: String,
    pub effects: Vec<Effect>,
    /// The words for yes, no, same, open and shown.
    pub words: [String; 5],
}

/// Width and height of a bar, and the margins at its ends.
const BAR: (f64, f64, f64) = (112.0, 20.0, 4.0);
/// Maximum number of bars in a row that fits on a page.
const SIDE_BY_SIDE: usize = 9;

impl Forest {
    fn distinct(&self, of: fn(&Effect) -> &String) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for effect in &self.effects {
            if !found.contains(&of(effect).as_str()) {
                found.push(of(effect));
            }
        }
        found
    }

    fn cell(&self, row: &str, column: &str) -> impl Iterator<Item = &Effect> {
        self.effects.iter().filter(move |effect| effect.row == row && effect.column == column)
    }

    fn word(&self, decision: Decision) -> &str {
        &self.words[decision as usize]
    }

    /// As a table with bars as cells; the columns stack on a narrow screen.
    pub fn html(&self) -> String {
        let columns = self.distinct(|effect| &effect.column);
        // bars that do not fit side by side are stacked
        let bars = |row: &str| self.effects.iter().filter(|effect| effect.row == row).count();
        let many = if self.distinct(|effect| &effect.row).into_iter().any(|row| bars(row) > SIDE_BY_SIDE) {
            " many"
        } else {
            ""
        };
        let mut out = format!("<div class=\"wide\"><table class=\"forest{many}\">\n");
        if !self.title.is_empty() {
            let _ = writeln!(out, "<caption>{}</caption>", escape(&self.title));
        }
        let heads: String = columns.iter().map(|column| format!("<th>{}</th>", escape(column))).collect();
        let _ = writeln!(out, "<thead><tr><th></th>{heads}</tr></thead>");
        for row in self.distinct(|effect| &effect.row) {
            let reach = self.reach(row);
            let _ = write!(out, "<tr><th>{}</th>", escape(row));
            for column in &columns {
                let cells: String = self.cell(row, column).map(|effect| self.bar(effect, reach)).collect();
                let class = if cells.is_empty() { " class=\"empty\"" } else { "" };
                let _ = write!(out, "<td{class} data-column=\"{}\"><div>{cells}</div></td>", escape(column));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</table></div>\n");
        out
    }

    /// The largest distance from zero in a row, the common scale of its bars.
    fn reach(&self, row: &str) -> f64 {
        let ends = self.effects.iter().filter(|effect| effect.row == row);
        let ends = ends.flat_map(|effect| [effect.low, effect.high, effect.value, effect.margin]);
        ends.map(f64::abs).filter(|end| end.is_finite()).fold(f64::MIN_POSITIVE, f64::max)
    }

    fn bar(&self, effect: &Effect, reach: f64) -> String {
        let (width, height, room) = BAR;
        let at = |value: f64| width / 2.0 + value / reach * (width / 2.0 - room);
        let middle = height / 2.0;
        let (value, low, high) =
            (self.figure(effect, effect.value), self.figure(effect, effect.low), self.figure(effect, effect.high));
        let group =
            if effect.group.is_empty() { String::new() } else { format!("<small>{}</small> ", escape(&effect.group)) };
        format!(
            "<span class=\"{class}\">{group}<b>{word}</b>\
             <svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{value}, 95 % {low} to {high}\">\
             <path class=\"zero\" d=\"M{zero:.1} 0V{height}\"/><path class=\"margin\" d=\"M{margin:.1} 0V{height}\"/>\
             <path class=\"interval\" d=\"M{from:.1} {middle}H{to:.1}\"/><circle cx=\"{dot:.1}\" cy=\"{middle}\" r=\"3.5\"/></svg>\
             <i>{value}</i> <small>{low} … {high}</small></span>",
            class = effect.decision.class(),
            word = escape(if effect.label.is_empty() { self.word(effect.decision) } else { &effect.label }),
            zero = at(0.0),
            margin = at(effect.margin),
            from = at(effect.low),
            to = at(effect.high).max(at(effect.low) + 1.0),
            dot = at(effect.value),
        )
    }

    fn figure(&self, effect: &Effect, value: f64) -> String {
        format!("{value:+.*}", effect.digits)
    }

    /// A line for each row and group, a cell for each column: the decision's sign, the effect, half the interval.
    fn table(&self) -> Table {
        let columns = self.distinct(|effect| &effect.column);
        let groups = self.distinct(|effect| &effect.group);
        let mut rows = Vec::new();
        for row in self.distinct(|effect| &effect.row) {
            for group in &groups {
                let mut cells = vec![row.to_string(), (*group).to_string()];
                cells.extend(columns.iter().map(|column| {
                    let effect = self.cell(row, column).find(|effect| effect.group == *group);
                    effect.map_or(String::new(), |effect| {
                        let half = format!("{:.*}", effect.digits, (effect.high - effect.low) / 2.0);
                        format!("{} {} ±{half}", effect.decision.sign(), self.figure(effect, effect.value))
                    })
                }));
                if cells[2..].iter().any(|cell| !cell.is_empty()) {
                    rows.push(cells);
                }
            }
        }
        let headings = ["", ""].iter().chain(&columns).map(ToString::to_string).collect();
        Table { title: self.title.clone(), headings, rows }
    }
}

impl std::fmt::Display for Forest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [Decision::Yes, Decision::No, Decision::Same, Decision::Open, Decision::Shown];
        // the classes of every plot, and the others where they occur
        let met = |sign: &Decision| {
            !matches!(sign, Decision::Same | Decision::Shown)
                || self.effects.iter().any(|effect| effect.decision == *sign)
        };
        let signs = all.into_iter().filter(met).map(|sign| format!("{} {}", sign.sign(), self.word(sign)));
        let legend = signs.collect::<Vec<_>>().join("   ");
        write!(f, "{}\n  {legend}", self.table())
    }
}
