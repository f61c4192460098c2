//! Whether this process can do its work.
//!
//! Ready means that an event would be stored and its turn could be committed: the broker is
//! connected and new enough, the streams exist and have room, and the triggers are known. Redis
//! holds hints, so its silence is told and does not make the process unready. Looks at the
//! servers are at least [`LOOK_EVERY`] apart, however often this is asked.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use backbone::{nats, topology};
use proto::subject::{self, LOG_STREAM};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::door::Door;
use crate::route;

/// How old an answer about the servers may be.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a look at one of them may take.
const LOOK_DEADLINE: Duration = Duration::from_secs(1);
/// The share of a stream that must be free, as a divisor.
const FREE_SHARE: u64 = 100;

const OK: Cow<'static, str> = Cow::Borrowed("ok");

/// The last look at the servers.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Checks)>>);

/// What was seen: `ok`, or what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Checks {
    process: Cow<'static, str>,
    nats: Cow<'static, str>,
    events: Cow<'static, str>,
    log: Cow<'static, str>,
    catalogue: Cow<'static, str>,
    redis: Cow<'static, str>,
}

#[derive(Serialize)]
struct Shape {
    status: &'static str,
    checks: Checks,
}

impl Checks {
    fn is_ready(&self) -> bool {
        [&self.process, &self.nats, &self.events, &self.log, &self.catalogue].into_iter().all(|check| *check == OK)
    }

    fn status(&self) -> &'static str {
        match (self.is_ready(), self.redis == OK) {
            (true, true) => "ready",
            (true, false) => "degraded",
            (false, _) => "unready",
        }
    }
}

/// Says that the process runs.
pub(crate) async fn livez() -> Response {
    route::json(StatusCode::OK, r#"{"status":"alive"}"#)
}

/// Says whether it can do its work, and why not.
pub(crate) async fn readyz(State(door): State<Arc<Door>>) -> Response {
    let (is_ready, checks) = told(&door).await;
    route::json(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, checks)
}

/// Whether it is ready, and the checks behind that.
pub(crate) async fn told(door: &Door) -> (bool, Vec<u8>) {
    let checks = now(door).await;
    (checks.is_ready(), serde_json::to_vec(&Shape { status: checks.status(), checks }).unwrap_or_default())
}

/// Which checks hold, by name.
pub(crate) async fn checks(door: &Door) -> Vec<(&'static str, bool)> {
    let Checks { process, nats, events, log, catalogue, redis } = now(door).await;
    let named = [("process", process), ("nats", nats), ("events", events), ("log", log), ("catalogue", catalogue), ("redis", redis)];
    named.into_iter().map(|(name, check)| (name, check == OK)).collect()
}

async fn now(door: &Door) -> Checks {
    let mut last = door.readiness.0.lock().await;
    let recent = last.as_ref().filter(|(at, _)| at.elapsed() < LOOK_EVERY).map(|(_, checks)| checks.clone());
    let checks = if let Some(checks) = recent {
        checks
    } else {
        let checks = look(door).await;
        last.insert((Instant::now(), checks)).1.clone()
    };
    drop(last);
    Checks { process: process(door), nats: connection(door), catalogue: catalogue(door), ..checks }
}

async fn look(door: &Door) -> Checks {
    let is_connected = nats::is_connected(&door.client);
    let (events, log, redis) =
        tokio::join!(look_at(is_connected, events(&door.context)), look_at(is_connected, room(&door.context, LOG_STREAM)), async {
            door.redis.ping().await.map_or_else(|error| Cow::Owned(error.to_string()), |()| OK)
        },);
    Checks { process: OK, nats: OK, events, log, catalogue: OK, redis }
}

fn process(door: &Door) -> Cow<'static, str> {
    if door.ending.is_cancelled() { "stopping".into() } else { OK }
}

fn connection(door: &Door) -> Cow<'static, str> {
    if !nats::is_connected(&door.client) {
        return "not connected".into();
    }
    nats::check_version(&door.client).map_or_else(|error| Cow::Owned(error.to_string()), |()| OK)
}

fn catalogue(door: &Door) -> Cow<'static, str> {
    if door.directory.catalogue.is_loaded() { OK } else { "not loaded".into() }
}

async fn look_at(is_connected: bool, check: impl Future<Output = Result<(), String>>) -> Cow<'static, str> {
    if !is_connected {
        return "unknown".into();
    }
    match tokio::time::timeout(LOOK_DEADLINE, check).await {
        Ok(Ok(())) => OK,
        Ok(Err(fault)) => fault.into(),
        Err(_) => "no answer in time".into(),
    }
}

async fn events(context: &Context) -> Result<(), String> {
    let epoch = topology::current_epoch(context).await.map_err(|error| error.to_string())?;
    room(context, &subject::events_stream(epoch)).await
}

async fn room(context: &Context, stream: &str) -> Result<(), String> {
    let stream = context.get_stream(stream).await.map_err(|error| error.to_string())?;
    let info = stream.cached_info();
    if is_full(info.state.bytes, info.config.max_bytes) {
        Err(format!("full: {} of {} bytes", info.state.bytes, info.config.max_bytes))
    } else {
        Ok(())
    }
}

/// Whether less than a hundredth is free; a stream without a limit is never full.
fn is_full(bytes: u64, bytes_max: i64) -> bool {
    u64::try_from(bytes_max).is_ok_and(|max| max > 0 && bytes >= max - max / FREE_SHARE)
}

#[cfg(test)]
mod tests {
    use super::{Checks, OK, is_full};

    #[test]
    fn redis_degrades_and_everything_else_makes_unready() {
        let fine = Checks { process: OK, nats: OK, events: OK, log: OK, catalogue: OK, redis: OK };
        assert_eq!(fine.status(), "ready");
        assert_eq!(Checks { redis: "silent".into(), ..fine.clone() }.status(), "degraded");
        for broken in [
            Checks { process: "stopping".into(), ..fine.clone() },
            Checks { nats: "not connected".into(), ..fine.clone() },
            Checks { events: "full".into(), ..fine.clone() },
            Checks { log: "full".into(), ..fine.clone() },
            Checks { catalogue: "not loaded".into(), ..fine },
        ] {
            assert_eq!((broken.status(), broken.is_ready()), ("unready", false));
        }
    }

    #[test]
    fn a_stream_is_full_in_its_last_hundredth() {
        for (bytes, max, expected) in [(0, 1_000, false), (989, 1_000, false), (990, 1_000, true), (5, -1, false), (5, 0, false)] {
            assert_eq!(is_full(bytes, max), expected, "{bytes}/{max}");
        }
    }
}
