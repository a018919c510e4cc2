//! Requests of callers of Anthropic's Messages: read, translated and edited.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::anthropic_caller::check(data));
