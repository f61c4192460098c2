//! Events that a busy session refuses.
//!
//! A look before the publish, best effort: two calls at the same moment may both find the session
//! free, and a publisher on the broker asks nobody. The worker, which knows the order, records as
//! failed whatever slips through. Only triggers that refuse pay for the look.

use backbone::{direct, journal, topology};
use proto::code::Code;
use proto::id::{Epoch, SessionKey};
use proto::record::Record;
use proto::{header, subject};

use crate::api_error::ApiError;
use crate::door::Door;

/// Refuses an event whose session is busy, unless it is a repeat of the one that keeps it so.
pub(crate) async fn check(door: &Door, session: &SessionKey, message_id: Option<&str>) -> Result<(), ApiError> {
    match is_busy(door, session, message_id).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(ApiError::new(
            Code::SessionBusy,
            "a turn of this session is under way, and the trigger refuses events meanwhile: send it again later",
        )),
        // What cannot be seen is the worker's to decide.
        Err(error) => {
            tracing::debug!(%error, "whether a session is busy cannot be seen");
            Ok(())
        }
    }
}

async fn is_busy(door: &Door, session: &SessionKey, message_id: Option<&str>) -> Result<bool, journal::Error> {
    let last = journal::last(&door.client, session).await?.map(|entry| entry.record);
    Ok(match &uncommitted(door, session, last.as_ref()).await? {
        Some(stored) => {
            let known = stored.headers.get(header::MESSAGE_ID).map(async_nats::HeaderValue::as_str);
            message_id.is_none() || known != message_id
        }
        None => last.as_ref().is_some_and(is_open),
    })
}

/// The first event behind the last record that is not committed: one that waits, or whose turn is under way.
pub(crate) async fn uncommitted(
    door: &Door,
    session: &SessionKey,
    last: Option<&Record>,
) -> Result<Option<direct::Stored>, journal::Error> {
    if let Some(last) = last {
        match first(door, session, last.event.epoch, last.cursor + 1).await {
            Err(direct::Error::NoStream) => {} // made anew since
            found => return Ok(found?),
        }
    }
    let Ok(epoch) = topology::current_epoch(&door.context).await else { return Ok(None) };
    Ok(first(door, session, epoch, 1).await?)
}

async fn first(door: &Door, session: &SessionKey, epoch: Epoch, from: u64) -> Result<Option<direct::Stored>, direct::Error> {
    direct::next(&door.client, &subject::events_stream(epoch), &subject::event(session), from).await
}

/// Whether a turn stands open at the end of the log.
fn is_open(last: &Record) -> bool {
    !last.is_terminal() && !last.is_idle()
}
