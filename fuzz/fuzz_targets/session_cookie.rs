#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fungible::fuzz::session_cookie(data));
