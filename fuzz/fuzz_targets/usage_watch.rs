//! What answers that pass say of their usage.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::forms::check_watch(data));
