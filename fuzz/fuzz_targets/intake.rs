//! Calls over HTTP, as `law::intake` has it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::intake::holds(data));
