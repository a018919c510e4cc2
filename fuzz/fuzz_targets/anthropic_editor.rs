//! Streams between two that speak Anthropic's Messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::anthropic_caller::check_stream(data));
