//! What is known of a conversation, from the log; from its opening event where no turn has begun.

use backbone::journal::{self, Entry};
use backbone::{direct, edits};
use proto::event::Event;
use proto::id::ConversationId;
use proto::record::{Conversation, Step};
use proto::wire::changed::What;
use proto::wire::{Changed, Settings};
use proto::{header, subject};

use super::unknown;
use crate::api_error::ApiError;
use crate::door::Door;
use crate::fetch::unreadable;

/// A conversation, as far as it has come.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "looked at once, and taken apart at once")]
pub(crate) enum Found {
    /// It stands in the log.
    Begun(Known),
    /// The event that opens it waits.
    Queued {
        /// What is known of it.
        settings: Settings,
        /// When the event was stored, in milliseconds since 1970.
        at_ms: i64,
    },
}

/// What is known of a conversation that has begun.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its frame.
    pub(crate) conversation: Conversation,
    /// The last record of its session.
    pub(crate) last: Entry,
    /// Whether it is the session's last, so that it can go on.
    pub(crate) is_current: bool,
    /// What was said of it.
    pub(crate) settings: Option<Settings>,
    /// When its last record was stored, in milliseconds since 1970.
    pub(crate) updated_at_ms: i64,
}

impl Found {
    /// What was said of it.
    pub(crate) fn settings(&self) -> Option<&Settings> {
        match self {
            Self::Begun(known) => known.settings.as_ref(),
            Self::Queued { settings, .. } => Some(settings),
        }
    }
}

/// Finds a conversation.
pub(crate) async fn find(door: &Door, id: &ConversationId) -> Result<Found, ApiError> {
    let last = journal::last_from_leader(&door.client, &id.session).await.map_err(unreadable)?;
    let Some(last) = last else { return queued(door, id).await };
    if is_erased(&last, id) {
        return Err(unknown());
    }
    let conversation = last.record.conversation;
    if conversation.opening == id.event {
        let settings = match last.record.settings_at(last.seq) {
            0 => None,
            seq if seq == last.seq => last.record.settings().cloned(),
            seq => {
                let entry = edits::at_seq(&door.client, &id.session, seq).await.map_err(unreadable)?;
                entry.and_then(|entry| entry.record.settings().cloned())
            }
        };
        let updated_at_ms = last.at_ms;
        return Ok(Found::Begun(Known { conversation, last, is_current: true, settings, updated_at_ms }));
    }
    match earlier(door, id, last).await? {
        Some(known) => Ok(Found::Begun(known)),
        None => queued(door, id).await,
    }
}

/// Whether a record says that the conversation is gone, though its records may still be there.
fn is_erased(last: &Entry, id: &ConversationId) -> bool {
    let erased = matches!(&last.record.step, Some(Step::Changed(Changed { what: Some(What::Erased(_)), .. })));
    erased && last.record.concerns() == id.event
}

/// A conversation that its session has left: the whole log of the session is looked through.
async fn earlier(door: &Door, id: &ConversationId, last: Entry) -> Result<Option<Known>, ApiError> {
    let (mut frame, mut first, mut described, mut updated_at_ms) = (None, None, None, 0);
    journal::walk(&door.client, &id.session, 0, |entry| {
        let record = entry.record;
        if record.conversation.opening == id.event {
            frame = frame.or(Some(record.conversation));
        }
        if record.concerns() == id.event {
            updated_at_ms = entry.at_ms;
            match &record.step {
                Some(Step::Changed(Changed { what: Some(What::Described(said)), .. })) => described = Some(said.clone()),
                Some(Step::Changed(Changed { what: Some(What::Edited(edited)), .. })) => {
                    first = edited.settings.clone().or_else(|| first.take());
                }
                _ => first = record.settings().cloned().or_else(|| first.take()),
            }
        }
        true
    })
    .await
    .map_err(unreadable)?;
    let known = |conversation| Known { conversation, last, is_current: false, settings: described.or(first), updated_at_ms };
    Ok(frame.map(known))
}

/// A conversation whose opening event waits.
async fn queued(door: &Door, id: &ConversationId) -> Result<Found, ApiError> {
    let stream = subject::events_stream(id.event.epoch);
    let stored = match direct::next_from_leader(&door.client, &stream, &subject::event(&id.session), id.event.seq).await {
        Ok(stored) => stored.filter(|stored| stored.seq == id.event.seq),
        Err(direct::Error::NoStream) => None,
        Err(error) => return Err(unreadable(error.into())),
    };
    let Some(stored) = stored else { return Err(unknown()) };
    let content_type = stored.headers.get(header::CONTENT_TYPE).map(|value| value.as_str().to_owned());
    let event = Event::decode(&id.session.trigger, content_type.as_deref(), &stored.body).ok();
    let settings = event.and_then(|event| event.direct).and_then(|direct| direct.settings);
    // Any other event may go on with a conversation that there is.
    let settings = settings.ok_or_else(unknown)?;
    Ok(Found::Queued { settings, at_ms: stored.at_ms })
}
