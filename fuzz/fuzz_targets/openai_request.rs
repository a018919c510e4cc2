//! Requests that stay in the dialect.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::requests::check_edited(data));
