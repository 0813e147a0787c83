//! Matrix products and Einstein summation.

use super::pick::{pick, scatter};
use super::{cast, multiply, permute, promoted, reshape, squeeze, sum, sum_to, unsqueeze, volume};
use crate::kernel::{self, Precision};
use crate::tensor::{Array, DType, Tensor};
use crate::{Error, Result, bail, cancel};

/// The matrix product, as in PyTorch: vectors are rows on the left and columns on the right, further dimensions in
/// front are batches and broadcast.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (a, b) = promoted(a, b)?;
    let (dims_a, dims_b) = (a.shape(), b.shape());
    let meet = match (dims_a.as_slice(), dims_b.as_slice()) {
        ([], _) | (_, []) => {
            return Err(Error::new("matmul", format!("shapes {dims_a:?} and {dims_b:?}: one is a single number"))
                .help("multiply by it with `*`"));
        }
        ([.., inner], [other]) | ([.., inner], [.., other, _]) => (*inner, *other),
    };
    if meet.0 != meet.1 {
        let error =
            Error::new("matmul", format!("cannot multiply {dims_a:?} by {dims_b:?}: {} is not {}", meet.0, meet.1));
        return Err(match dims_b.last() {
            Some(size) if *size == meet.0 => error.help("transpose the right side with `.t()`"),
            _ => error,
        });
    }
    if !a.dtype().is_float() {
        // whole numbers, exact up to 2^53
        return cast(&matmul(&cast(&a, DType::F64)?, &cast(&b, DType::F64)?)?, DType::I64);
    }
    match (dims_a.len(), dims_b.len()) {
        (1, 1) => sum(&multiply(&a, &b)?, None, false),
        (1, _) => squeeze(&matmul(&unsqueeze(&a, 0)?, &b)?, Some(-2)),
        (_, 1) => squeeze(&matmul(&a, &unsqueeze(&b, 1)?)?, Some(-1)),
        (2, 2) => matmul_plain(&a, &b),
        // a batch of rows with one matrix is one larger product
        (_, 2) => {
            let rows = reshape(&a, &[-1, meet.0 as i64])?;
            let mut shape: Vec<i64> = dims_a.iter().map(|size| *size as i64).collect();
            shape.pop();
            shape.push(dims_b[1] as i64);
            reshape(&matmul_plain(&rows, &b)?, &shape)
        }
        _ => matmul_batches(&a, &b),
    }
}

/// Multiplies two matrices.
fn matmul_plain(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (x, y) = (a.value(), b.value());
    Ok(Tensor::derive(multiply_matrices(&x, &y)?, [a, b], move |grad, flow| {
        flow.add(0, || multiply_matrices(&grad, &y.t()?))?;
        flow.add(1, || multiply_matrices(&x.t()?, &grad))
    }))
}

/// Multiplies batches of matrices, with broadcasting.
fn matmul_batches(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (x, y) = (a.value(), b.value());
    super::broadcast("matmul", &x.dims()[..x.rank() - 2], &y.dims()[..y.rank() - 2])?;
    let (dims_a, dims_b) = (x.dims().to_vec(), y.dims().to_vec());
    Ok(Tensor::derive(multiply_matrices(&x, &y)?, [a, b], move |grad, flow| {
        flow.add(0, || sum_to(multiply_matrices(&grad, &y.t()?)?, &dims_a))?;
        flow.add(1, || sum_to(multiply_matrices(&x.t()?, &grad)?, &dims_b))
    }))
}

/// Multiplications that take some tenths of a second on one thread.
const LARGE: usize = 1 << 32;

fn multiply_matrices(x: &Array, y: &Array) -> Result<Array> {
    let (&[.., m, k], &[.., n]) = (x.dims(), y.dims()) else {
        bail!("matmul", "shapes {:?} and {:?} are no matrices", x.dims(), y.dims());
    };
    let batches = (x.elem_count() / (m * k).max(1)).max(y.elem_count() / (n * k).max(1));
    volume("matmul", &[batches, m, n])?;
    let is_plain = x.rank() == 2 && y.rank() == 2;
    let is_large = [batches, m, n].iter().fold(k, |size, side| size.saturating_mul(*side)) >= LARGE;
    if is_plain && is_large && [x, y].iter().all(|x| x.dtype() == DType::F32) {
        // by the kernels, which can be stopped
        return match y.is_contiguous() {
            true => kernel::matmul::linear(x, y, None, true, Precision::F32),
            false => kernel::matmul::linear(x, &y.t()?, None, false, Precision::F32),
        };
    }
    if is_large && batches > 1 && x.dims()[..x.rank() - 2] == y.dims()[..y.rank() - 2] {
        // one after the other, and between them a stop is possible
        let (xs, ys) = (x.contiguous()?.reshape((batches, m, k))?, y.contiguous()?.reshape((batches, k, n))?);
        let each = |at: usize| cancel::check().and_then(|()| multiply_matrices(&xs.get(at)?, &ys.get(at)?));
        let all = (0..batches).map(each).collect::<Result<Vec<_>>>()?;
        let dims = [&x.dims()[..x.rank() - 2], &[m, n]].concat();
        return Ok(Array::stack(&all, 0)?.reshape(dims)?);
    }
    kernel::profile::count_matmul([batches * m, n, k]);
    if is_plain {
        // stretched operands have strides that a product can't take
        let plain = |x: &Array| if x.stride().contains(&0) { x.contiguous() } else { Ok(x.clone()) };
        return Ok(plain(x)?.matmul(&plain(y)?)?);
    }
    Ok(x.contiguous()?.broadcast_matmul(&y.contiguous()?)?)
}

/// Einstein's sum: `einsum("ij,jk->ik", [a, b])` multiplies numbers whose letters agree and adds up over letters
/// that the result does not have. Without `->` the result has the letters that occur once, in alphabetical order.
pub fn einsum(formula: &str, operands: &[Tensor]) -> Result<Tensor> {
    let text: String = formula.split_whitespace().collect();
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (text.as_str(), None),
    };
    if let Some(odd) = text.replace("->", "").chars().find(|c| !c.is_ascii_alphabetic() && *c != ',') {
        bail!("einsum", "`{odd}` in `{formula}` is not a letter");
    }
    let terms: Vec<Vec<char>> = left.split(',').map(|term| term.chars().collect()).collect();
    if terms.len() != operands.len() {
        bail!("einsum", "`{formula}` has {} operands, not {}", terms.len(), operands.len());
    }
    let count = |letter: &char| left.chars().filter(|c| c == letter).count();
    let result: Vec<char> = match right {
        Some(right) => right.chars().collect(),
        None => {
            let mut once: Vec<char> = left.chars().filter(|c| *c != ',' && count(c) == 1).collect();
            once.sort_unstable();
            once
        }
    };
    for (at, letter) in result.iter().enumerate() {
        if result[..at].contains(letter) || count(letter) == 0 {
            bail!("einsum", "`{letter}` on the right of `{formula}` must be once there and on the left");
        }
    }
    sizes_agree(formula, &terms, operands)?;

    let mut parts = terms.into_iter().zip(operands).map(|(letters, x)| diagonal(letters, x));
    let Some(first) = parts.next() else { bail!("einsum", "`{formula}` has no operands") };
    let mut rest = parts.collect::<Result<std::collections::VecDeque<_>>>()?;
    let mut sum = first?;
    while let Some(next) = rest.pop_front() {
        let needed =
            |letter: &char| result.contains(letter) || rest.iter().any(|(letters, _)| letters.contains(letter));
        sum = contract(sum, next, needed)?;
    }
    let (letters, x) = reduce(sum, |letter| result.contains(letter))?;
    let order: Vec<i64> =
        result.iter().filter_map(|l| letters.iter().position(|o| o == l)).map(|at| at as i64).collect();
    permute(&x, &order)
}

type Term = (Vec<char>, Tensor);

fn sizes_agree(formula: &str, terms: &[Vec<char>], operands: &[Tensor]) -> Result<()> {
    let mut sizes = std::collections::BTreeMap::new();
    for (letters, x) in terms.iter().zip(operands) {
        let dims = x.shape();
        if dims.len() != letters.len() {
            bail!("einsum", "`{}` of `{formula}` for shape {dims:?}", letters.iter().collect::<String>());
        }
        for (letter, size) in letters.iter().zip(dims) {
            let known = *sizes.entry(*letter).or_insert(size);
            if known != size {
                bail!("einsum", "`{letter}` of `{formula}` is {known} and {size}");
            }
        }
    }
    Ok(())
}

/// A letter that an operand has twice: its diagonal.
fn diagonal(letters: Vec<char>, x: &Tensor) -> Result<Term> {
    let mut unique = letters.clone();
    unique.sort_unstable();
    unique.dedup();
    if unique.len() == letters.len() {
        return Ok((letters, x.clone()));
    }
    let value = x.value();
    let dims = value.dims().to_vec();
    let stride = |at: usize| dims[at + 1..].iter().product::<usize>();
    let size = |letter: &char| letters.iter().position(|l| l == letter).map_or(1, |at| dims[at]);
    let shape: Vec<usize> = unique.iter().map(size).collect();
    let mut places = vec![0];
    for letter in &unique {
        let step: usize = letters.iter().enumerate().filter(|(_, l)| *l == letter).map(|(at, _)| stride(at)).sum();
        places = places.iter().flat_map(|place| (0..size(letter)).map(move |i| place + i * step)).collect();
    }
    let picked = pick(&value, &places, &shape)?;
    let picked = Tensor::derive(picked, [x], move |grad, flow| flow.add(0, || scatter(&grad, &places, &dims)));
    Ok((unique, picked))
}

/// Sums over letters that are no longer needed.
fn reduce((letters, x): Term, needed: impl Fn(&char) -> bool) -> Result<Term> {
    let over: Vec<i64> = (0..letters.len()).filter(|at| !needed(&letters[*at])).map(|at| at as i64).collect();
    if over.is_empty() {
        return Ok((letters, x));
    }
    Ok((letters.into_iter().filter(|l| needed(l)).collect(), sum(&x, Some(&over), false)?))
}

/// Two operands as one product of batches of matrices: `batch × left × inner` by `batch × inner × right`.
fn contract(a: Term, b: Term, needed: impl Fn(&char) -> bool) -> Result<Term> {
    let in_b = b.0.clone();
    let (la, xa) = reduce(a, |letter| needed(letter) || in_b.contains(letter))?;
    let in_a = la.clone();
    let (lb, xb) = reduce(b, |letter| needed(letter) || in_a.contains(letter))?;
    let pick = |letters: &[char], keep: &dyn Fn(&char) -> bool| letters.iter().copied().filter(|l| keep(l)).collect();
    let batch: Vec<char> = pick(&la, &|l| lb.contains(l) && needed(l));
    let inner: Vec<char> = pick(&la, &|l| lb.contains(l) && !needed(l));
    let left: Vec<char> = pick(&la, &|l| !lb.contains(l));
    let right: Vec<char> = pick(&lb, &|l| !la.contains(l));
    let (dims_a, dims_b) = (xa.shape(), xb.shape());
    let size = |letter: &char| match la.iter().position(|l| l == letter) {
        Some(at) => dims_a[at],
        None => lb.iter().position(|l| l == letter).map_or(1, |at| dims_b[at]),
    };
    let volume = |letters: &[char]| letters.iter().map(size).product::<usize>() as i64;
    let arranged = |x: &Tensor, from: &[char], groups: [&[char]; 3]| {
        let order = groups.concat();
        let axes: Vec<i64> =
            order.iter().filter_map(|l| from.iter().position(|o| o == l)).map(|at| at as i64).collect();
        reshape(&permute(x, &axes)?, &groups.map(volume))
    };
    let product =
        matmul(&arranged(&xa, &la, [&batch, &left, &inner])?, &arranged(&xb, &lb, [&batch, &inner, &right])?)?;
    let letters = [batch, left, right].concat();
    let shape: Vec<i64> = letters.iter().map(|letter| size(letter) as i64).collect();
    Ok((letters, reshape(&product, &shape)?))
}
