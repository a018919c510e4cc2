//! Forms.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::forms::check_form(data));
