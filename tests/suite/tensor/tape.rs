//! The tape: long chains, retained and freed memory.

use levain::Error;
use levain::tensor::{Array, DType, Device, Tensor, no_grad, ops};
use std::sync::Arc;

fn param(numbers: &[f32]) -> Tensor {
    Tensor::param(Array::new(numbers, &Device::Cpu).unwrap(), None)
}

fn list(array: &Array) -> Vec<f32> {
    array.flatten_all().unwrap().to_vec1().unwrap()
}

/// An operation that keeps `kept` until its backward has run.
fn keeping(x: &Tensor, kept: Arc<()>) -> Tensor {
    Tensor::derive(x.value(), [x], move |grad, flow| {
        drop(kept);
        flow.add(0, || Ok(grad))
    })
}

#[test]
fn a_chain_of_50_000_operations() {
    // on a small stack, like a test thread's
    let work = || {
        let w = param(&[1.0]);
        let mut x = w.clone();
        for _ in 0..50_000 {
            x = ops::add(&x, 1.0).unwrap();
        }
        let grads = ops::sum(&x, None, false).unwrap().backward().unwrap();
        assert_eq!(list(&grads.of(&w).unwrap()), [1.0]);
        drop(x);
        // and one that is dropped unused
        let mut x = w.clone();
        for _ in 0..50_000 {
            x = ops::multiply(&x, &w).unwrap();
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_chain_that_is_held_by_what_backward_saved() {
    let work = || {
        let w = param(&[1.0]);
        let mut x = w.clone();
        for _ in 0..50_000 {
            // like an operation that recomputes its inside: it keeps a tensor, not numbers
            let inside = x.clone();
            x = Tensor::derive(x.value(), [&w], move |grad, flow| {
                drop(inside);
                flow.add(0, || Ok(grad))
            });
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn what_was_saved_is_freed() {
    let w = param(&[1.0, 2.0]);
    let kept = Arc::new(());
    let loss = ops::sum(&keeping(&w, kept.clone()), None, false).unwrap();
    assert_eq!(Arc::strong_count(&kept), 2);
    let grads = loss.backward().unwrap();
    assert_eq!(Arc::strong_count(&kept), 1, "backward frees what an operation saved");
    let error = loss.backward().err().unwrap();
    assert!(error.to_string().contains("used up"), "{error}");
    // gradients don't hold the graph
    let loss = ops::sum(&keeping(&w, kept.clone()), None, false).unwrap();
    drop(loss);
    assert_eq!(Arc::strong_count(&kept), 1);
    assert_eq!(list(&grads.of(&w).unwrap()), [1.0, 1.0]);
    // and nothing is saved where nothing is trainable, or gradients are off
    let frozen = keeping(&w.detach(), kept.clone());
    let unrecorded = no_grad(|| keeping(&w, kept.clone()));
    assert_eq!(Arc::strong_count(&kept), 1);
    assert!(!frozen.learns() && !unrecorded.learns());
}

#[test]
fn a_frozen_input_is_not_asked_for_its_gradient() {
    let (w, frozen) = (param(&[1.0]), Tensor::from(Array::new(&[2.0f32], &Device::Cpu).unwrap()));
    let y = Tensor::derive(w.value(), [&w, &frozen], |grad, flow| {
        assert!(flow.wants(0) && !flow.wants(1));
        flow.add(1, || Err(Error::new("test", "the gradient of a frozen input was computed")))?;
        flow.add(0, || Ok(grad))
    });
    assert_eq!(y.backward().unwrap().len(), 1);
}

#[test]
fn many_uses_add_up_and_saved_gradients_stay_as_they_are() {
    let w = param(&[1.0, 2.0]);
    // w is used four times, once through a broadcast
    let parts = [&w, &w, &w].map(|x| ops::sum(x, None, false).unwrap());
    let loss = parts.iter().fold(ops::sum(&ops::multiply(&w, &w).unwrap(), None, false).unwrap(), |sum, part| {
        ops::add(&sum, part).unwrap()
    });
    let first = loss.backward().unwrap();
    assert_eq!(list(&first.of(&w).unwrap()), [5.0, 7.0]);
    let doubled = first.plus(&first).unwrap();
    assert_eq!(list(&first.of(&w).unwrap()), [5.0, 7.0]);
    assert_eq!(list(&doubled.over(4.0).unwrap().of(&w).unwrap()), [2.5, 3.5]);
}

#[test]
fn graphs_cross_threads_and_half_precision_learns() {
    let w = Tensor::param(Array::new(&[1.0f32, 2.0], &Device::Cpu).unwrap().to_dtype(DType::BF16).unwrap(), Some("w"));
    let x = ops::multiply(&w, &w).unwrap();
    let grads = std::thread::spawn(move || ops::sum(&x, None, false).unwrap().backward().unwrap()).join().unwrap();
    let grad = grads.named("w").unwrap();
    assert_eq!((grad.dtype(), list(&grad.to_dtype(DType::F32).unwrap())), (DType::BF16, vec![2.0, 4.0]));
}

#[test]
fn the_same_bits_on_one_thread_and_on_many() {
    let run = || {
        let x = ops::randn(&[300, 1000], &mut levain::tensor::Rng::new(1)).unwrap();
        let w = Tensor::param(ops::randn(&[1000], &mut levain::tensor::Rng::new(2)).unwrap().value(), None);
        let y = ops::softmax(&ops::multiply(ops::tanh(&ops::add(&x, &w).unwrap()).unwrap(), &w).unwrap(), -1).unwrap();
        let loss = ops::mean(&ops::square(&y).unwrap(), None, false).unwrap();
        let bits = loss.value().to_scalar::<f32>().unwrap().to_bits();
        let grad = loss.backward().unwrap().of(&w).unwrap();
        (bits, list(&grad).into_iter().map(f32::to_bits).collect::<Vec<_>>())
    };
    let on = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    assert_eq!(on(1), on(3));
}
