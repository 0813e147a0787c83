//! Work on large tensors checks for interrupts between its parts.

use levain::cancel::{self, Cancel};
use levain::tensor::{DType, Tensor, ops};

fn stopped<T>(result: levain::Result<T>) -> bool {
    result.err().is_some_and(|error| error.is_interrupted())
}

#[test]
fn large_arithmetic_is_interrupted() {
    let x = ops::full("full", &[1 << 10, 1 << 10], 0.5.into(), DType::F32).unwrap();
    let mask = ops::compare(ops::Compare::Greater, &x, 0.1).unwrap();
    let cancel = Cancel::default();
    cancel.request();
    cancel::under(&cancel, || {
        let same = |one: fn(&Tensor, &Tensor) -> levain::Result<Tensor>| stopped(one(&x, &x));
        // the reference operations are the library's below us
        if std::env::var("LEVAIN_KERNELS").as_deref() != Ok("off") {
            assert!(same(|x, y| ops::add(x, y)) && same(|x, y| ops::subtract(x, y)));
            assert!(same(|x, y| ops::multiply(x, y)) && same(|x, y| ops::divide(x, y)));
        }
        assert!(stopped(ops::multiply(&x, 2.0)));
        assert!(stopped(ops::exp(&x)));
        assert!(stopped(ops::compare(ops::Compare::Less, &x, &x)));
        assert!(stopped(ops::where_(&mask, &x, 0.0)));
        assert!(stopped(ops::argmax(&x, Some(1), false)));
        assert!(stopped(ops::sort(&x, 1, false)));
    });
}
