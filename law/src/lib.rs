//! What holds for whatever comes in, whoever sent it.
//!
//! Each law takes bytes and reads them as what its door takes; it returns where the law holds and
//! panics where it is broken. The fuzz targets in `fuzz/` hunt for bytes that break one; the test
//! `corpus` tries all that they kept.
//!
//! In reading order:
//! - [`split`]: the parts that the bytes of a case are made of;
//! - [`envelope`]: events, records, answers, letters, resources: what decodes is kept;
//! - [`name`]: subjects, receipts, ids: what parses prints itself, and fits a subject;
//! - [`time`]: schedules, moments and lengths of time;
//! - [`instruction`]: the language of abilities: what a model gives stays in its place;
//! - [`rules`]: bots of rules: deciding ends, and is bounded;
//! - [`intake`]: calls over HTTP: a whole gateway answers in its shape, and publishes what can be read.

#![expect(clippy::expect_used, clippy::panic, reason = "a law that is broken says so by a panic")]

pub mod split;
pub mod envelope;
pub mod name;
pub mod time;
pub mod instruction;
pub mod rules;
pub mod intake;

/// A law: panics where it is broken.
pub type Law = fn(&[u8]);

/// All laws, by the names of their fuzz targets.
pub const ALL: [(&str, Law); 7] = [
    ("envelope", envelope::holds),
    ("name", name::holds),
    ("time", time::holds),
    ("parse", instruction::parses),
    ("fill", instruction::fills),
    ("rules", rules::holds),
    ("intake", intake::holds),
];
