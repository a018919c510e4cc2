//! What writers make of any events.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::made::check(data));
