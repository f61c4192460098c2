//! When a conversation is over.
//!
//! It takes in what comes within a fixed time of the event that opened it. After that time it is
//! over once no event that came in before is left, and no turn of it stands open: a turn that
//! waits for somebody outside may keep it open for long.

use std::time::Duration;

use backbone::journal;
use proto::id::{EventSeq, SessionKey};
use proto::record::Conversation;
use tokio::time::Instant;

use crate::busy;
use crate::door::Door;

/// How long after its end a window counts as closed: replicas have caught up by then, and clocks that were read a moment apart agree.
const MARGIN: Duration = Duration::from_millis(500);

/// The time that a conversation takes events in.
#[derive(Debug)]
pub(super) struct Window {
    opening: EventSeq,
    opened_at_ms: i64,
    closes: Option<Closes>,
}

#[derive(Debug, Clone, Copy)]
struct Closes {
    /// What its trigger said when this was worked out.
    lasts: Duration,
    /// By the broker's clock.
    at_ms: i64,
    /// By this process's measure, the margin included.
    at: Instant,
}

impl Window {
    /// The window of a conversation.
    pub(super) fn of(conversation: &Conversation) -> Self {
        Self { opening: conversation.opening, opened_at_ms: conversation.opened_at_ms, closes: None }
    }

    /// Whether its time is over, as far as that is known.
    pub(super) async fn is_closed(&mut self, door: &Door, session: &SessionKey) -> bool {
        // Without its trigger nobody knows how long it lasts.
        let Some(trigger) = door.directory.catalogue.trigger(&session.trigger) else { return false };
        let lasts = trigger.session_duration;
        if self.closes.is_none_or(|closes| closes.lasts != lasts) {
            let Some(now_ms) = door.clock.now_ms(&door.client).await else { return false };
            let at_ms = self.opened_at_ms.saturating_add(i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX));
            let left = Duration::from_millis(u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or_default());
            self.closes = Some(Closes { lasts, at_ms, at: Instant::now() + left + MARGIN });
        }
        self.closes.is_some_and(|closes| closes.at <= Instant::now())
    }

    /// Whether nothing more comes of a conversation whose time is over and whose log was read up to a sequence.
    pub(super) async fn is_over(&self, door: &Door, session: &SessionKey, read_to: u64) -> Result<bool, journal::Error> {
        let last = journal::last_from_leader(&door.client, session).await?;
        let Some(last) = last.filter(|last| last.seq <= read_to) else { return Ok(false) };
        if last.record.conversation.opening > self.opening {
            return Ok(true);
        }
        if !last.record.is_terminal() && !last.record.is_idle() {
            return Ok(false);
        }
        let waiting = busy::uncommitted(door, session, Some(&last.record)).await?;
        let closes_at_ms = self.closes.map_or(i64::MAX, |closes| closes.at_ms);
        Ok(waiting.is_none_or(|stored| stored.at_ms >= closes_at_ms))
    }
}
