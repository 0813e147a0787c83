//! Computation on devices other than the CPU, as far as the CPU can test it: steps and losses in candle operations equal those of
//! the fused kernels. tests/foreign/run tests whole models on a foreign device.

use crate::kernel::{numbers, random};
use levain::kernel::loss::{self, LossShape, OutputWeight};
use levain::kernel::optimize::Moment;
use levain::kernel::{Adamw, Sgd, adamw, sgd};
use levain::tensor::nn::Precision;
use levain::tensor::{Array, DType};

fn near(what: &str, got: &Array, want: &[f32], limit: f32) {
    let worst = numbers(got).iter().zip(want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
    assert!(got.elem_count() == want.len() && worst < limit, "{what}: {worst:e} off");
}

#[test]
fn steps_are_those_of_the_kernels() {
    let (start, dims) = (random(&[30, 7], 1), [30, 7]);
    let here = || Moment::zeros(&start, false).unwrap();
    let there = || Moment::There(Array::zeros((30, 7), DType::F32, start.device()).unwrap());
    let (mut p, mut q, mut m, mut v) = (start.clone(), start.clone(), [here(), there()], [here(), there()]);
    let ([own_m, its_m], [own_v, its_v]) = (&mut m, &mut v);
    for step in 1..=5 {
        let (grad, options) =
            (random(&dims, step), Adamw { lr: 0.01, betas: (0.9, 0.95), eps: 1e-8, decay: 0.1, step });
        p = adamw(&p, &grad, own_m, own_v, 0.5, &options).unwrap();
        q = adamw(&q, &grad, its_m, its_v, 0.5, &options).unwrap();
        near("adamw", &q, &numbers(&p), 1e-6);
    }
    near("the second moment", &its_v.array(&dims).unwrap(), &numbers(&own_v.array(&dims).unwrap()), 1e-6);
    for nesterov in [false, true] {
        let (mut p, mut q, mut own, mut its) = (start.clone(), start.clone(), here(), there());
        let options = Sgd { lr: 0.1, momentum: 0.9, nesterov, decay: 0.01 };
        for step in 0..5 {
            let grad = random(&dims, step);
            p = sgd(&p, &grad, Some(&mut own), 0.5, &options).unwrap();
            q = sgd(&q, &grad, Some(&mut its), 0.5, &options).unwrap();
            near("sgd", &q, &numbers(&p), 1e-5);
        }
    }
}

/// In two parts, one of them frozen; more rows than are held at once.
#[test]
fn losses_are_those_of_the_kernels() {
    let (rows, width) = (1500, 8);
    let (hidden, old, new) = (random(&[rows, width], 1), random(&[30_000, width], 2), random(&[20, width], 3));
    let (old_bias, new_bias) = (random(&[30_000], 4), random(&[20], 5));
    let targets: Vec<i64> =
        (0..rows as i64).map(|row| if row % 7 == 3 { -100 } else { (row * 7919) % 30_020 }).collect();
    let part = |weight, bias, trainable| OutputWeight { weight, bias: Some(bias), trainable, bias_trainable: true };
    let outputs = [part(&old, &old_bias, false), part(&new, &new_bias, true)];
    for cap in [None, Some(5.0)] {
        let shape = LossShape { smoothing: 0.1, cap };
        let (want, grads) =
            loss::linear_cross_entropy(&hidden, &outputs, &targets, shape, Precision::F32, true).unwrap();
        let got = loss::linear_cross_entropy_there(&hidden, &outputs, &targets, shape, true).unwrap();
        let value = f64::from(numbers(&got.loss)[0]);
        assert!((value - want).abs() < 1e-4 * want, "{value} instead of {want}");
        near("hidden", &got.hidden.unwrap(), &grads.hidden.unwrap(), 1e-4);
        for ([own_w, own_b], [w, b]) in grads.outputs.iter().zip(got.outputs) {
            assert_eq!(own_w.is_some(), w.is_some());
            for (own, its) in [(own_w, w), (own_b, b)] {
                if let (Some(own), Some(its)) = (own, its) {
                    near("an output", &its, own, 1e-4);
                }
            }
        }
    }
}
