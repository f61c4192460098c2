//! Any text is an instruction or has faults whose places lie in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skillset::instruction::Instruction;

fuzz_target!(|text: &str| {
    match Instruction::parse(text) {
        Ok(instruction) => {
            let schema = instruction.schema();
            assert!(schema["properties"].is_object());
        }
        Err(faults) => {
            assert!(faults.iter().count() > 0);
            assert!(faults.iter().all(|fault| text.get(fault.span.clone()).is_some()));
            assert!(faults.to_string().contains('^'));
        }
    }
});
