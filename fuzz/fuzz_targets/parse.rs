//! Instructions of abilities, as `law::instruction` has it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::instruction::parses(data));
