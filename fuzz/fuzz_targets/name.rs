//! Subjects, receipts and ids, as `law::name` has it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::name::holds(data));
