//! Pooling: the maximum or mean of windows, or of the steps of a segment.

use super::segments::Packing;
use crate::tensor::ops::volume;
use crate::tensor::values::{array, each_line, values, wide, with_values};
use crate::tensor::{Array, DType, Tensor};
use crate::{Result, bail};
use candle_core::WithDType;
use std::collections::HashMap;
use std::ops::Range;

/// Reduction of the numbers of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    Max,
    /// The mean, with padding counted as zeros.
    Mean,
}

/// The windows of one dimension: the part inside, and the divisor of a mean.
pub type Windows = Vec<(Range<usize>, usize)>;

/// Windows of `length` numbers, `stride` apart, over `size` numbers with `padding` at both ends.
pub fn windows(who: &str, size: usize, length: usize, stride: usize, padding: usize) -> Result<Windows> {
    if length == 0 || stride == 0 {
        bail!(who, "a window of {length} and a stride of {stride}: each must be above 0");
    }
    if padding > length / 2 {
        bail!(who, "a padding of {padding} is more than half of a window of {length}");
    }
    let padded = size + 2 * padding;
    if padded < length {
        bail!(who, "a window reaches over {length} places, but there are {padded}");
    }
    let window = |at: usize| {
        let start = at * stride;
        (start.saturating_sub(padding)..(start + length - padding).min(size), length)
    };
    Ok((0..(padded - length) / stride + 1).map(window).collect())
}

/// `count` windows that share `size` numbers.
pub fn adaptive_windows(who: &str, size: usize, count: usize) -> Result<Windows> {
    if size == 0 || count == 0 {
        bail!(who, "{count} windows over {size} places: each must be above 0");
    }
    let window = |at: usize| {
        let inside = at * size / count..((at + 1) * size).div_ceil(count);
        let length = inside.len();
        (inside, length)
    };
    Ok((0..count).map(window).collect())
}

/// Pools the last dimensions of x, as many as there are window lists: one or two.
pub fn pool(who: &str, x: &Tensor, windows: &[Windows], kind: Pool) -> Result<Tensor> {
    let dims = x.shape();
    let Some(before) = dims.len().checked_sub(windows.len()) else {
        bail!(who, "x of shape {dims:?} has too few dimensions")
    };
    let one = vec![(0..1, 1)];
    let (rows, columns) = match windows {
        [columns] => (&one, columns),
        [rows, columns] => (rows, columns),
        _ => bail!(who, "{} dimensions are pooled: one or two can be", windows.len()),
    };
    let size = match dims[before..] {
        [width] => [1, width],
        [height, width] => [height, width],
        _ => bail!(who, "x of shape {dims:?} has too few dimensions"),
    };
    let mut shape = dims[..before].to_vec();
    shape.extend(windows.iter().map(Vec::len));
    volume(who, &shape)?;
    let all = Places { planes: dims[..before].iter().product(), size, rows: rows.clone(), columns: columns.clone() };
    let value = x.value();
    match kind {
        Pool::Max => {
            let (y, from) = largest(&value, &all, &shape)?;
            let from = if Tensor::records(&[x]) { from } else { Vec::new() };
            Ok(Tensor::derive(y, [x], move |grad, flow| flow.add(0, || put_back(&grad, &from, &dims))))
        }
        Pool::Mean => {
            let y = means(&value, &all, &shape)?;
            Ok(Tensor::derive(y, [x], move |grad, flow| flow.add(0, || spread(&grad, &all, &dims))))
        }
    }
}

/// Planes and their windows.
struct Places {
    planes: usize,
    size: [usize; 2],
    rows: Windows,
    columns: Windows,
}

impl Places {
    fn count(&self) -> usize {
        self.planes * self.rows.len() * self.columns.len()
    }

    /// For number `at` of the result: the starts of its window's rows, their length, and the divisor of a mean.
    fn window(&self, at: usize) -> (impl Iterator<Item = Range<usize>>, usize) {
        let (row, column) = (at / self.columns.len() % self.rows.len(), at % self.columns.len());
        let plane = at / (self.rows.len() * self.columns.len()) * self.size[0] * self.size[1];
        let ((rows, high), (columns, wide)) = (self.rows[row].clone(), self.columns[column].clone());
        let width = self.size[1];
        let part = move |row: usize| plane + row * width + columns.start..plane + row * width + columns.end;
        (rows.map(part), high * wide)
    }

    fn width(&self) -> usize {
        let longest = |windows: &Windows| windows.iter().map(|(inside, _)| inside.len()).max().unwrap_or(1);
        longest(&self.rows) * longest(&self.columns)
    }
}

/// A float type, for the dtype of an array whose halves were converted to f32.
macro_rules! float {
    ($array:expr, $t:ident => $made:expr) => {
        if $array.dtype() == DType::F64 {
            type $t = f64;
            $made
        } else {
            type $t = f32;
            $made
        }
    };
}

/// The maximum of each window, the first in a tie, and its index. NaN counts as the largest.
fn largest(x: &Array, all: &Places, shape: &[usize]) -> Result<(Array, Vec<u32>)> {
    let mut places = Vec::new();
    let y = wide(x, |x| {
        float!(x, T => {
            let found = with_values(x, |x: &[T]| {
                each_line(all.count(), all.width(), |at| {
                    let mut best: Option<(T, usize)> = None;
                    for place in all.window(at).0.flatten() {
                        let better = |(top, _): (T, usize)| x[place] > top || x[place].is_nan() && !top.is_nan();
                        if best.is_none_or(better) {
                            best = Some((x[place], place));
                        }
                    }
                    best.unwrap_or((T::NEG_INFINITY, 0))
                })
            })
            .flatten()?;
            places = found.iter().map(|(_, place)| *place as u32).collect();
            array(found.into_iter().map(|(top, _)| top).collect(), shape, x)
        })
    })?;
    Ok((y, places))
}

fn put_back(grad: &Array, from: &[u32], dims: &[usize]) -> Result<Array> {
    wide(grad, |grad| {
        float!(grad, T => {
            let mut sums = vec![T::default(); dims.iter().product()];
            with_values(grad, |grad: &[T]| from.iter().zip(grad).for_each(|(at, grad)| sums[*at as usize] += *grad))?;
            array(sums, dims, grad)
        })
    })
}

fn means(x: &Array, all: &Places, shape: &[usize]) -> Result<Array> {
    wide(x, |x| {
        float!(x, T => {
            let found = with_values(x, |x: &[T]| {
                each_line(all.count(), all.width(), |at| {
                    let (parts, count) = all.window(at);
                    let sum: f64 = parts.flatten().map(|place| x[place].to_f64()).sum();
                    T::from_f64(sum / count as f64)
                })
            })
            .flatten()?;
            array(found, shape, x)
        })
    })
}

fn spread(grad: &Array, all: &Places, dims: &[usize]) -> Result<Array> {
    wide(grad, |grad| {
        float!(grad, T => {
            let mut sums = vec![T::default(); dims.iter().product()];
            with_values(grad, |grad: &[T]| {
                for (at, grad) in grad.iter().enumerate() {
                    let (parts, count) = all.window(at);
                    parts.flatten().for_each(|place| sums[place] += *grad / count as T);
                }
            })?;
            array(sums, dims, grad)
        })
    })
}

/// Reduction of the steps of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentPool {
    Max,
    Mean,
    Sum,
    First,
    Last,
}

/// One row for each segment of x `[B, T, D]`, in the order of their starts; without segments one for each row of the batch.
pub fn segment_pool(x: &Tensor, segments: Option<&[u32]>, kind: SegmentPool) -> Result<Tensor> {
    const WHO: &str = "segment_pool";
    let dims = x.shape();
    let &[rows, length, width] = dims.as_slice() else { bail!(WHO, "x has shape {dims:?}, not three dimensions") };
    let lists = places(segments, rows, length)?;
    if lists.is_empty() {
        bail!(WHO, "all {} places are padding", rows * length);
    }
    let shape = [lists.len(), width];
    let value = x.value();
    if kind == SegmentPool::Max {
        let (y, from) = segment_max(&value, &lists, width, &shape)?;
        return Ok(Tensor::derive(y, [x], move |grad, flow| flow.add(0, || put_back(&grad, &from, &dims))));
    }
    // each index of a list, and its weight
    let weighed: Vec<Vec<(usize, f64)>> = lists
        .into_iter()
        .map(|list| match kind {
            SegmentPool::First => vec![(list[0], 1.0)],
            SegmentPool::Last => vec![(list[list.len() - 1], 1.0)],
            SegmentPool::Sum => list.into_iter().map(|place| (place, 1.0)).collect(),
            _ => list.iter().map(|place| (*place, 1.0 / list.len() as f64)).collect(),
        })
        .collect();
    let y = wide(&value, |x| {
        float!(x, T => {
            let sums = with_values(x, |x: &[T]| {
                each_line(weighed.len(), width * length, |at| {
                    let mut sums = vec![0f64; width];
                    for (place, weight) in &weighed[at] {
                        let row = &x[place * width..][..width];
                        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x.to_f64());
                    }
                    sums.into_iter().map(T::from_f64).collect::<Vec<T>>()
                })
            })
            .flatten()?;
            array(sums.concat(), &shape, x)
        })
    })?;
    Ok(Tensor::derive(y, [x], move |grad, flow| {
        flow.add(0, || {
            wide(&grad, |grad| {
                float!(grad, T => {
                    let mut sums = vec![T::default(); dims.iter().product()];
                    for (row, list) in values::<T>(grad)?.chunks_exact(width.max(1)).zip(&weighed) {
                        for (place, weight) in list {
                            let to = &mut sums[place * width..][..width];
                            to.iter_mut().zip(row).for_each(|(sum, grad)| *sum += *weight as T * *grad);
                        }
                    }
                    array(sums, &dims, grad)
                })
            })
        })
    }))
}

/// The indices of each segment, in the order of their starts.
fn places(segments: Option<&[u32]>, rows: usize, length: usize) -> Result<Vec<Vec<usize>>> {
    let Some(segments) = segments else {
        let packing = Packing::of("segment_pool", None, rows, length)?;
        return Ok(packing.spans.into_iter().map(|span| span.collect()).collect());
    };
    let mut found: HashMap<(usize, u32), usize> = HashMap::new();
    let mut lists: Vec<Vec<usize>> = Vec::new();
    for (at, id) in segments.iter().enumerate().filter(|(_, id)| **id != 0) {
        let list = *found.entry((at / length, *id)).or_insert(lists.len());
        if list == lists.len() {
            lists.push(Vec::new());
        }
        lists[list].push(at);
    }
    Ok(lists)
}

fn segment_max(x: &Array, lists: &[Vec<usize>], width: usize, shape: &[usize]) -> Result<(Array, Vec<u32>)> {
    let mut from = Vec::new();
    let y = wide(x, |x| {
        float!(x, T => {
            let found = with_values(x, |x: &[T]| {
                each_line(lists.len(), width * lists[0].len(), |at| {
                    let mut best: Vec<usize> = (0..width).map(|column| lists[at][0] * width + column).collect();
                    for place in &lists[at][1..] {
                        for (column, best) in best.iter_mut().enumerate() {
                            let own = place * width + column;
                            if x[own] > x[*best] || x[own].is_nan() && !x[*best].is_nan() {
                                *best = own;
                            }
                        }
                    }
                    best
                })
            })
            .flatten()?;
            from = found.concat().into_iter().map(|place| place as u32).collect();
            let tops = with_values(x, |x: &[T]| from.iter().map(|at: &u32| x[*at as usize]).collect::<Vec<T>>())?;
            array(tops, shape, x)
        })
    })?;
    Ok((y, from))
}
