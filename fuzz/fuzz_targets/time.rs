//! Schedules, moments and lengths of time, as `law::time` has it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::time::holds(data));
