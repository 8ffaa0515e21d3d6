#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fungible_cli::fuzz::http1_response(data));
