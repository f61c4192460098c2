//! Many events at once.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use crate::system::System;

/// How many calls are under way at a time.
const CALLS_MAX: usize = 32;
/// The pause before a refused call is repeated.
const RETRY_EVERY: Duration = Duration::from_millis(50);
/// How often a call is repeated.
const TRIES_MAX: usize = 400;

/// Events spread over time and sessions, each sent until it is accepted.
#[derive(Debug, Clone)]
pub struct Load {
    /// The trigger.
    pub trigger: &'static str,
    /// How many events.
    pub events: usize,
    /// Over how many sessions.
    pub sessions: usize,
    /// How far one is from the next.
    pub every: Duration,
}

impl Load {
    /// Sends all events over all gateways in turn. A call that is refused or unanswered is repeated with its key.
    pub async fn send(&self, system: &System) {
        let began = Instant::now();
        let calls = (0..self.events).map(|number| async move {
            let ordinal = u32::try_from(number).expect("a small number");
            tokio::time::sleep_until(began + self.every * ordinal).await;
            self.insist(system, number).await;
        });
        futures_util::stream::iter(calls).buffer_unordered(CALLS_MAX).collect::<Vec<()>>().await;
    }

    async fn insist(&self, system: &System, number: usize) {
        let (session, text, key) = (format!("s{}", number % self.sessions), format!("e{number}"), format!("k{number}"));
        let mut last = None;
        for _ in 0..TRIES_MAX {
            let call = system.call_at(number % system.gateways(), self.trigger).said(&session, &text).key(&key);
            match call.try_send().await {
                Ok(answer) if answer.status.is_success() => return,
                Ok(answer) => last = Some(answer.body.to_string()),
                Err(error) => last = Some(error.to_string()),
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
        panic!("event {number} was never accepted: {last:?}");
    }
}
