//! Frames of server-sent events.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::stream::check_sse(data));
