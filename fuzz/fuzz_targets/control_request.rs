#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fungible_cli::fuzz::control_request(data));
