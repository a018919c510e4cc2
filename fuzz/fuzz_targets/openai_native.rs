//! Native tool calls within OpenAI's dialect, mended: answers and conversations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::native::check(data);
    fuzz::native::check_history(data);
});
