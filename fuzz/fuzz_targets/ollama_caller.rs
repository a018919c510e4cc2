//! Chats and prompts of Ollama callers that are translated.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::requests::check_ollama(data));
