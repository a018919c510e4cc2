//! Requests of callers of Responses: read, translated, edited and expanded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::responses::check_request(data));
