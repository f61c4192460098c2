//! The broker's clock.
//!
//! What ends by time ends by the broker's time, whose clock stamped what began. It is asked rarely,
//! and carried on by this process's own measure of time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, Request};
use proto::limit::READ_DEADLINE;
use proto::subject::LOG_STREAM;
use serde::Deserialize;
use tokio::time::Instant;

/// How long an answer is carried on.
const TRUST: Duration = Duration::from_mins(1);

/// What the broker last said, and when.
#[derive(Debug, Default)]
pub(crate) struct BrokerClock(Mutex<Option<(Instant, i64)>>);

#[derive(Deserialize)]
struct Info {
    ts: String,
}

impl BrokerClock {
    /// Milliseconds since 1970; none where the broker does not say.
    pub(crate) async fn now_ms(&self, client: &Client) -> Option<i64> {
        if let Some(now_ms) = self.carried_on() {
            return Some(now_ms);
        }
        let asked_at = Instant::now();
        let asked = client.send_request(format!("$JS.API.STREAM.INFO.{LOG_STREAM}"), Request::new().timeout(None));
        let answer = tokio::time::timeout(READ_DEADLINE, asked).await.ok()?.ok()?;
        let info: Info = serde_json::from_slice(&answer.payload).ok()?;
        let said: jiff::Timestamp = info.ts.parse().ok()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked_at, said.as_millisecond()));
        self.carried_on()
    }

    /// A clock that was told a moment ago.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn told(said_ms: i64) -> Self {
        Self(Mutex::new(Some((Instant::now(), said_ms))))
    }

    fn carried_on(&self) -> Option<i64> {
        let (at, said_ms) = self.0.lock().unwrap_or_else(PoisonError::into_inner).filter(|(at, _)| at.elapsed() < TRUST)?;
        Some(said_ms.saturating_add(i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX)))
    }
}
