//! Usage records on disk.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::spooled::check(data));
