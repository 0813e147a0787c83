//! Einstein summation.

use super::pick::picked;
use super::{matmul, permute, reshape, squeeze, sum};
use crate::tensor::Tensor;
use crate::{Result, bail};
use std::collections::{BTreeMap, VecDeque};

/// Einstein's sum: `einsum("ij,jk->ik", [a, b])` multiplies numbers with matching indices and sums over letters missing in the
/// result. Without `->` the result has the letters that occur once, in alphabetical order. `...` stands for the dimensions that
/// no letter names, which broadcast; without `->` they come first.
pub fn einsum(formula: &str, operands: &[Tensor]) -> Result<Tensor> {
    let text: String = formula.split_whitespace().collect::<String>().replace("...", "…");
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (text.as_str(), None),
    };
    let known = |c: char| c.is_ascii_alphabetic() || c == ',' || c == '…';
    if let Some(odd) = text.replace("->", "").chars().find(|c| !known(*c)) {
        bail!("einsum", "`{odd}` in `{formula}` is not a letter");
    }
    let written: Vec<&str> = left.split(',').collect();
    if written.len() != operands.len() {
        bail!("einsum", "`{formula}` has {} operands, not {}", written.len(), operands.len());
    }
    let unnamed = unnamed(formula, &written, operands)?;
    let terms: Vec<Vec<char>> =
        written.iter().zip(operands).map(|(term, x)| letters(term, x.shape().len(), unnamed)).collect();
    let count = |letter: &char| terms.iter().flatten().filter(|c| *c == letter).count();
    let result: Vec<char> = match right {
        Some(right) => letters(right, right.chars().filter(|c| *c != '…').count() + unnamed, unnamed),
        None => {
            let mut once: Vec<char> = left
                .chars()
                .filter(|c| c.is_ascii_alphabetic() && count(c) == 1)
                .chain((0..unnamed).map(fresh))
                .collect();
            once.sort_unstable();
            once
        }
    };
    for (at, letter) in result.iter().enumerate() {
        if result[..at].contains(letter) || count(letter) == 0 {
            let letter = named(*letter);
            bail!("einsum", "`{letter}` on the right of `{formula}` must be once there and on the left");
        }
    }
    let sizes = sizes(formula, &terms, operands)?;

    let mut parts = terms.into_iter().zip(operands).map(|(letters, x)| stretched(letters, x, &sizes));
    let Some(first) = parts.next() else { bail!("einsum", "`{formula}` has no operands") };
    let mut rest = parts.collect::<Result<VecDeque<_>>>()?;
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

/// A private letter for a dimension of `...`: sorted before all other letters.
fn fresh(at: usize) -> char {
    char::from(1 + at as u8 % 60)
}

fn named(letter: char) -> String {
    if letter.is_ascii_alphabetic() { letter.to_string() } else { "...".into() }
}

/// The maximum number of dimensions of `...` in one operand.
fn unnamed(formula: &str, written: &[&str], operands: &[Tensor]) -> Result<usize> {
    let mut most = 0;
    for (term, x) in written.iter().zip(operands) {
        let (dots, letters) = (term.matches('…').count(), term.chars().filter(|c| *c != '…').count());
        let dims = x.shape();
        if dots > 1 || dims.len() < letters || dots == 0 && dims.len() > letters {
            bail!("einsum", "`{}` of `{formula}` for shape {dims:?}", term.replace('…', "..."));
        }
        most = most.max(dims.len() - letters);
    }
    Ok(most)
}

/// The letters of a term with `rank` dimensions. Dimensions of `...` are aligned at the last.
fn letters(term: &str, rank: usize, unnamed: usize) -> Vec<char> {
    let own = rank.saturating_sub(term.chars().filter(|c| *c != '…').count());
    let each = |c: char| match c {
        '…' => (unnamed - own.min(unnamed)..unnamed).map(fresh).collect(),
        letter => vec![letter],
    };
    term.chars().flat_map(each).collect()
}

/// The size of each letter; size 1 broadcasts.
fn sizes(formula: &str, terms: &[Vec<char>], operands: &[Tensor]) -> Result<BTreeMap<char, usize>> {
    let mut sizes = BTreeMap::new();
    for (letters, x) in terms.iter().zip(operands) {
        for (letter, size) in letters.iter().zip(x.shape()) {
            let known = sizes.entry(*letter).or_insert(size);
            if *known != size && *known != 1 && size != 1 {
                bail!("einsum", "`{}` of `{formula}` is {known} and {size}", named(*letter));
            }
            if *known == 1 {
                *known = size;
            }
        }
    }
    Ok(sizes)
}

/// An operand without broadcast dimensions of size 1, and with the diagonal of a repeated letter.
fn stretched(letters: Vec<char>, x: &Tensor, sizes: &BTreeMap<char, usize>) -> Result<Term> {
    let (mut kept, mut x) = (letters, x.clone());
    for at in (0..kept.len()).rev() {
        if x.shape()[at] == 1 && sizes.get(&kept[at]).is_some_and(|size| *size != 1) {
            x = squeeze(&x, Some(at as i64))?;
            kept.remove(at);
        }
    }
    diagonal(kept, &x)
}

/// The diagonal of a letter that occurs twice in an operand.
fn diagonal(letters: Vec<char>, x: &Tensor) -> Result<Term> {
    let mut unique = letters.clone();
    unique.sort_unstable();
    unique.dedup();
    if unique.len() == letters.len() {
        return Ok((letters, x.clone()));
    }
    let dims = x.shape();
    let stride = |at: usize| dims[at + 1..].iter().product::<usize>();
    let size = |letter: &char| letters.iter().position(|l| l == letter).map_or(1, |at| dims[at]);
    let shape: Vec<usize> = unique.iter().map(size).collect();
    let mut places = vec![0];
    for letter in &unique {
        let step: usize = letters.iter().enumerate().filter(|(_, l)| *l == letter).map(|(at, _)| stride(at)).sum();
        places = places.iter().flat_map(|place| (0..size(letter)).map(move |i| place + i * step)).collect();
    }
    Ok((unique, picked(x, places, &shape)?))
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
