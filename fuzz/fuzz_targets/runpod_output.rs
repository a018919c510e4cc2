//! What workers on RunPod put out.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::jobs::check_output(data));
