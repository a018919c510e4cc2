//! The one form of a JSON body.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::canonical::check(data));
