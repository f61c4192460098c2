//! What a process tells of itself: log lines, traces, metrics, and the operations listener.
//!
//! Code tells by a [`Telemetry`], which is cheap to clone and tells nothing by default; only a
//! process that starts a [`pipeline`] has it go anywhere. Nothing of this decides anything: a
//! receiver that is gone costs what it would have been told.
//!
//! In reading order:
//! - [`config`]: what an operator sets;
//! - [`convention`]: names of the OpenTelemetry conventions, pinned in one place;
//! - [`story`]: which traces are told;
//! - [`context`]: the trace context that goes over the wire;
//! - [`span`]: the spans of a story;
//! - [`instrument`]: the one set of instruments, whoever reads them;
//! - [`logging`]: the format of log lines;
//! - [`pipeline`]: where all of it goes;
//! - [`ops`]: the listener for those who run the process;
//! - [`probe`]: a process that asks another whether it is well.

use std::sync::Arc;

pub mod config;
pub mod context;
pub mod convention;
mod correlation;
pub mod instrument;
pub mod logging;
pub mod ops;
pub mod pipeline;
pub mod probe;
pub mod span;
pub mod story;

pub use config::Config;

/// What code tells by. The default tells nobody.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// What is counted and measured.
    pub instruments: Arc<instrument::Instruments>,
    /// Which traces are told.
    pub stories: Arc<story::Stories>,
}

impl Telemetry {
    /// Whether anybody hears of it.
    pub fn is_heard(&self) -> bool {
        self.instruments.is_read() || self.stories.is_told()
    }
}
