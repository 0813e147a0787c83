//! A chart of lines, points or bars.

use super::axis::{Axis, Scale};
use crate::{Result, bail};

#[derive(Clone, Debug, Default)]
pub struct Chart {
    pub title: String,
    pub series: Vec<Series>,
    pub x: Axis,
    pub y: Axis,
    /// Labels of the bars; empty for a chart without bars.
    pub bars: Vec<String>,
}

/// One line, one set of points, or one bar of every group.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub kind: SeriesKind,
    pub xs: Vec<f64>,
    pub ys: Vec<f64>,
    /// The interval of each value, or none.
    pub spans: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesKind {
    Line,
    Points,
    Bars,
}

impl Chart {
    pub fn new(title: &str) -> Chart {
        Chart { title: title.into(), ..Chart::default() }
    }

    /// Adds a line or a set of points.
    pub fn with(&self, who: &'static str, kind: SeriesKind, name: &str, xs: Vec<f64>, ys: Vec<f64>) -> Result<Chart> {
        if xs.len() != ys.len() {
            bail!(who, "`{name}` has {} x and {} y", xs.len(), ys.len());
        }
        if !self.bars.is_empty() {
            bail!(who, "a chart of bars takes no {}", if kind == SeriesKind::Line { "line" } else { "points" });
        }
        self.add(who, Series { name: name.into(), kind, xs, ys, spans: Vec::new() })
    }

    /// Adds a bar to every group; `spans` are the intervals of the values, or empty.
    pub fn with_bars(
        &self,
        name: &str,
        labels: Vec<String>,
        values: Vec<f64>,
        spans: Vec<(f64, f64)>,
    ) -> Result<Chart> {
        if labels.len() != values.len() {
            bail!("bars", "`{name}` has {} labels and {} values", labels.len(), values.len());
        }
        if !spans.is_empty() && spans.len() != values.len() {
            bail!("bars", "`{name}` has {} values and {} intervals", values.len(), spans.len());
        }
        if self.series.iter().any(|series| series.kind != SeriesKind::Bars) {
            bail!("bars", "a chart of lines or points takes no bars");
        }
        if !self.bars.is_empty() && self.bars != labels {
            bail!("bars", "`{name}` has other labels than the bars before it");
        }
        let xs = (0..values.len()).map(|at| at as f64).collect();
        Chart { bars: labels, ..self.clone() }
            .add("bars", Series { name: name.into(), kind: SeriesKind::Bars, xs, ys: values, spans })
    }

    fn add(&self, who: &'static str, series: Series) -> Result<Chart> {
        if !series.xs.iter().zip(&series.ys).any(|(x, y)| x.is_finite() && y.is_finite()) {
            bail!(who, "`{}` has no value to draw", series.name);
        }
        let mut chart = self.clone();
        chart.series.push(series);
        chart.checked(who)
    }

    /// Sets the label and scale of an axis.
    pub fn with_axis(&self, who: &'static str, axis: Axis) -> Result<Chart> {
        let mut chart = self.clone();
        if who == "x" {
            chart.x = axis;
        } else {
            chart.y = axis;
        }
        chart.checked(who)
    }

    /// A logarithm needs values above 0.
    fn checked(self, who: &'static str) -> Result<Chart> {
        for series in &self.series {
            for (axis, values) in [(&self.x, &series.xs), (&self.y, &series.ys)] {
                if axis.log
                    && let Some(value) = values.iter().find(|value| **value <= 0.0)
                {
                    bail!(who, "`{}` has {value}, which a logarithmic axis cannot show", series.name);
                }
            }
        }
        if self.x.log && !self.bars.is_empty() {
            bail!(who, "bars have no logarithmic x");
        }
        Ok(self)
    }

    /// The ranges of both axes over all series.
    pub fn scales(&self) -> Option<(Scale, Scale)> {
        let xs = self.series.iter().flat_map(|series| series.xs.iter().copied());
        let spans = |series: &Series| series.spans.iter().flat_map(|&(low, high)| [low, high]).collect::<Vec<_>>();
        let ys = self.series.iter().flat_map(|series| series.ys.iter().copied().chain(spans(series)));
        Some((Scale::over(xs, self.x.log)?, Scale::over(ys, self.y.log)?))
    }
}

impl Series {
    /// The finite points.
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.xs.iter().copied().zip(self.ys.iter().copied()).filter(|(x, y)| x.is_finite() && y.is_finite())
    }
}
