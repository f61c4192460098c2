//! The generated messages of `cuepoint.v1`; only this crate's edges handle them.

include!(concat!(env!("OUT_DIR"), "/cuepoint.v1.rs"));

/// The descriptors of all messages, for tools that read them at run time.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
