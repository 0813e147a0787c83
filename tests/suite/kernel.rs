//! Every kernel against its reference, forward and all gradients, and against finite differences.

use levain::kernel::dropout::Dropout;
use levain::kernel::on_reference;
use levain::tensor::nn::{self, LossShape, Mask, Precision, Rotary, RotaryScaling, ScoreScale};
use levain::tensor::{Array, Device, Rng, Tensor};
use std::sync::Arc;

pub fn random(dims: &[usize], seed: u64) -> Array {
    let mut values = vec![0f32; dims.iter().product()];
    Rng::new(seed).fill_normal(&mut values);
    Array::from_vec(values, dims, &Device::Cpu).unwrap()
}

pub fn numbers(array: &Array) -> Vec<f32> {
    array.flatten_all().unwrap().to_vec1().unwrap()
}

/// Norm of the difference over norm.
fn apart(a: &Array, b: &Array) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (numbers(a), numbers(b));
    let off: f64 = a.iter().zip(&b).map(|(a, b)| (*a as f64 - *b as f64).powi(2)).sum();
    let size: f64 = b.iter().map(|b| (*b as f64).powi(2)).sum();
    if size == 0.0 { off.sqrt() } else { (off / size).sqrt() }
}

/// The value of an operation on parameters with these numbers, and the gradient of each.
fn run(inputs: &[Array], op: &dyn Fn(&[Tensor]) -> Tensor) -> Vec<Array> {
    let params: Vec<Tensor> = inputs.iter().map(|input| Tensor::param(input.clone(), None)).collect();
    let y = op(&params);
    let grads = y.backward_with(random(&y.shape(), 99)).unwrap();
    let mut found = vec![y.value()];
    found.extend(params.iter().map(|param| grads.of(param).unwrap()));
    found
}

/// The kernel returns the result of the reference, with the same bits on one thread and two.
pub fn agree(shapes: &[&[usize]], tolerance: f64, op: &(dyn Fn(&[Tensor]) -> Tensor + Sync)) {
    let inputs: Vec<Array> = shapes.iter().enumerate().map(|(i, dims)| random(dims, i as u64)).collect();
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let one = pool(1).install(|| run(&inputs, op));
    let two = pool(2).install(|| run(&inputs, op));
    let slow = on_reference(|| run(&inputs, op));
    for (at, ((one, two), slow)) in one.iter().zip(&two).zip(&slow).enumerate() {
        assert!(apart(one, slow) < tolerance, "{shapes:?}, output {at}: {} apart", apart(one, slow));
        assert_eq!(numbers(one), numbers(two), "{shapes:?}, output {at}: threads");
    }
}

/// Finite differences of the sum of the result, for small smooth operations.
pub fn differences(shapes: &[&[usize]], op: &dyn Fn(&[Tensor]) -> Tensor) {
    let inputs: Vec<Array> = shapes.iter().enumerate().map(|(i, dims)| random(dims, 7 + i as u64)).collect();
    let weighted = |inputs: &[Array]| -> f64 {
        let params: Vec<Tensor> = inputs.iter().map(|input| Tensor::from(input.clone())).collect();
        let y = op(&params).value();
        numbers(&y).iter().zip(numbers(&random(y.dims(), 99))).map(|(y, g)| *y as f64 * g as f64).sum()
    };
    let found = run(&inputs, op);
    let params: Vec<Tensor> = inputs.iter().map(|input| Tensor::param(input.clone(), None)).collect();
    crate::tensor::gradients::checked(&op(&params));
    for (at, input) in inputs.iter().enumerate() {
        let (values, slopes) = (numbers(input), numbers(&found[at + 1]));
        for i in 0..values.len() {
            let moved = |by: f32| {
                let mut values = values.clone();
                values[i] += by;
                let mut inputs = inputs.clone();
                inputs[at] = Array::from_vec(values, input.dims(), &Device::Cpu).unwrap();
                weighted(&inputs)
            };
            let slope = (moved(4e-3) - moved(-4e-3)) / 8e-3;
            let off = (slope - slopes[i] as f64).abs();
            assert!(off < 4e-3 * (1.0 + slope.abs()), "input {at}, number {i}: {slope} and {}", slopes[i]);
        }
    }
}

pub const EXACT: f64 = 5e-6;

#[test]
fn linear() {
    for [rows, input, output] in [[1, 7, 5], [3, 64, 33], [70, 96, 130], [257, 65, 31], [600, 256, 300]] {
        let op = |p: &[Tensor]| nn::linear(&p[0], &p[1], Some(&p[2]), Precision::F32).unwrap();
        agree(&[&[rows, input], &[output, input], &[output]], EXACT, &op);
        let op = |p: &[Tensor]| nn::linear_transposed(&p[0], &p[1], None, Precision::F32).unwrap();
        agree(&[&[1, rows, input], &[input, output]], EXACT, &op);
    }
    differences(&[&[2, 3], &[4, 3], &[4]], &|p| nn::linear(&p[0], &p[1], Some(&p[2]), Precision::F32).unwrap());
}

/// The precisions of this processor.
fn precisions() -> Vec<Precision> {
    let all = ["f32", "bf16", "bf16x3"].map(|name| Precision::named("test", name).ok());
    all.into_iter().flatten().collect()
}

/// f32 products are as exact as f32 sums, in three parts of bf16 too.
#[test]
fn products_of_f32_are_exact() {
    let exact = || precisions().into_iter().filter(|precision| *precision != Precision::Bf16);
    for (inner, precision) in [64, 576, 1536, 8192].into_iter().flat_map(|inner| exact().map(move |p| (inner, p))) {
        let (a, b) = (random(&[40, inner], 1), random(&[70, inner], 2));
        let y = nn::linear(&Tensor::from(a.clone()), &Tensor::from(b.clone()), None, precision).unwrap().value();
        let (a, b) = (numbers(&a), numbers(&b));
        let mut off = 0.0;
        for (at, y) in numbers(&y).into_iter().enumerate() {
            let (a, b) = (&a[at / 70 * inner..][..inner], &b[at % 70 * inner..][..inner]);
            let right: f64 = a.iter().zip(b).map(|(a, b)| *a as f64 * *b as f64).sum();
            off += (y as f64 - right).powi(2);
        }
        // a sum of n products of standard normal numbers is about √n
        let off = (off / (40 * 70 * inner) as f64).sqrt();
        assert!(off < 4.5e-7, "{precision:?}, {inner} numbers: {off:e}");
    }
}

/// Infinities stay visible: the result is NaN where it was infinite.
#[test]
fn an_infinite_factor_is_seen() {
    let wrong = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    for (wrong, precision) in wrong.into_iter().flat_map(|wrong| precisions().into_iter().map(move |p| (wrong, p))) {
        let mut a = vec![1f32; 40 * 64];
        a[5 * 64 + 3] = wrong;
        let (a, b) = (Array::from_vec(a, (40, 64), &Device::Cpu).unwrap(), random(&[70, 64], 2));
        let y = nn::linear(&Tensor::from(a), &Tensor::from(b), None, precision).unwrap().value();
        for (at, y) in numbers(&y).into_iter().enumerate() {
            assert_eq!(y.is_finite(), at / 70 != 5, "{precision:?}, row {}, column {}: {y}", at / 70, at % 70);
        }
    }
}

/// "f32" is one order of sums on every processor with AVX2: these bits come from the AVX-512 of a Zen 5 and must be the same on
/// others.
#[test]
fn f32_is_one_order_of_sums() {
    use levain::kernel::matmul::multiply;
    use levain::kernel::matrix::Matrix;
    if levain::kernel::cpu::level() < levain::kernel::cpu::Level::Avx2 {
        return;
    }
    let hash = |bits: u64, y: &f32| (bits ^ u64::from(y.to_bits())).wrapping_mul(0x0000_0100_0000_01b3);
    let of = |[m, n, k]: [usize; 3]| {
        let (a, b) = (numbers(&random(&[m, k], 1)), numbers(&random(&[k, n], 2)));
        let mut out = vec![0f32; m * n];
        multiply(&mut out, [m, n, k], Matrix::rows(&a[..], k), Matrix::rows(&b[..], n), false, Precision::F32);
        out.iter().fold(0, hash)
    };
    let found = [[70, 70, 1700], [5, 33, 700], [600, 100, 64]].map(of);
    assert_eq!(found, [3915615406744815790, 5136698020305450095, 6513111433749312630]);
}

/// A product of numbers in three parts of bf16, computed one number at a time: the order of sums of AMX, which vector code
/// follows where there is no AMX.
fn in_three_parts(a: &[f32], b: &[f32]) -> f32 {
    let flushed = |x: f32| if x.is_subnormal() { 0.0f32.copysign(x) } else { x };
    let part = |x: f32, which: usize| {
        let (mut left, mut part) = (x, 0.0);
        for _ in 0..=which {
            part = f32::from_bits((left.to_bits() + 0x8000) & 0xffff_0000);
            left -= part;
        }
        flushed(part)
    };
    let mut sum = 0f32;
    for (a, b) in a.chunks(32).zip(b.chunks(32)) {
        for [of_b, of_a] in [[2, 0], [1, 0], [1, 1], [0, 1], [0, 2], [0, 0]] {
            let mut apart = [0f32; 2];
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                apart[at % 2] = flushed(part(*a, of_a).mul_add(part(*b, of_b), apart[at % 2]));
            }
            sum = flushed(sum + flushed(apart[0] + apart[1]));
        }
    }
    sum
}

/// "bf16x3" is one order of sums, on AMX and with vector code.
#[test]
fn three_parts_are_added_in_one_order() {
    use levain::kernel::matmul::multiply;
    use levain::kernel::matrix::Matrix;
    if !precisions().contains(&Precision::Bf16x3) {
        return;
    }
    for [m, n, k] in [[33, 32, 64], [70, 45, 333], [64, 33, 31]] {
        let (mut a, b) = (numbers(&random(&[m, k], 1)), numbers(&random(&[n, k], 2)));
        // numbers whose parts and products are below 2^-126
        a.iter_mut().enumerate().for_each(|(at, x)| *x *= [1.0, 1e-30, 1e-36, 1e10][at / k % 4]);
        let mut out = vec![0f32; m * n];
        multiply(&mut out, [m, n, k], Matrix::rows(&a[..], k), Matrix::rows(&b[..], k).t(), false, Precision::Bf16x3);
        for (at, y) in out.iter().enumerate() {
            let right = in_three_parts(&a[at / n * k..][..k], &b[at % n * k..][..k]);
            assert!(right.to_bits() == y.to_bits() || right == *y, "{m} {n} {k} {at}: {y:e} and {right:e}");
        }
    }
}

#[test]
fn a_weight_used_twice_gets_the_sum() {
    agree(&[&[5, 8], &[8, 8]], EXACT, &|p| {
        let y = nn::linear(&p[0], &p[1], None, Precision::F32).unwrap();
        nn::linear(&y, &p[1], None, Precision::F32).unwrap()
    });
}

#[test]
fn embedding_and_tied_head() {
    let ids: Vec<u32> = (0..60).map(|i| i * 7 % 50).collect();
    let targets: Vec<i64> = (0..60).map(|i| if i % 5 == 0 { -100 } else { i * 3 % 50 }).collect();
    agree(&[&[50, 24]], EXACT, &|p| {
        let x = nn::embedding(&p[0], &ids, &[60]).unwrap();
        nn::linear_cross_entropy(&x, &p[0], None, &targets, 0.1, Precision::F32).unwrap()
    });
    let error = nn::embedding(&Tensor::from(random(&[4, 2], 0)), &[1, 4], &[2]).err().unwrap();
    assert_eq!(error.to_string(), "embedding: id 4 (at 1) is outside a table of 4 rows");
}

#[test]
fn norms() {
    for dims in [[1, 3, 5], [2, 7, 64], [3, 300, 100], [1, 1000, 576]] {
        let width = &dims[2..];
        agree(&[&dims, width], EXACT, &|p| nn::rms_norm(&p[0], &p[1], 1e-5).unwrap());
        agree(&[&dims, width, width], EXACT, &|p| nn::layer_norm(&p[0], &p[1], Some(&p[2]), 1e-5).unwrap());
        agree(&[&dims, width], EXACT, &|p| nn::layer_norm(&p[0], &p[1], None, 1e-5).unwrap());
    }
    differences(&[&[3, 5], &[5]], &|p| nn::rms_norm(&p[0], &p[1], 1e-5).unwrap());
    differences(&[&[3, 5], &[5], &[5]], &|p| nn::layer_norm(&p[0], &p[1], Some(&p[2]), 1e-5).unwrap());
}

#[test]
fn activations() {
    for count in [1, 17, 40_000] {
        agree(&[&[count]], EXACT, &|p| nn::silu(&p[0]).unwrap());
        agree(&[&[count]], EXACT, &|p| nn::gelu(&p[0], true).unwrap());
        agree(&[&[count]], EXACT, &|p| nn::gelu(&p[0], false).unwrap());
        agree(&[&[count], &[count]], EXACT, &|p| nn::swiglu(&p[0], &p[1]).unwrap());
        agree(&[&[count]], EXACT, &|p| nn::softcap(&p[0], 1.5).unwrap());
    }
    differences(&[&[9]], &|p| nn::silu(&p[0]).unwrap());
    differences(&[&[9]], &|p| nn::gelu(&p[0], true).unwrap());
    differences(&[&[9]], &|p| nn::gelu(&p[0], false).unwrap());
    differences(&[&[9], &[9]], &|p| nn::swiglu(&p[0], &p[1]).unwrap());
    differences(&[&[9]], &|p| nn::softcap(&p[0], 1.5).unwrap());
}

#[test]
fn rotary() {
    let llama3 = RotaryScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 64,
    };
    for scaling in [RotaryScaling::None, RotaryScaling::Linear { factor: 4.0 }, llama3] {
        let rotary = Arc::new(Rotary::new(16, 10000.0, &scaling, 32));
        let positions: Vec<u32> = (0..80).map(|i| i * 5 % 70).collect();
        agree(&[&[2, 40, 3, 16]], EXACT, &|p| nn::rotary(&p[0], &rotary, &positions).unwrap());
        agree(&[&[2, 40, 3, 20]], EXACT, &|p| nn::rotary(&p[0], &rotary, &positions).unwrap());
    }
}

#[test]
fn attention() {
    let packed = |rows: usize, length: usize| -> Vec<u32> {
        (0..rows * length)
            .map(|i| (i / length, i % length))
            .map(|(row, at)| if at + 5 + row > length { 0 } else { (1 + at * 3 / length) as u32 })
            .collect()
    };
    // batch, queries, keys, heads, groups, head
    for [b, t, s, h, k, d] in [
        [1, 3, 3, 1, 1, 4],
        [2, 70, 70, 4, 2, 16],
        [1, 300, 300, 3, 1, 24],
        [2, 5, 300, 4, 4, 8],
        [9, 40, 77, 4, 2, 12],
    ] {
        for causal in [true, false] {
            for window in [None, Some(7), Some(100)] {
                let packed = packed(b, s);
                let scattered: Vec<u32> = (0..b * s).map(|i| 1 + (i % 3) as u32).collect();
                for segments in [None, Some(&packed[..]), Some(&scattered[..])] {
                    // every other form of mask drops weights too
                    let dropout = (window.is_none() != causal).then(|| Dropout::new("test", 0.3, s as u64).unwrap());
                    let mask = Mask { causal, window, segments, dropout };
                    for precision in precisions() {
                        let near = if precision == Precision::Bf16 { 1e-2 } else { 1e-5 };
                        agree(&[&[b, t, h, d], &[b, s, k, d], &[b, s, k, d]], near, &|p| {
                            nn::attention(&p[0], &p[1], &p[2], 0.3, &mask, precision).unwrap()
                        });
                        if window != Some(7) {
                            continue;
                        }
                        let limited = ScoreScale { by: 0.3, cap: Some(0.8) };
                        agree(&[&[b, t, h, d], &[b, s, k, d], &[b, s, k, d]], near, &|p| {
                            nn::attention(&p[0], &p[1], &p[2], limited, &mask, precision).unwrap()
                        });
                    }
                }
            }
        }
    }
    let mask = Mask { causal: true, ..Mask::default() };
    differences(&[&[1, 3, 2, 2], &[1, 3, 1, 2], &[1, 3, 1, 2]], &|p| {
        nn::attention(&p[0], &p[1], &p[2], 0.7, &mask, Precision::F32).unwrap()
    });
    let limited = ScoreScale { by: 0.7, cap: Some(1.5) };
    differences(&[&[1, 3, 2, 2], &[1, 3, 1, 2], &[1, 3, 1, 2]], &|p| {
        nn::attention(&p[0], &p[1], &p[2], limited, &mask, Precision::F32).unwrap()
    });
}

#[test]
fn losses() {
    for [rows, width, vocabulary] in [[1, 3, 5], [70, 24, 33], [1100, 16, 1000]] {
        let targets: Vec<i64> =
            (0..rows as i64).map(|i| if i % 4 == 3 { -100 } else { i * 31 % vocabulary as i64 }).collect();
        for smoothing in [0.0, 0.2] {
            agree(&[&[rows, width], &[vocabulary, width], &[vocabulary]], EXACT, &|p| {
                nn::linear_cross_entropy(&p[0], &p[1], Some(&p[2]), &targets, smoothing, Precision::F32).unwrap()
            });
            agree(&[&[rows, vocabulary]], EXACT, &|p| nn::cross_entropy(&p[0], &targets, smoothing).unwrap());
            let shape = LossShape { smoothing, cap: Some(2.0) };
            agree(&[&[rows, width], &[vocabulary, width]], EXACT, &|p| {
                nn::tables_cross_entropy(&p[0], &[(&p[1], None)], &targets, shape, Precision::F32).unwrap()
            });
        }
    }
    losses_by_differences();
    let logits = Tensor::from(random(&[2, 4], 0));
    assert!(nn::cross_entropy(&logits, &[0, 4], 0.0).is_err());
    assert!(nn::cross_entropy(&logits, &[0], 0.0).is_err());
}

pub fn losses_by_differences() {
    let shape = LossShape { smoothing: 0.1, cap: Some(1.5) };
    differences(&[&[2, 3], &[4, 3]], &|p| {
        nn::tables_cross_entropy(&p[0], &[(&p[1], None)], &[1, 3], shape, Precision::F32).unwrap()
    });
    differences(&[&[2, 3], &[4, 3]], &|p| {
        nn::linear_cross_entropy(&p[0], &p[1], None, &[1, 3], 0.1, Precision::F32).unwrap()
    });
}

#[test]
fn frozen_weights_cost_nothing() {
    let x = Tensor::param(random(&[4, 6], 1), None);
    let frozen = Tensor::from(random(&[5, 6], 2));
    let y = nn::linear(&x, &frozen, None, Precision::F32).unwrap();
    let grads = y.backward_with(random(&[4, 5], 3)).unwrap();
    assert_eq!(grads.len(), 1);
}

#[test]
fn dropout() {
    let x = Tensor::param(random(&[50, 40], 1), None);
    let y = nn::dropout(&x, 0.25, &mut Rng::new(5)).unwrap();
    let grads = y.backward_with(x.value()).unwrap();
    assert_eq!(numbers(&grads.of(&x).unwrap()), numbers(&y.value()));
    let dropped = numbers(&y.value()).iter().filter(|y| **y == 0.0).count();
    assert!((400..600).contains(&dropped), "{dropped} of 2000");
    assert!(nn::dropout(&x, 1.0, &mut Rng::new(5)).is_err());
    agree(&[&[3, 5000]], EXACT, &|p| nn::dropout(&p[0], 0.25, &mut Rng::new(5)).unwrap());
}

/// The dropout pattern looks random: overall, in neighbors, in neighboring rows and keys.
#[test]
fn what_is_dropped_is_independent() {
    const ROWS: usize = 1000;
    for p in [0.1, 0.5] {
        let kept = |key: u64| -> Vec<bool> {
            let factors = Dropout::new("test", p, key).unwrap().factors(ROWS, ROWS);
            factors.iter().map(|factor| *factor != 0.0).collect()
        };
        let (one, other) = (kept(7), kept(8));
        let share = |of: &dyn Fn(usize) -> bool| (0..ROWS * (ROWS - 1)).filter(|at| of(*at)).count() as f64;
        let all = (ROWS * (ROWS - 1)) as f64;
        let near = |what: &str, found: f64, expected: f64| {
            let deviation = (all * expected * (1.0 - expected)).sqrt();
            assert!((found - all * expected).abs() < 5.0 * deviation, "{p}, {what}: {} of {expected}", found / all);
        };
        let q = 1.0 - p;
        near("all", share(&|at| one[at]), q);
        for (what, apart) in [("neighbors", 1), ("two apart", 2), ("eight apart", 8), ("rows", ROWS)] {
            near(what, share(&|at| one[at] && one[at + apart]), q * q);
        }
        near("keys", share(&|at| one[at] && other[at]), q * q);
    }
}

#[test]
fn optimizers_are_pytorchs() {
    use levain::kernel::optimize::Moment;
    use levain::kernel::{Adamw, Sgd, adamw, sgd};
    let count = 100_000;
    let (start, grad) = (random(&[count], 1), random(&[count], 2));
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let run = |threads| {
        pool(threads).install(|| {
            let zeros = || Moment::zeros(&start, false).unwrap();
            let (mut p, mut m, mut v) = (start.clone(), zeros(), zeros());
            for step in 1..=3 {
                let options = Adamw { lr: 0.01, betas: (0.9, 0.95), eps: 1e-8, decay: 0.1, step };
                p = adamw(&p, &grad, &mut m, &mut v, 0.5, &options).unwrap();
            }
            numbers(&p)
        })
    };
    let found = run(2);
    assert_eq!(found, run(1));
    for i in (0..count).step_by(997) {
        let g = numbers(&grad)[i] as f64 * 0.5;
        let (mut p, mut m, mut v) = (numbers(&start)[i] as f64, 0.0, 0.0);
        for step in 1..=3 {
            p *= 1.0 - 0.01 * 0.1;
            m = 0.9 * m + 0.1 * g;
            v = 0.95 * v + 0.05 * g * g;
            let (m, v) = (m / (1.0 - 0.9f64.powi(step)), v / (1.0 - 0.95f64.powi(step)));
            p -= 0.01 * m / (v.sqrt() + 1e-8);
        }
        assert!((p - found[i] as f64).abs() < 1e-6 * (1.0 + p.abs()), "{p} and {}", found[i]);
    }
    let options = Sgd { lr: 0.1, momentum: 0.9, nesterov: false, decay: 0.01 };
    let mut velocity = Moment::zeros(&start, false).unwrap();
    let p = sgd(&start, &grad, Some(&mut velocity), 1.0, &options).unwrap();
    let p = numbers(&sgd(&p, &grad, Some(&mut velocity), 1.0, &options).unwrap());
    let (s, g) = (numbers(&start)[5] as f64, numbers(&grad)[5] as f64);
    let first = g + 0.01 * s;
    let one = s - 0.1 * first;
    let two = one - 0.1 * (0.9 * first + g + 0.01 * one);
    assert!((two - p[5] as f64).abs() < 1e-6);
    assert!(sgd(&start, &random(&[3], 0), Some(&mut velocity), 1.0, &options).is_err());
}

#[test]
fn moments_in_bf16_are_right_on_average() {
    use levain::kernel::optimize::Moment;
    use levain::kernel::{Adamw, adamw};
    let count = 50_000;
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let run = |half: bool| {
        let mut p = random(&[count], 1);
        let (mut m, mut v) = (Moment::zeros(&p, half).unwrap(), Moment::zeros(&p, half).unwrap());
        for step in 1..=300 {
            let grad = random(&[count], step);
            let options = Adamw { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, decay: 0.0, step };
            p = adamw(&p, &grad, &mut m, &mut v, 1.0, &options).unwrap();
        }
        let v = v.array(&[count]).unwrap().to_dtype(levain::tensor::DType::F32).unwrap();
        (numbers(&p), numbers(&v).iter().map(|v| f64::from(*v)).sum::<f64>() / count as f64)
    };
    let (whole, half) = (pool(2).install(|| run(false)), pool(2).install(|| run(true)));
    // each step changes a second moment by a thousandth, less than the resolution of bf16: rounded to nearest it would stay
    // constant after the first few
    assert!((whole.1 / half.1 - 1.0).abs() < 0.01, "{} and {}", whole.1, half.1);
    let off: f64 = whole.0.iter().zip(&half.0).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let start = numbers(&random(&[count], 1));
    let moved: f64 = whole.0.iter().zip(&start).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    assert!((off / moved).sqrt() < 0.1, "{off} of {moved}");
    assert!(pool(1).install(|| run(true)).0 == half.0, "threads");
}

#[test]
fn square_sum_is_the_same_on_any_threads() {
    use levain::kernel::square_sum;
    let x = random(&[300, 1001], 1);
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let one = pool(1).install(|| square_sum(&x).unwrap());
    assert_eq!(one.to_bits(), pool(2).install(|| square_sum(&x).unwrap()).to_bits());
    let right: f64 = numbers(&x).iter().map(|x| *x as f64 * *x as f64).sum();
    assert!((one - right).abs() < 1e-9 * right);
}

#[test]
fn products_are_those_of_their_factors() {
    use levain::kernel::matmul::multiply;
    use levain::kernel::matrix::{Matrix, at as number};
    // without the instructions, bf16 products equal f32 products
    let narrow = levain::kernel::cpu::level() >= levain::kernel::cpu::Level::Bf16;
    let factor = |x: &Matrix, row, column, precision| {
        let number = number(x, row, column);
        if narrow && precision == Precision::Bf16 { half::bf16::from_f32(number).to_f32() } else { number }
    };
    let (a, b) = (numbers(&random(&[2_000_000], 1)), numbers(&random(&[2_000_000], 2)));
    let halves: Vec<half::bf16> = b.iter().map(|x| half::bf16::from_f32(*x)).collect();
    let sizes =
        [[1, 1, 1], [12, 32, 2], [13, 33, 3], [5, 100, 31], [30, 31, 65], [100, 7, 800], [77, 40, 1601], [9, 3200, 40]];
    for dims @ [m, n, k] in sizes {
        let by_rows = [Matrix::rows(&a[..m * k], k), Matrix::rows(&a[..m * k], m).t()];
        let by_columns = [
            Matrix::rows(&b[..n * k], n),
            Matrix::rows(&b[..n * k], k).t(),
            Matrix::rows(&halves[..n * k], n),
            Matrix::rows(&halves[..n * k], k).t(),
        ];
        for (a, b, precision) in by_rows.iter().flat_map(|a| {
            by_columns.iter().flat_map(move |b| precisions().into_iter().map(|precision| (*a, *b, precision)))
        }) {
            let mut out = vec![1f32; m * n];
            multiply(&mut out, dims, a, b, true, precision);
            let again = out.clone();
            multiply(&mut out, dims, a, b, false, precision);
            for (i, (fresh, added)) in out.iter().zip(&again).enumerate().step_by(1 + m * n / 300) {
                let (row, column) = (i / n, i % n);
                let product = |at| factor(&a, row, at, precision) as f64 * factor(&b, at, column, precision) as f64;
                let sum: f64 = (0..k).map(product).sum();
                // a few rows are multiplied without rounding them
                let near = if m <= 32 && precision == Precision::Bf16 { 2e-2 } else { 1e-4 } * (k as f64).sqrt();
                assert!((sum - *fresh as f64).abs() < near, "{dims:?} {precision:?} {i}: {sum} and {fresh}");
                assert!((sum + 1.0 - *added as f64).abs() < near, "{dims:?} {precision:?} {i}, added");
            }
        }
    }
}

#[test]
fn bf16_layers() {
    for [rows, input, output] in [[3, 64, 33], [70, 96, 130], [257, 65, 31], [600, 256, 300]] {
        let op = |p: &[Tensor]| nn::linear(&p[0], &p[1], Some(&p[2]), Precision::Bf16).unwrap();
        agree(&[&[rows, input], &[output, input], &[output]], 1e-2, &op);
        let op = |p: &[Tensor]| nn::linear_transposed(&p[0], &p[1], None, Precision::Bf16).unwrap();
        agree(&[&[1, rows, input], &[input, output]], 1e-2, &op);
    }
    let targets: Vec<i64> = (0..600).map(|i| if i % 7 == 0 { -100 } else { i * 31 % 900 }).collect();
    agree(&[&[600, 32], &[900, 32]], 1e-2, &|p| {
        nn::linear_cross_entropy(&p[0], &p[1], None, &targets, 0.1, Precision::Bf16).unwrap()
    });
}

#[test]
fn a_frozen_bf16_weight_serves_f32_activations() {
    let half = random(&[40, 24], 3).to_dtype(levain::tensor::DType::BF16).unwrap();
    let weight = Tensor::from(half);
    for rows in [1, 3, 50] {
        agree(&[&[rows, 24]], EXACT, &|p| nn::linear(&p[0], &weight, None, Precision::F32).unwrap());
        agree(&[&[rows, 24]], 1e-2, &|p| nn::linear(&p[0], &weight, None, Precision::Bf16).unwrap());
    }
}

#[test]
fn few_rows_with_any_matrix() {
    use levain::kernel::matmul::multiply;
    use levain::kernel::matrix::{Matrix, at as number};
    let (a, b) = (numbers(&random(&[4000], 1)), numbers(&random(&[300_000], 2)));
    let halves: Vec<half::bf16> = b.iter().map(|x| half::bf16::from_f32(*x)).collect();
    let wide: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
    for dims @ [m, n, k] in [[1, 1, 1], [1, 5, 1], [1, 1, 5], [2, 37, 31], [3, 300, 48], [4, 515, 500], [1, 70, 999]] {
        let a = Matrix::rows(&a[..m * k], k);
        let cases = [
            (Matrix::rows(&b[..n * k], n), Matrix::rows(&b[..n * k], n)),
            (Matrix::rows(&b[..n * k], k).t(), Matrix::rows(&b[..n * k], k).t()),
            (Matrix::rows(&halves[..n * k], n), Matrix::rows(&wide[..n * k], n)),
            (Matrix::rows(&halves[..n * k], k).t(), Matrix::rows(&wide[..n * k], k).t()),
        ];
        for (b, same) in cases {
            let mut out = vec![1f32; m * n];
            multiply(&mut out, dims, a, b, true, Precision::F32);
            for (i, found) in out.iter().enumerate() {
                let sum: f64 = (0..k).map(|at| number(&a, i / n, at) as f64 * number(&same, at, i % n) as f64).sum();
                assert!(
                    (sum + 1.0 - *found as f64).abs() < 2e-5 * (k as f64).sqrt() + 1e-4,
                    "{dims:?} {i}: {} and {found}",
                    sum + 1.0
                );
            }
        }
    }
}

/// A text has the same results in any batch: those of a row do not depend on the rows around it.
#[test]
fn a_row_is_the_same_wherever_it_lies() {
    use levain::kernel::matmul::multiply;
    use levain::kernel::matrix::Matrix;
    let (k, n) = (1700, 70);
    let (a, b) = (numbers(&random(&[100, k], 1)), numbers(&random(&[k, n], 2)));
    for precision in precisions() {
        let product = |first: usize, m: usize| {
            let mut out = vec![0.5f32; m * n];
            let (a, b) = (Matrix::rows(&a[first * k..], k), Matrix::rows(&b[..], n));
            multiply(&mut out, [m, n, k], a, b, true, precision);
            out
        };
        let whole = product(0, 100);
        for (first, m) in [(0, 33), (1, 64), (7, 93), (20, 45)] {
            assert!(product(first, m) == whole[first * n..][..m * n], "{precision:?}: {m} rows from {first}");
        }
    }
}

/// The same tests with none of the processor's extensions, and with some of them: the portable paths agree with the reference
/// too.
#[test]
fn portable_paths() {
    if std::env::var("LEVAIN_CPU").is_ok() {
        return;
    }
    for level in ["plain", "avx2", "avx512", "bf16"] {
        let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
        let tests = tests.env("LEVAIN_CPU", level).args(["kernel::", "--skip", "portable_paths"]).output().unwrap();
        assert!(tests.status.success(), "LEVAIN_CPU={level}:\n{}", String::from_utf8_lossy(&tests.stdout));
    }
}

/// Large memory grows and shrinks with its content, and new memory never contains old data.
#[test]
fn large_memory_keeps_its_content_when_it_grows() {
    let mut numbers: Vec<u32> = Vec::new();
    for at in 0..20_000_000u32 {
        numbers.push(at);
    }
    assert!(numbers.iter().enumerate().all(|(at, number)| at == *number as usize));
    numbers.truncate(1_000_000);
    numbers.shrink_to_fit();
    let mut others: Vec<u32> = Vec::new();
    others.extend((0..3_000_000).rev());
    numbers.reserve_exact(7_000_000);
    numbers.extend(1_000_000..8_000_000);
    assert!(numbers.iter().enumerate().all(|(at, number)| at == *number as usize));
    assert!(others.iter().rev().enumerate().all(|(at, number)| at == *number as usize));
    drop(others);
    numbers.truncate(10);
    numbers.shrink_to_fit();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert!(vec![0u8; 80 << 20].iter().all(|byte| *byte == 0));
}
