//! Every differentiable operation against finite differences, in f64.

use levain::Result;
use levain::tensor::layers::{self, Allowed, Cell, ConvWindow, Crf, CrfReduction, Padding, Pool, SegmentPool};
use levain::tensor::nn::{Mask, Precision, Rotary, RotaryScaling};
use levain::tensor::ops::{self, At, CrossEntropy, Interpolation, Reduction, Scalar};
use levain::tensor::{Array, Device, Rng, Tensor, nn};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// The operations whose gradients have been checked.
static CHECKED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Records the operation of this tensor.
pub fn checked(result: &Tensor) {
    CHECKED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).extend(result.operations());
}

type Operation = fn(&[Tensor]) -> Result<Tensor>;

/// Inputs of these shapes, drawn from `low..high`.
fn inputs(shapes: &[&[usize]], low: f64, high: f64) -> Vec<Vec<f64>> {
    let mut rng = Rng::new(5);
    shapes.iter().map(|dims| (0..dims.iter().product()).map(|_| low + (high - low) * rng.uniform()).collect()).collect()
}

fn params(shapes: &[&[usize]], numbers: &[Vec<f64>]) -> Vec<Tensor> {
    let make = |(dims, numbers): (&&[usize], &Vec<f64>)| {
        Tensor::param(Array::from_vec(numbers.clone(), *dims, &Device::Cpu).unwrap(), None)
    };
    shapes.iter().zip(numbers).map(make).collect()
}

/// A number that depends on every number of the result, each with a different weight.
fn objective(result: &Tensor) -> Result<Tensor> {
    let count = result.value().elem_count();
    let mut rng = Rng::new(9);
    let weights: Vec<f64> = (0..count).map(|_| rng.uniform() + 0.5).collect();
    let weights = Tensor::from(Array::from_vec(weights, result.shape(), &Device::Cpu)?);
    ops::sum(&ops::multiply(result, &weights)?, None, false)
}

fn check(name: &str, shapes: &[&[usize]], (low, high): (f64, f64), operation: Operation) {
    let numbers = inputs(shapes, low, high);
    let run = |numbers: &[Vec<f64>]| {
        let value = objective(&operation(&params(shapes, numbers)).unwrap()).unwrap().value();
        value.to_scalar::<f64>().unwrap()
    };
    let leaves = params(shapes, &numbers);
    let loss = objective(&operation(&leaves).unwrap_or_else(|error| panic!("{name}: {error}"))).unwrap();
    checked(&loss);
    let grads = loss.backward().unwrap_or_else(|error| panic!("{name}: {error}"));
    for (at, leaf) in leaves.iter().enumerate() {
        let grad = grads.of(leaf).unwrap_or_else(|error| panic!("{name}: input {at}: {error}"));
        assert_eq!(grad.dims(), shapes[at], "{name}: input {at}");
        let grad: Vec<f64> = grad.flatten_all().unwrap().to_vec1().unwrap();
        for (place, found) in grad.into_iter().enumerate() {
            let step = 1e-6;
            let mut moved = numbers.clone();
            moved[at][place] += step;
            let above = run(&moved);
            moved[at][place] -= 2.0 * step;
            let slope = (above - run(&moved)) / (2.0 * step);
            let far = (found - slope).abs() > 1e-6 * (1.0 + slope.abs().max(found.abs()));
            assert!(!far, "{name}: input {at} place {place}: {found}, finite differences say {slope}");
        }
    }
}

fn ids(numbers: &[i64], dims: &[usize]) -> Tensor {
    Array::from_vec(numbers.to_vec(), dims, &Device::Cpu).unwrap().into()
}

fn window(stride: usize, padding: Padding, dilation: usize, groups: usize) -> ConvWindow {
    ConvWindow { stride: [stride; 2], padding, dilation: [dilation; 2], groups }
}

fn mask(numbers: &[u8], dims: &[usize]) -> Tensor {
    Array::from_vec(numbers.to_vec(), dims, &Device::Cpu).unwrap().into()
}

const ANY: (f64, f64) = (-2.0, 2.0);
const POSITIVE: (f64, f64) = (0.2, 2.0);
const ABOVE: (f64, f64) = (1.2, 3.0);
const SHARE: (f64, f64) = (0.05, 0.95);

/// A name, the shapes of the inputs, their range, and the operation.
type Row = (&'static str, &'static [&'static [usize]], (f64, f64), Operation);

#[test]
fn arithmetic() {
    let table: &[Row] = &[
        ("add", &[&[2, 3], &[2, 3]], ANY, |x| ops::add(&x[0], &x[1])),
        ("add, broadcast", &[&[2, 1, 3], &[4, 1]], ANY, |x| ops::add(&x[0], &x[1])),
        ("add, itself", &[&[3]], ANY, |x| ops::add(&x[0], &x[0])),
        ("add, a number", &[&[3]], ANY, |x| ops::add(1.5, &x[0])),
        ("subtract", &[&[2, 3], &[3]], ANY, |x| ops::subtract(&x[0], &x[1])),
        ("subtract, from a number", &[&[2, 3]], ANY, |x| ops::subtract(1.0, &x[0])),
        ("subtract, a number", &[&[2, 3]], ANY, |x| ops::subtract(&x[0], 1)),
        ("multiply", &[&[2, 3], &[2, 1]], ANY, |x| ops::multiply(&x[0], &x[1])),
        ("multiply, itself", &[&[2, 3]], ANY, |x| ops::multiply(&x[0], &x[0])),
        ("multiply, a number", &[&[2, 3]], ANY, |x| ops::multiply(&x[0], 3)),
        ("divide", &[&[2, 3], &[3]], POSITIVE, |x| ops::divide(&x[0], &x[1])),
        ("divide, a number", &[&[2, 3]], POSITIVE, |x| ops::divide(&x[0], 3.0)),
        ("divide, by it", &[&[2, 3]], POSITIVE, |x| ops::divide(1.0, &x[0])),
        ("power", &[&[2, 3], &[3]], POSITIVE, |x| ops::power(&x[0], &x[1])),
        ("power, 3", &[&[2, 3]], ANY, |x| ops::power(&x[0], 3)),
        ("power, 0.5", &[&[2, 3]], POSITIVE, |x| ops::power(&x[0], 0.5)),
        ("power, 0", &[&[2, 3]], POSITIVE, |x| ops::power(&x[0], 0)),
        ("power, 1", &[&[2, 3]], POSITIVE, |x| ops::power(&x[0], 1)),
        ("power, of 2", &[&[2, 3]], POSITIVE, |x| ops::power(2.0, &x[0])),
        ("remainder", &[&[2, 3], &[3]], POSITIVE, |x| ops::remainder(&x[0], &x[1])),
        ("remainder, of a number", &[&[2, 3]], POSITIVE, |x| ops::remainder(7.0, &x[0])),
        ("fmod", &[&[2, 3], &[3]], POSITIVE, |x| ops::fmod(&ops::negate(&x[0])?, &x[1])),
        ("floor_divide", &[&[2, 3], &[3]], POSITIVE, |x| ops::floor_divide(&x[0], &x[1])),
        ("clamp, tensors", &[&[2, 3], &[3], &[2, 1]], ANY, |x| {
            ops::clamp(&x[0], Some((&x[1]).into()), Some((&ops::add(&x[2], 2.0)?).into()))
        }),
        ("outer", &[&[2], &[3]], ANY, |x| ops::outer(&x[0], &x[1])),
        ("maximum", &[&[2, 3], &[3]], ANY, |x| ops::maximum(&x[0], &x[1])),
        ("minimum", &[&[2, 3], &[2, 3]], ANY, |x| ops::minimum(&x[0], &x[1])),
        ("where", &[&[2, 3], &[3]], ANY, |x| ops::where_(&mask(&[1, 0, 1, 0, 0, 1], &[2, 3]), &x[0], &x[1])),
        ("masked_fill", &[&[2, 3]], ANY, |x| ops::masked_fill(&x[0], &mask(&[1, 0, 1], &[3]), Scalar::Float(7.0))),
    ];
    table.iter().for_each(|(name, shapes, range, operation)| check(name, shapes, *range, *operation));
}

#[test]
fn functions_of_one_number() {
    let table: &[(&str, (f64, f64), Operation)] = &[
        ("negate", ANY, |x| ops::negate(&x[0])),
        ("exp", ANY, |x| ops::exp(&x[0])),
        ("log", POSITIVE, |x| ops::log(&x[0])),
        ("sqrt", POSITIVE, |x| ops::sqrt(&x[0])),
        ("abs", ANY, |x| ops::abs(&x[0])),
        ("sin", ANY, |x| ops::sin(&x[0])),
        ("cos", ANY, |x| ops::cos(&x[0])),
        ("tanh", ANY, |x| ops::tanh(&x[0])),
        ("sigmoid", ANY, |x| ops::sigmoid(&x[0])),
        ("relu", ANY, |x| ops::relu(&x[0])),
        ("gelu", ANY, |x| nn::gelu(&x[0], false)),
        ("gelu_tanh", ANY, |x| nn::gelu(&x[0], true)),
        ("silu", ANY, |x| nn::silu(&x[0])),
        ("square", ANY, |x| ops::square(&x[0])),
        ("erf", ANY, |x| ops::erf(&x[0])),
        ("clamp", ANY, |x| ops::clamp(&x[0], Some((-0.5).into()), Some(0.9.into()))),
        ("exp2", ANY, |x| ops::exp2(&x[0])),
        ("expm1", ANY, |x| ops::expm1(&x[0])),
        ("log2", POSITIVE, |x| ops::log2(&x[0])),
        ("log10", POSITIVE, |x| ops::log10(&x[0])),
        ("log1p", POSITIVE, |x| ops::log1p(&x[0])),
        ("rsqrt", POSITIVE, |x| ops::rsqrt(&x[0])),
        ("reciprocal", POSITIVE, |x| ops::reciprocal(&x[0])),
        ("tan", SHARE, |x| ops::tan(&x[0])),
        ("asin", SHARE, |x| ops::asin(&x[0])),
        ("acos", SHARE, |x| ops::acos(&x[0])),
        ("atan", ANY, |x| ops::atan(&x[0])),
        ("sinh", ANY, |x| ops::sinh(&x[0])),
        ("cosh", ANY, |x| ops::cosh(&x[0])),
        ("asinh", ANY, |x| ops::asinh(&x[0])),
        ("acosh", ABOVE, |x| ops::acosh(&x[0])),
        ("atanh", SHARE, |x| ops::atanh(&x[0])),
        ("erfc", ANY, |x| ops::erfc(&x[0])),
        ("logsigmoid", ANY, |x| ops::logsigmoid(&x[0])),
        ("softplus", ANY, |x| ops::softplus(&x[0], 1.5, 2.0)),
        ("leaky_relu", ANY, |x| ops::leaky_relu(&x[0], 0.2)),
        ("elu", ANY, |x| ops::elu(&x[0], 1.5)),
        ("nan_to_num", ANY, |x| ops::nan_to_num(&x[0], 0.0, None, None)),
        ("floor", ANY, |x| ops::floor(&x[0])),
        ("ceil", ANY, |x| ops::ceil(&x[0])),
        ("trunc", ANY, |x| ops::trunc(&x[0])),
        ("round", ANY, |x| ops::round(&x[0])),
        ("round, decimals", ANY, |x| ops::round_to(&x[0], 1)),
        ("frac", ANY, |x| ops::frac(&x[0])),
        ("sign", ANY, |x| ops::sign(&x[0])),
    ];
    table.iter().for_each(|(name, range, operation)| check(name, &[&[3, 4]], *range, *operation));
}

#[test]
fn reductions() {
    let table: &[(&str, Operation)] = &[
        ("sum", |x| ops::sum(&x[0], None, false)),
        ("sum, 0", |x| ops::sum(&x[0], Some(&[0]), false)),
        ("sum, -1, kept", |x| ops::sum(&x[0], Some(&[-1]), true)),
        ("sum, two", |x| ops::sum(&x[0], Some(&[2, 0]), false)),
        ("mean", |x| ops::mean(&x[0], None, false)),
        ("mean, 1", |x| ops::mean(&x[0], Some(&[1]), true)),
        ("var", |x| ops::variance(&x[0], None, false, 1)),
        ("var, 1", |x| ops::variance(&x[0], Some(&[1]), false, 0)),
        ("std", |x| ops::std(&x[0], Some(&[-1]), true, 1)),
        ("norm", |x| ops::norm(&x[0], 2.0, Some(&[1]), false)),
        ("norm, 1", |x| ops::norm(&x[0], 1.0, Some(&[0, 2]), true)),
        ("norm, 3", |x| ops::norm(&x[0], 3.0, Some(&[-1]), false)),
        ("norm, a half", |x| ops::norm(&x[0], 0.5, None, false)),
        ("norm, infinite", |x| ops::norm(&x[0], f64::INFINITY, Some(&[1]), false)),
        ("norm, 0", |x| ops::norm(&x[0], 0.0, Some(&[1]), false)),
        ("prod", |x| ops::prod(&x[0], None, false)),
        ("prod, 1", |x| ops::prod(&x[0], Some(&[1]), true)),
        ("prod, of a zero", |x| ops::prod(&ops::multiply(&x[0], mask(&[1, 0, 1], &[3, 1]))?, Some(&[1]), false)),
        ("cumprod", |x| ops::cumprod(&x[0], 1)),
        ("cumprod, of zeros", |x| ops::cumprod(&ops::multiply(&x[0], mask(&[1, 0, 1, 1], &[4]))?, -1)),
        ("median", |x| ops::median(&x[0], None, false)),
        ("median, 1", |x| ops::median(&x[0], Some(1), true)),
        ("quantile", |x| {
            let shares = Array::new(&[0.1, 0.7], &Device::Cpu)?;
            ops::quantile(&x[0], &shares.into(), Some(2), false, Interpolation::Linear)
        }),
        ("unique", |x| Ok(ops::unique(&x[0])?.values)),
        ("max", |x| ops::max(&x[0], None, false)),
        ("max, 1", |x| ops::max(&x[0], Some(1), false)),
        ("min, 0", |x| ops::min(&x[0], Some(0), true)),
        ("cumsum, 1", |x| ops::cumsum(&x[0], 1)),
        ("cumsum, -1", |x| ops::cumsum(&x[0], -1)),
        ("softmax", |x| ops::softmax(&x[0], -1)),
        ("softmax, 1", |x| ops::softmax(&x[0], 1)),
        ("log_softmax", |x| ops::log_softmax(&x[0], -1)),
        ("log_softmax, 0", |x| ops::log_softmax(&x[0], 0)),
        ("logsumexp", |x| ops::logsumexp(&x[0], &[1], false)),
        ("logsumexp, two", |x| ops::logsumexp(&x[0], &[0, 2], true)),
        ("sort", |x| ops::sort(&x[0], 1, true)),
        ("top_k", |x| Ok(ops::top_k(&x[0], 2, -1, true)?.0)),
    ];
    table.iter().for_each(|(name, operation)| check(name, &[&[2, 3, 4]], ANY, *operation));
}

#[test]
fn shapes_and_indices() {
    let table: &[(&str, &[&[usize]], Operation)] = &[
        ("reshape", &[&[2, 6]], |x| ops::reshape(&x[0], &[3, -1])),
        ("transpose", &[&[2, 3, 4]], |x| ops::transpose(&x[0], 0, -1)),
        ("permute", &[&[2, 3, 4]], |x| ops::permute(&x[0], &[2, 0, 1])),
        ("unsqueeze", &[&[2, 3]], |x| ops::unsqueeze(&x[0], 1)),
        ("squeeze", &[&[2, 1, 3]], |x| ops::squeeze(&x[0], None)),
        ("expand", &[&[3, 1]], |x| ops::expand(&x[0], &[2, -1, 4])),
        ("cat", &[&[2, 3], &[2, 1]], |x| ops::cat(x, 1)),
        ("stack", &[&[2, 3], &[2, 3]], |x| ops::stack(x, 1)),
        ("narrow", &[&[4, 3]], |x| ops::narrow(&x[0], 0, 1, 2)),
        ("pad", &[&[2, 3]], |x| ops::pad(&x[0], 1, 2, 1)),
        ("index_select", &[&[3, 4]], |x| ops::index_select(&x[0], 1, &ids(&[3, 0, 3], &[3]))),
        ("index_select, rows", &[&[3, 4]], |x| ops::index_select(&x[0], 0, &ids(&[2, 0, 2, 1], &[2, 2]))),
        ("gather", &[&[3, 4]], |x| ops::gather(&x[0], 1, &ids(&[3, 0, 1, 1, 2, 0], &[3, 2]))),
        ("gather, a part", &[&[3, 4]], |x| ops::gather(&x[0], 0, &ids(&[2, 0, 1, 1], &[2, 2]))),
        ("scatter", &[&[3, 4], &[2, 2]], |x| ops::scatter(&x[0], 1, &ids(&[3, 0, 1, 1], &[2, 2]), &x[1])),
        ("scatter_add", &[&[3, 4], &[2, 2]], |x| ops::scatter_add(&x[0], 1, &ids(&[3, 0, 1, 1], &[2, 2]), &x[1])),
        ("index_add", &[&[3, 4], &[2, 4]], |x| ops::index_add(&x[0], 0, &ids(&[1, 1], &[2]), &x[1])),
        ("flip", &[&[3, 4]], |x| ops::flip(&x[0], &[0, -1])),
        ("roll", &[&[3, 4]], |x| ops::roll(&x[0], &[1, -1], &[0, 1])),
        ("repeat", &[&[3, 2]], |x| ops::repeat(&x[0], &[2, 1, 3])),
        ("repeat_interleave", &[&[3, 2]], |x| ops::repeat_interleave(&x[0], &[2, 0, 1], 0)),
        ("tril", &[&[2, 3, 3]], |x| ops::tril(&x[0], 0)),
        ("triu", &[&[2, 3, 4]], |x| ops::triu(&x[0], 1)),
        ("diagonal", &[&[3, 2, 4]], |x| ops::diagonal(&x[0], 1, 0, 2)),
        ("diag_embed", &[&[2, 3]], |x| ops::diag_embed(&x[0], -1)),
        ("pad, a number", &[&[2, 3]], |x| ops::pad_with(&x[0], &[1, 0, 0, 2], Scalar::Int(7))),
        ("at, a place", &[&[3, 4]], |x| ops::at(&x[0], &[At::Int(-1)])),
        ("at, several", &[&[3, 4, 2]], |x| {
            ops::at(&x[0], &[At::Range(0, 2), At::Places(ids(&[1, 1, -1], &[3])), At::Int(0)])
        }),
        ("at, a mask", &[&[2, 3]], |x| ops::at(&x[0], &[At::Places(mask(&[1, 0, 1, 0, 1, 1], &[2, 3]))])),
        ("assign, one place twice", &[&[3], &[2]], |x| {
            ops::assign(&ops::multiply(&x[0], 2.0)?, &[At::Places(ids(&[1, 1], &[2]))], &x[1])
        }),
        ("assign", &[&[3, 4], &[2, 1]], |x| {
            ops::assign(&ops::multiply(&x[0], 2.0)?, &[At::Range(0, 2), At::Range(1, 3)], &x[1])
        }),
    ];
    table.iter().for_each(|(name, shapes, operation)| check(name, shapes, ANY, *operation));
}

#[test]
fn products() {
    let table: &[(&str, &[&[usize]], Operation)] = &[
        ("matmul", &[&[2, 3], &[3, 4]], |x| ops::matmul(&x[0], &x[1])),
        ("matmul, turned", &[&[2, 3], &[4, 3]], |x| ops::matmul(&x[0], &ops::t(&x[1])?)),
        ("matmul, vectors", &[&[3], &[3]], |x| ops::matmul(&x[0], &x[1])),
        ("matmul, row", &[&[3], &[3, 4]], |x| ops::matmul(&x[0], &x[1])),
        ("matmul, column", &[&[2, 4, 3], &[3]], |x| ops::matmul(&x[0], &x[1])),
        ("matmul, batch by one", &[&[2, 4, 3], &[3, 5]], |x| ops::matmul(&x[0], &x[1])),
        ("matmul, one by batch", &[&[4, 3], &[2, 3, 2]], |x| ops::matmul(&x[0], &x[1])),
        ("matmul, batches", &[&[2, 1, 4, 3], &[5, 3, 2]], |x| ops::matmul(&x[0], &x[1])),
        ("conv1d", &[&[2, 3, 7], &[4, 3, 3], &[4]], |x| {
            layers::conv1d(&x[0], &x[1], Some(&x[2]), window(2, Padding::Zeros([0, 1]), 2, 1))
        }),
        ("conv1d, groups", &[&[2, 4, 6], &[2, 2, 4], &[2]], |x| {
            layers::conv1d(&x[0], &x[1], Some(&x[2]), window(1, Padding::Same, 1, 2))
        }),
        ("conv2d", &[&[2, 2, 4, 5], &[3, 2, 2, 3], &[3]], |x| {
            layers::conv2d(&x[0], &x[1], Some(&x[2]), window(2, Padding::Zeros([1, 2]), 1, 1))
        }),
        ("einsum, product", &[&[2, 3], &[3, 4]], |x| ops::einsum("ij,jk->ik", x)),
        ("einsum, attention", &[&[2, 3, 4], &[2, 5, 4]], |x| ops::einsum("btd, bsd -> bts", x)),
        ("einsum, outer", &[&[2], &[3]], |x| ops::einsum("i,j->ji", x)),
        ("einsum, trace", &[&[3, 3]], |x| ops::einsum("ii->", x)),
        ("einsum, diagonal", &[&[3, 3], &[3]], |x| ops::einsum("ii,i->i", x)),
        ("einsum, three", &[&[2, 3], &[3, 4], &[4, 2]], |x| ops::einsum("ij,jk,kl->il", x)),
        ("einsum, a sum", &[&[2, 3]], |x| ops::einsum("ij->j", x)),
        ("einsum, unnamed", &[&[2, 3, 4], &[4, 2]], |x| ops::einsum("...j,jk", x)),
        ("einsum, stretched", &[&[2, 1], &[2, 3]], |x| ops::einsum("...,...->...", x)),
    ];
    table.iter().for_each(|(name, shapes, operation)| check(name, shapes, ANY, *operation));
}

#[test]
fn losses() {
    let table: &[Row] = &[
        ("mse", &[&[2, 3], &[2, 3]], ANY, |x| ops::mse(&x[0], &x[1], Reduction::Mean)),
        ("bce", &[&[4], &[4]], SHARE, |x| ops::binary_cross_entropy(&x[0], &x[1], false, Reduction::Sum)),
        ("bce, logits", &[&[4], &[4]], ANY, |x| ops::binary_cross_entropy(&x[0], &x[1], true, Reduction::Mean)),
        ("cross_entropy", &[&[3, 5]], ANY, |x| {
            ops::cross_entropy(&x[0], &ids(&[1, 4, 0], &[3]), &CrossEntropy::default())
        }),
        ("cross_entropy, smooth", &[&[2, 2, 5]], ANY, |x| {
            let how = CrossEntropy { smoothing: 0.1, reduction: Reduction::None, ..CrossEntropy::default() };
            ops::cross_entropy(&x[0], &ids(&[1, -100, 0, 2], &[2, 2]), &how)
        }),
        ("cross_entropy, weighed", &[&[3, 4]], ANY, |x| {
            let weight = Some(Array::new(&[0.5, 2.0, 1.0, 0.1], &Device::Cpu)?.into());
            let how = CrossEntropy { smoothing: 0.1, weight, ..CrossEntropy::default() };
            ops::cross_entropy(&x[0], &ids(&[1, -100, 0], &[3]), &how)
        }),
        ("cross_entropy, focal", &[&[3, 4]], ANY, |x| {
            let how = CrossEntropy { gamma: 1.5, ..CrossEntropy::default() };
            ops::cross_entropy(&x[0], &ids(&[1, 3, 0], &[3]), &how)
        }),
        ("bce, positives weighed", &[&[3, 2]], ANY, |x| {
            let (target, weight) = (mask(&[1, 0, 0, 1, 1, 0], &[3, 2]), Array::new(&[3.0, 0.5], &Device::Cpu)?.into());
            ops::weighted_binary_cross_entropy(&x[0], &target, &weight, Reduction::Mean)
        }),
    ];
    table.iter().for_each(|(name, shapes, range, operation)| check(name, shapes, *range, *operation));
}

#[test]
fn pieces_of_networks() {
    let table: &[(&str, &[&[usize]], Operation)] = &[
        ("linear", &[&[2, 3, 4], &[5, 4], &[5]], |x| nn::linear(&x[0], &x[1], Some(&x[2]), Precision::F32)),
        ("linear, turned", &[&[3, 4], &[4, 5]], |x| nn::linear_transposed(&x[0], &x[1], None, Precision::F32)),
        ("embedding", &[&[4, 3]], |x| nn::embedding(&x[0], &[2, 0, 2, 3], &[2, 2])),
        ("rms_norm", &[&[2, 3, 4], &[4]], |x| nn::rms_norm(&x[0], &x[1], 1e-5)),
        ("layer_norm", &[&[3, 4], &[4], &[4]], |x| nn::layer_norm(&x[0], &x[1], Some(&x[2]), 1e-5)),
        ("swiglu", &[&[2, 3], &[2, 3]], |x| nn::swiglu(&x[0], &x[1])),
        ("softcap", &[&[2, 3]], |x| nn::softcap(&x[0], 1.5)),
        ("rotary", &[&[2, 3, 2, 4]], |x| {
            let by = Arc::new(Rotary::new(4, 100.0, &RotaryScaling::None, 4));
            nn::rotary(&x[0], &by, &[0, 1, 2, 0, 1, 2])
        }),
        ("dropout", &[&[4, 5]], |x| nn::dropout(&x[0], 0.4, &mut Rng::new(3))),
        ("attention", &[&[1, 3, 4, 2], &[1, 3, 2, 2], &[1, 3, 2, 2]], |x| {
            attend(x, Mask { causal: true, ..Mask::default() })
        }),
        ("attention, dropout", &[&[1, 4, 4, 2], &[1, 4, 2, 2], &[1, 4, 2, 2]], |x| {
            let dropout = Some(nn::Dropout::new("test", 0.3, 5).unwrap());
            attend(x, Mask { causal: true, dropout, ..Mask::default() })
        }),
        ("attention, a window", &[&[1, 4, 2, 2], &[1, 4, 2, 2], &[1, 4, 2, 2]], |x| {
            attend(x, Mask { window: Some(2), ..Mask::default() })
        }),
        ("attention, segments", &[&[1, 5, 1, 2], &[1, 5, 1, 2], &[1, 5, 1, 2]], |x| {
            attend(x, Mask { causal: true, segments: Some(&[1, 1, 2, 2, 0]), ..Mask::default() })
        }),
        ("cross_entropy of rows", &[&[3, 5]], |x| nn::cross_entropy(&x[0], &[1, -100, 4], 0.1)),
        ("linear_cross_entropy", &[&[3, 4], &[5, 4], &[5]], |x| {
            nn::linear_cross_entropy(&x[0], &x[1], Some(&x[2]), &[1, -100, 4], 0.1, Precision::F32)
        }),
    ];
    table.iter().for_each(|(name, shapes, operation)| check(name, shapes, ANY, *operation));
}

/// The layers as operations, in f64: `crate::layers` has the kernels.
#[test]
fn layers_of_networks() {
    fn states(cell: Cell, x: &[Tensor], segments: &[u32]) -> Result<Tensor> {
        let found = crate::layers::recurrent(cell, x, Some(segments), Precision::F32)?;
        let (y, h) = (ops::reshape(&found.output, &[-1])?, ops::reshape(&found.h_n, &[-1])?);
        let mut parts = vec![y, h];
        if let Some(c_n) = found.c_n {
            parts.push(ops::reshape(&c_n, &[-1])?);
        }
        ops::cat(&parts, 0)
    }
    const ROWS: &[u32] = &[1, 1, 1, 0, 2, 2, 3, 1];
    let table: &[(&str, &[&[usize]], Operation)] = &[
        ("gru", &[&[2, 4, 3], &[6, 3], &[6, 2], &[6], &[6], &[1, 4, 2]], |x| states(Cell::Gru, x, ROWS)),
        ("lstm", &[&[2, 4, 3], &[8, 3], &[8, 2], &[8], &[8], &[1, 4, 2], &[1, 4, 2]], |x| states(Cell::Lstm, x, ROWS)),
        ("rnn", &[&[2, 4, 3], &[2, 3], &[2, 2], &[2], &[2], &[1, 4, 2]], |x| states(Cell::Tanh, x, ROWS)),
        ("rnn, relu", &[&[2, 4, 3], &[2, 3], &[2, 2], &[2], &[2], &[1, 4, 2]], |x| states(Cell::Relu, x, ROWS)),
        ("batch_norm", &[&[3, 2, 4], &[2], &[2]], |x| Ok(layers::batch_norm(&x[0], &x[1], &x[2], 1e-5)?.0)),
        ("batch_norm, given", &[&[3, 2], &[2], &[2]], |x| {
            let by: [Tensor; 2] =
                [Array::new(&[0.5, -1.0], &Device::Cpu)?.into(), Array::new(&[2.0, 0.3], &Device::Cpu)?.into()];
            layers::batch_norm_by(&x[0], &x[1], &x[2], &by[0], &by[1], 1e-5)
        }),
        ("group_norm", &[&[2, 4, 3], &[4], &[4]], |x| layers::group_norm(&x[0], 2, &x[1], &x[2], 1e-5)),
        ("max_pool", &[&[2, 2, 4, 5]], |x| {
            let windows = [layers::windows("test", 4, 2, 2, 0)?, layers::windows("test", 5, 3, 1, 1)?];
            layers::pool("test", &x[0], &windows, Pool::Max)
        }),
        ("avg_pool", &[&[2, 2, 7]], |x| {
            layers::pool("test", &x[0], &[layers::windows("test", 7, 3, 2, 1)?], Pool::Mean)
        }),
        ("adaptive_avg_pool", &[&[2, 2, 7]], |x| {
            layers::pool("test", &x[0], &[layers::adaptive_windows("test", 7, 3)?], Pool::Mean)
        }),
        ("segment_pool, mean", &[&[2, 4, 3]], |x| layers::segment_pool(&x[0], Some(ROWS), SegmentPool::Mean)),
        ("segment_pool, max", &[&[2, 4, 3]], |x| layers::segment_pool(&x[0], Some(ROWS), SegmentPool::Max)),
        ("segment_pool, last", &[&[2, 4, 3]], |x| layers::segment_pool(&x[0], Some(ROWS), SegmentPool::Last)),
        ("segment_pool, first", &[&[2, 4, 3]], |x| layers::segment_pool(&x[0], None, SegmentPool::First)),
        ("segment_pool, sum", &[&[2, 4, 3]], |x| layers::segment_pool(&x[0], None, SegmentPool::Sum)),
        ("cross_attention", &[&[1, 5, 2, 2], &[1, 3, 1, 2], &[1, 3, 1, 2]], |x| {
            let segments: (&[u32], &[u32]) = (&[1, 2, 2, 1, 0], &[2, 1, 1]);
            nn::cross_attention(&x[0], &x[1], &x[2], 0.7, Some(segments), None, Precision::F32)
        }),
        ("crf", &[&[2, 4, 3], &[3, 3], &[3], &[3]], |x| field_loss(x, CrfReduction::Each(Reduction::None), None)),
        ("crf, token mean", &[&[2, 4, 3], &[3, 3]], |x| field_loss(x, CrfReduction::TokenMean, None)),
        ("crf, constraints", &[&[2, 4, 3], &[3, 3], &[3], &[3]], |x| {
            let transitions = vec![true, true, false, true, true, true, true, true, true];
            let allowed = Allowed { transitions, start: vec![true, true, false], end: vec![true; 3] };
            field_loss(x, CrfReduction::Each(Reduction::Mean), Some(allowed))
        }),
    ];
    table.iter().for_each(|(name, shapes, operation)| check(name, shapes, ANY, *operation));
}

fn field_loss(x: &[Tensor], reduction: CrfReduction, allowed: Option<Allowed>) -> Result<Tensor> {
    let (start, end) = (x.get(2).cloned(), x.get(3).cloned());
    let field = Crf { transitions: x[1].clone(), start, end, allowed };
    layers::crf(&x[0], &[0, 1, 2, -1, 1, 0, 0, 1], &field, Some(&[1, 1, 1, 0, 2, 2, 2, 3]), reduction)
}

fn attend(x: &[Tensor], mask: Mask) -> Result<Tensor> {
    nn::attention(&x[0], &x[1], &x[2], 0.7, &mask, Precision::F32)
}

/// In f32, whose steps are too coarse for the table.
#[test]
fn segment_means() {
    let numbers = [0.5f32, -1.0, 2.0, 1.5, 0.25, -0.75, 1.0, 3.0];
    let given = [vec![2.0, 1.0, 1.0], vec![1.0]];
    for (weights, keep_norm) in [(ops::SegmentWeights::Equal, false), (ops::SegmentWeights::Given(&given), true)] {
        let run = |numbers: &[f32]| {
            let rows = Tensor::param(Array::from_vec(numbers.to_vec(), (4, 2), &Device::Cpu).unwrap(), None);
            let means = ops::segment_mean(&rows, &[vec![0, 2, 2], vec![3]], &weights, keep_norm).unwrap();
            let scales = Tensor::from(Array::new(&[[1.0f32, -2.0], [0.5, 3.0]], &Device::Cpu).unwrap());
            (rows, ops::sum(&ops::multiply(&means, &scales).unwrap(), None, false).unwrap())
        };
        let (rows, loss) = run(&numbers);
        checked(&loss);
        let grads = loss.backward().unwrap().of(&rows).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (place, found) in grads.into_iter().enumerate() {
            let at = |step: f32| {
                let mut moved = numbers;
                moved[place] += step;
                run(&moved).1.value().to_scalar::<f32>().unwrap()
            };
            let slope = (at(0.01) - at(-0.01)) / 0.02;
            assert!((found - slope).abs() < 2e-3, "{keep_norm} {place}: {found}, finite differences say {slope}");
        }
    }
}

/// Operations too coarse for finite differences, whose gradient is the cast back; and operations on other devices, whose
/// gradients tests/foreign compares with the CPU's.
const BESIDE: &[&str] = &["cast", "to_device", "linear_blocks", "derived", "derived_there", "select_there"];

/// The functions of a file that record an operation: those that contain a `Tensor::derive`, and those of macros that contain one.
fn recording(text: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let rest =
            line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(super) ").strip_prefix("fn ")?;
        Some(rest.split(['(', '<']).next()?.to_string())
    };
    let (mut found, mut function, mut made, mut macros) =
        (BTreeSet::new(), String::new(), String::new(), BTreeSet::new());
    let mut inside: Option<String> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("macro_rules! ") {
            made = rest.trim_end_matches(" {").to_string();
        }
        if let Some(own) = name(line) {
            function = own;
        }
        if line.contains("Tensor::derive") {
            if function == "$name" {
                macros.insert(made.clone())
            } else {
                found.insert(function.clone())
            };
        }
        if let Some(called) = line.strip_suffix("! {").filter(|called| macros.contains(*called)) {
            inside = Some(called.to_string());
        } else if line == "}" {
            inside = None;
        } else if inside.is_some()
            && let Some((own, rest)) = line.trim_start().split_once('(')
            && rest.contains("): ")
            && own.chars().all(|c| c.is_alphanumeric() || c == '_')
        {
            found.insert(own.to_string());
        }
    }
    found
}

/// Every operation has a checked gradient: a new one fails here until a row of a table above covers it.
#[test]
fn every_operation_is_checked() {
    arithmetic();
    functions_of_one_number();
    reductions();
    shapes_and_indices();
    products();
    losses();
    pieces_of_networks();
    segment_means();
    layers_of_networks();
    crate::kernel::losses_by_differences();
    crate::layers::by_differences();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tensor");
    let folder = |name: &str| std::fs::read_dir(root.join(name)).unwrap().map(|entry| entry.unwrap().path());
    let files = folder("ops").chain(folder("layers"));
    let mut recorded = BTreeSet::new();
    for file in files.chain([root.join("nn.rs")]) {
        recorded.extend(recording(&std::fs::read_to_string(file).unwrap()));
    }
    assert!(recorded.len() > 45 && recorded.contains("exp") && recorded.contains("rms_norm"), "{recorded:?}");
    let checked = CHECKED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if std::env::var("LEVAIN_KERNELS").as_deref() == Ok("off") {
        recorded.remove("tables_cross_entropy"); // its reference is a product and a loss
    }
    let missing: Vec<_> =
        recorded.iter().filter(|name| !checked.contains(&***name) && !BESIDE.contains(&&***name)).collect();
    assert!(missing.is_empty(), "no finite differences of {missing:?}");
}
