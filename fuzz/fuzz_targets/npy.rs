#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| levain_fuzz::run("npy", bytes));
