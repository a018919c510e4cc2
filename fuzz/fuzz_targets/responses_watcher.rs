//! Streams of servers of Responses, passed on.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::responses::check_watcher(data));
