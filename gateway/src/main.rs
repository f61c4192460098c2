//! The program `gateway`.

use std::process::ExitCode;

/// A profile showed 28 % of a worker's time in the system's: see docs/adr/0005-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gateway::program::main(std::env::args_os())
}
