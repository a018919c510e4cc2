//! Whole replies of Anthropic's Messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::stream::check_whole(
    data,
    wire::dialect::anthropic::read_reply
));
