//! Models over the wires of providers, spoken by a fake on loopback.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "what helps a test fails it")]

mod ask;
mod fake;
mod fixture;
mod peer;
mod prompt;
mod retry;
mod shape;
mod stream;
mod trace;
mod whole;
