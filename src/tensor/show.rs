//! Printing of tensors in PyTorch's format, abbreviated to a screen.

use super::values::values;
use super::{Array, DType, Tensor};
use crate::Result;

/// Lines per screen.
const SCREEN: usize = 40;
const WIDTH: usize = 80;

/// `tensor [2, 8] f32`
pub fn line(x: &Tensor) -> String {
    format!("tensor {:?} {}", x.shape(), x.dtype().as_str())
}

/// Formats all numbers with up to `digits` digits after the decimal point, omitting the middle if they would not fit a screen.
pub fn page(x: &Tensor, digits: usize) -> Result<String> {
    page_within(x, digits, WIDTH)
}

/// The same in lines of at most `width` columns, if a single number fits.
pub fn page_within(x: &Tensor, digits: usize, width: usize) -> Result<String> {
    let value = x.value();
    let kind = match value.dtype() {
        DType::F32 | DType::I64 => String::new(),
        other => format!(", dtype={}", other.as_str()),
    };
    if value.elem_count() == 0 {
        let shape = if value.rank() == 1 { String::new() } else { format!(", shape={:?}", value.dims()) };
        return Ok(format!("tensor([]{shape}{kind})"));
    }
    // all, then the edges, then fewer; the last is truncated
    let edges = [usize::MAX, 3, 2, 1];
    let all_could_fit = value.elem_count() <= SCREEN * WIDTH;
    let mut text = String::new();
    for edge in edges.into_iter().skip(usize::from(!all_could_fit)) {
        text = Grid::new(&value, edge, digits)?.text("tensor(", width);
        if text.lines().count() <= SCREEN {
            return Ok(format!("tensor({text}{kind})"));
        }
    }
    let lines: Vec<&str> = text.lines().take(SCREEN - 1).collect();
    Ok(format!("tensor({}\n…{kind})", lines.join("\n")))
}

/// A single number with `digits` digits after the point.
pub fn digits(x: &Tensor, digits: usize) -> Result<String> {
    let value = x.value();
    if value.elem_count() != 1 {
        return page(x, digits);
    }
    let number = super::values::values_f64(&value)?[0];
    Ok(format!("{number:.digits$}"))
}

/// The shown numbers, formatted to equal width.
struct Grid {
    /// By dimension: the shown indices, `None` for omitted ones.
    shown: Vec<Vec<Option<usize>>>,
    /// Row by row, only the shown numbers.
    cells: Vec<String>,
    width: usize,
}

impl Grid {
    fn new(value: &Array, edge: usize, digits: usize) -> Result<Grid> {
        let shown: Vec<_> = value.dims().iter().map(|size| places(*size, edge)).collect();
        let cells = cells(value, &shown, digits)?;
        let width = cells.iter().map(String::len).max().unwrap_or(0);
        Ok(Grid { shown, cells, width })
    }

    fn per_line(&self, line: usize) -> usize {
        (line.saturating_sub("tensor(".len() + self.shown.len()) / (self.width + 2)).max(1)
    }

    fn text(&self, head: &str, line: usize) -> String {
        let mut cells = self.cells.iter();
        self.block(0, head.len(), line, &mut cells)
    }

    fn block<'a>(
        &self,
        dim: usize,
        indent: usize,
        line: usize,
        cells: &mut impl Iterator<Item = &'a String>,
    ) -> String {
        let mut next = || cells.next().map(String::as_str).unwrap_or_default();
        let Some(places) = self.shown.get(dim) else { return next().trim_start().to_string() };
        if dim + 1 == self.shown.len() {
            let cell = |place: &Option<usize>| match place {
                Some(_) => format!("{:>width$}", next(), width = self.width),
                None => "…".to_string(),
            };
            let row: Vec<String> = places.iter().map(cell).collect();
            let lines: Vec<String> = row.chunks(self.per_line(line)).map(|cells| cells.join(", ")).collect();
            return format!("[{}]", lines.join(&format!(",\n{}", " ".repeat(indent + 1))));
        }
        let parts: Vec<String> = places
            .iter()
            .map(|place| match place {
                Some(_) => self.block(dim + 1, indent + 1, line, cells),
                None => "…".to_string(),
            })
            .collect();
        // matrices are separated by an empty line
        let gap = "\n".repeat(self.shown.len() - dim - 1);
        format!("[{}]", parts.join(&format!(",{gap}{}", " ".repeat(indent + 1))))
    }
}

/// The shown indices of a dimension: all, or `edge` at both ends.
fn places(size: usize, edge: usize) -> Vec<Option<usize>> {
    if size <= edge.saturating_mul(2) {
        return (0..size).map(Some).collect();
    }
    (0..edge).map(Some).chain([None]).chain((size - edge..size).map(Some)).collect()
}

/// Formats the numbers at the shown indices.
fn cells(value: &Array, shown: &[Vec<Option<usize>>], digits: usize) -> Result<Vec<String>> {
    let mut part = value.clone();
    for (dim, places) in shown.iter().enumerate() {
        if let Some(gap) = places.iter().position(Option::is_none) {
            let after = places.len() - gap - 1;
            let (first, last) = (part.narrow(dim, 0, gap)?, part.narrow(dim, part.dims()[dim] - after, after)?);
            part = Array::cat(&[first, last], dim)?;
        }
    }
    if !value.dtype().is_float() {
        return Ok(values::<i64>(&part.to_dtype(DType::I64)?)?.iter().map(i64::to_string).collect());
    }
    let numbers = super::values::values_f64(&part)?;
    let style = Style::of(&numbers);
    Ok(numbers.into_iter().map(|number| style.write(number, digits)).collect())
}

/// The format of the numbers of one tensor, as in PyTorch.
enum Style {
    /// `3.`
    Whole,
    /// `3.1416`
    Point,
    /// `3.1416e+09`
    Exponent,
}

impl Style {
    fn of(numbers: &[f64]) -> Style {
        let sizes: Vec<f64> = numbers.iter().map(|x| x.abs()).filter(|x| *x > 0.0 && x.is_finite()).collect();
        let most = sizes.iter().copied().fold(0.0, f64::max);
        let least = sizes.iter().copied().fold(f64::INFINITY, f64::min);
        if sizes.iter().all(|x| x.fract() == 0.0) {
            return if most > 1e8 { Style::Exponent } else { Style::Whole };
        }
        if most / least > 1000.0 || most > 1e8 || least < 1e-4 { Style::Exponent } else { Style::Point }
    }

    fn write(&self, number: f64, digits: usize) -> String {
        if number.is_nan() {
            return "nan".into();
        }
        if number.is_infinite() {
            return if number > 0.0 { "inf".into() } else { "-inf".into() };
        }
        match self {
            Style::Whole => format!("{number:.0}."),
            Style::Point => format!("{number:.digits$}"),
            Style::Exponent => {
                let text = format!("{number:.digits$e}");
                // `1.5e3` is written `1.5e+03` in PyTorch
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
                format!("{mantissa}e{sign}{size:0>2}")
            }
        }
    }
}
