//! Whole replies of Ollama's own API.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::stream::check_whole(data, wire::dialect::ollama::read_reply);
    fuzz::vendors::check_ollama(data);
});
