//! Requests of every caller's dialect on their way to every type of endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::road::check(data));
