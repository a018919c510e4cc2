//! Rows of a configuration as they are sent.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::rows::check(data));
