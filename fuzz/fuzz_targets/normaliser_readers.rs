//! Values, calls and schemas as models and callers write them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    wire::normaliser::laws::check(&String::from_utf8_lossy(data));
});
