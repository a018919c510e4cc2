//! Whole replies of OpenAI-family servers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::edited::check_reply(data));
