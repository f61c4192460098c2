//! One log line a second for each class of fault.
//!
//! A broker that is away fails every call: ten thousand equal lines a second would hide what they
//! say. Faults of the caller are not logged at all; the answer says everything.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proto::code::Code;
use tokio::time::Instant;

use crate::api_error::ApiError;

/// How often a class is logged at most.
const EVERY: Duration = Duration::from_secs(1);

/// What was logged, and when.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<HashMap<Code, Said>>);

#[derive(Debug)]
struct Said {
    at: Instant,
    unsaid: u64,
}

impl Complaints {
    /// Logs a fault of ours, unless its class was logged within the last second.
    pub(crate) fn note(&self, error: &ApiError) {
        if error.code.status() < 500 {
            return;
        }
        if let Some(unsaid) = self.due(error.code, Instant::now()) {
            let cause = error.cause.as_deref().unwrap_or_default();
            tracing::warn!(error.code = error.code.as_str(), cause, unsaid, "{}", error.message);
        }
    }

    /// Whether to speak now, and how often it was held back since the last time.
    fn due(&self, code: Code, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(&code) {
            Some(last) if now.duration_since(last.at) < EVERY => {
                last.unsaid += 1;
                None
            }
            _ => Some(said.insert(code, Said { at: now, unsaid: 0 }).map_or(0, |last| last.unsaid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::code::Code;
    use tokio::time::Instant;

    use super::{Complaints, EVERY};

    #[test]
    fn a_class_speaks_once_a_second() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        assert_eq!(complaints.due(Code::Unavailable, start), Some(0));
        assert_eq!(complaints.due(Code::Unavailable, start + EVERY / 2), None);
        assert_eq!(complaints.due(Code::BrokerFull, start + EVERY / 2), Some(0));
        assert_eq!(complaints.due(Code::Unavailable, start + EVERY), Some(1));
    }
}
