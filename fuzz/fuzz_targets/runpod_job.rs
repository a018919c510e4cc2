//! What RunPod says of a job.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::jobs::check_job(data));
