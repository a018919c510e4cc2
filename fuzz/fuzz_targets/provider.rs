//! Addresses and lists of models.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::vendors::check_provider(data));
