//! Files of configurations from elsewhere.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::imports::check(data));
