//! The target that `FUZZ_TARGET` names. One binary for all of them: each is all of levain.
#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<String> = LazyLock::new(|| std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target"));

libfuzzer_sys::fuzz_target!(
    // the first run makes the runtime and the tables of characters, which the time of an input is not to hold
    init: {
        let _ = levain_fuzz::run(&TARGET, b"");
    },
    |bytes: &[u8]| {
        let _ = levain_fuzz::run(&TARGET, bytes);
    }
);
