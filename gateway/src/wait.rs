//! Callers that stay for the turn.
//!
//! A core subscription on the session's log is the bell: it rings also for appends that the fence
//! then refuses, so what it carries is never shown. It says when to look, and what is told comes
//! from the streams. A bell that is missed costs at most [`LOOK_MAX`].

use std::time::Duration;

use async_nats::Subscriber;
use axum::http::HeaderMap;
use backbone::receipt::Report;
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::id::{EventSeq, SessionKey};
use proto::limit::{PUBLISH_DEADLINE, WAIT_MAX};
use proto::record::Record;
use proto::status::Status;
use proto::subject;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use crate::api_error::ApiError;
use crate::door::Door;
use crate::ingest::Accepted;
use crate::{progress, query};

/// The first look at a new event without a bell.
const LOOK_FIRST: Duration = Duration::from_millis(250);
/// The second look after the bell, which may ring before the broker has stored what it carries.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// The longest pause between two looks; each pause is four times the one before.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How long the last look may take once the time is up.
const LOOK_LAST: Duration = Duration::from_millis(500);

/// How long the caller stays: `?wait=SECONDS`, else `Prefer: wait=SECONDS`.
///
/// A parameter that cannot be used is an error; a preference that cannot be used is none (RFC 7240).
pub(crate) fn patience(query: Option<&str>, headers: &HeaderMap) -> Result<Option<Duration>, ApiError> {
    if let Some(text) = query::first(query, "wait") {
        let seconds = text.ok().and_then(|text| seconds(&text)).filter(|wait| *wait <= WAIT_MAX);
        return seconds.map(Some).ok_or_else(|| ApiError::parameter("wait", "must be a number of seconds over 0 and at most 60"));
    }
    let preferences = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let mut waits = preferences.flat_map(|value| value.split([',', ';'])).filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("wait") { seconds(value.trim().trim_matches('"')) } else { None }
    });
    Ok(waits.next().map(|wait| wait.min(WAIT_MAX)))
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| !wait.is_zero())
}

/// A caller that waits.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    door: &'a Door,
    bell: Option<Subscriber>,
    until: Instant,
    _place: SemaphorePermit<'a>,
}

impl<'a> Watch<'a> {
    /// Begins to listen, before the event is published. `None` where as many wait as may.
    pub(crate) async fn open(door: &'a Door, session: &SessionKey, patience: Duration) -> Option<Self> {
        let place = door.waits.try_acquire().ok()?;
        let until = Instant::now() + patience;
        let subscribed = tokio::time::timeout(PUBLISH_DEADLINE, door.client.subscribe(subject::log(session))).await;
        Some(Self { door, bell: subscribed.ok().and_then(Result::ok), until, _place: place })
    }

    /// Waits for the end of the turn, or of the caller's patience; `None` where nothing could be read.
    pub(crate) async fn turn(mut self, accepted: &Accepted) -> Option<Report> {
        let mut pause = if accepted.is_replay { Duration::ZERO } else { LOOK_FIRST };
        let mut newest = None;
        loop {
            let look_at = self.until.min(Instant::now() + pause);
            let mut is_over = false;
            tokio::select! {
                biased;
                () = self.door.shutdown.cancelled() => is_over = true,
                () = ring(&mut self.bell, accepted.receipt.event) => pause = Duration::ZERO,
                () = tokio::time::sleep_until(look_at) => {}
            }
            pause = (pause * 4).clamp(LOOK_AGAIN, LOOK_MAX);
            let deadline = self.until.max(Instant::now()) + LOOK_LAST;
            if let Ok(Ok(report)) = tokio::time::timeout_at(deadline, progress::of(&self.door.line, &accepted.receipt)).await {
                is_over |= report.status.is_final() && report.status != Status::Expired;
                newest = Some(report);
            }
            if is_over || Instant::now() >= self.until {
                return newest;
            }
        }
    }
}

/// Resolves when the log says something that may end the event's turn.
async fn ring(bell: &mut Option<Subscriber>, event: EventSeq) {
    while let Some(subscriber) = bell.as_mut() {
        match subscriber.next().await {
            Some(message) if may_end(&message.payload, event) => return,
            Some(_) => {}
            None => *bell = None,
        }
    }
    std::future::pending::<()>().await;
}

/// Whether a record, stored or refused, is worth a look.
fn may_end(payload: &Bytes, event: EventSeq) -> bool {
    Record::decode(payload.clone()).is_ok_and(|record| record.is_terminal() && record.event >= event)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::HeaderMap;

    use super::patience;

    fn check(query: &str, prefer: &str, expected: Result<Option<u64>, &str>) {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", prefer.parse().unwrap());
        let found = patience(Some(query), &headers).map_err(|error| error.field.unwrap().into_owned());
        assert_eq!(found, expected.map(|ms| ms.map(Duration::from_millis)).map_err(str::to_owned), "{query} {prefer}");
    }

    #[test]
    fn the_parameter_is_strict_and_the_preference_is_not() {
        check("", "", Ok(None));
        check("wait=2.5", "", Ok(Some(2_500)));
        check("wait=60", "wait=1", Ok(Some(60_000)));
        check("a=1", "respond-async, wait=10", Ok(Some(10_000)));
        check("", "WAIT=\"3\"; x=y", Ok(Some(3_000)));
        check("", "wait=600", Ok(Some(60_000)));
        for bad in ["", "0", "-1", "60.1", "x", "30s", "NaN", "inf", "1e99", "%ff"] {
            check(&format!("wait={bad}"), "wait=1", Err("wait"));
        }
        for ignored in ["wait", "wait=", "wait=0", "wait=x", "waiting=3"] {
            check("", ignored, Ok(None));
        }
    }
}
