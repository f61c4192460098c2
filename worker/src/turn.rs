//! One turn as its records tell it: pure.
//!
//! A turn is a fold over its records, live as well as when it is taken up again, so there is one
//! way to know what comes next: [`course::Course::next`]. Nothing here waits, reads or writes.

pub mod course;
pub mod merge;
