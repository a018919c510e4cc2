//! Errors in every form.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::vendors::check_error(data));
