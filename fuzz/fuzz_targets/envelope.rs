//! What lies in the broker, as `law::envelope` has it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::envelope::holds(data));
