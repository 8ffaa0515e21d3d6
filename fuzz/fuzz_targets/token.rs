#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fungible::fuzz::token(data));
