//! Bots of rules, as `law::rules` has it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::rules::holds(data));
