//! Streams of Anthropic's Messages, and what is written of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::stream::check::<
    wire::dialect::anthropic::StreamReader,
>(data));
