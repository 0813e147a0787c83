#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = levain_fuzz::run("warc", bytes);
});
