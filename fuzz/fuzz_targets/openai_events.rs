//! Streams of OpenAI-family servers, and what is written of them.
#![no_main]

libfuzzer_sys::fuzz_target!(
    |data: &[u8]| fuzz::stream::check::<wire::dialect::openai::EventReader>(data)
);
