//! Streams that stay in the dialect.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::edited::check_stream(data));
