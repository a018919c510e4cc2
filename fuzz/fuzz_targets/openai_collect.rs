//! Streams that are put together.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::edited::check_collected(data));
