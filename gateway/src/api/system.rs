//! The system at a glance: versions, streams, workers, the index.

use axum::response::Response;
use backbone::topology;
use index::rebuild;
use proto::code::Code;
use proto::resource::Scope;
use proto::subject::{self, AUDIT_STREAM, DEAD_STREAM, LOG_STREAM, OUT_STREAM, TIMERS_STREAM};
use proto::worker::{CARDS, Card, HEARTBEATS, card, sessions};
use schemars::json_schema;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::operation::{Access, Answer, Form, Operation};
use crate::api_error::ApiError;

/// Workers, and when each was last heard of.
type Seen = Vec<(String, f64)>;

/// How many workers are shown.
const WORKERS_MAX: isize = 1_000;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "versions": { "type": "object", "description": "Of this gateway, the broker and Redis." },
                "epoch": { "type": ["string", "null"], "description": "The stream of events, by its creation." },
                "streams": { "type": "array", "items": { "type": "object" } },
                "workers": { "type": "array", "items": { "type": "object" } },
                "index": { "type": ["object", "null"], "description": "How far lists are behind the log; null while that cannot be said." }
            },
            "required": ["versions", "streams", "workers"]
        })
    };
    let example = json!({
        "versions": { "gateway": "0.1.0", "nats": "2.15.1", "redis": "7.0.15" },
        "epoch": "6a1b2c3d",
        "streams": [{ "name": "LOG", "messages": 42, "bytes": 9000, "bytesMax": 68_719_476_736_i64, "subjects": 7 }],
        "workers": [{ "id": "w00000000000000ff", "version": "0.1.0", "roles": ["turns", "index", "deliver"], "turns": 512, "sessions": 2, "startedAt": 1_790_000_000_000_i64, "heartbeatAt": 1_790_000_000_000_i64 }],
        "index": { "at": 42, "last": 42, "lag": 0, "complete": true, "leader": "w00000000000000ff" }
    });
    vec![
        Operation::get("fetchSystem", "/system/fetch", Access::Scope(Scope::Read), fetch)
            .says("System", "Show versions, streams, workers and the index")
            .answers(Answer::Object(Form { schema, example }))
            .refuses(&[Code::Unavailable]),
    ]
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    let door = &call.door;
    let epoch = topology::current_epoch(&door.context).await.ok();
    let events = epoch.map(subject::events_stream);
    let contacts = index::contact::stream();
    let resources = format!("KV_{}", subject::RESOURCES);
    let names = [LOG_STREAM, DEAD_STREAM, TIMERS_STREAM, OUT_STREAM, AUDIT_STREAM, &resources, &contacts];
    let mut streams = Vec::new();
    for name in events.as_deref().into_iter().chain(names) {
        let stream = door.context.get_stream(name).await;
        let Ok(stream) = stream else { continue };
        let (state, config) = (&stream.cached_info().state, &stream.cached_info().config);
        streams.push(json!({
            "name": name, "messages": state.messages, "bytes": state.bytes, "bytesMax": config.max_bytes, "subjects": state.subjects_count, "replicas": config.num_replicas,
            "firstSequence": state.first_sequence, "lastSequence": state.last_sequence,
        }));
    }
    if streams.is_empty() {
        return Err(ApiError::unavailable("the broker cannot be reached or is not set up", &"no stream answers"));
    }
    let nats = door.client.try_server_info().map(|info| info.version);
    let redis = redis_version(&call).await;
    give(&json!({
        "versions": { "gateway": env!("CARGO_PKG_VERSION"), "nats": nats, "redis": redis },
        "epoch": epoch.map(|epoch| epoch.to_string()),
        "streams": streams,
        "workers": workers(&call).await,
        "index": index_of(&call).await,
    }))
}

/// The version that Redis, or what stands for it, gives itself.
async fn redis_version(call: &Call) -> Option<String> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("INFO").arg("server");
    let (info,): (String,) = call.door.redis.run(&pipeline).await.ok()?;
    let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned);
    line("valkey_version:").map(|version| format!("valkey {version}")).or_else(|| line("redis_version:"))
}

/// How far the index is behind the log; none where that cannot be said.
pub(super) async fn index_of(call: &Call) -> Option<Value> {
    let progress = rebuild::progress(&call.door.client, &call.door.index).await.ok()?;
    let leader = index::follow::leader(&call.door.index).await.ok()?;
    let lag = progress.last.saturating_sub(progress.at);
    Some(json!({ "at": progress.at, "last": progress.last, "lag": lag, "complete": progress.is_complete, "leader": leader }))
}

/// How many workers have a card that has not run out; none where Redis does not say.
pub(super) async fn living(call: &Call) -> Option<usize> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("ZREVRANGE").arg(CARDS).arg(0).arg(WORKERS_MAX - 1);
    let (ids,) = call.door.redis.run::<(Vec<String>,)>(&pipeline).await.ok()?;
    let mut pipeline = redis::pipe();
    for worker in ids.iter().filter_map(|id| id.parse().ok()) {
        pipeline.cmd("EXISTS").arg(card(&worker));
    }
    if pipeline.is_empty() {
        return Some(0);
    }
    let found = call.door.redis.run::<Vec<bool>>(&pipeline).await.ok()?;
    Some(found.into_iter().filter(|lives| *lives).count())
}

/// The workers that are known in Redis; what cannot be said is left out.
async fn workers(call: &Call) -> Vec<Value> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("ZREVRANGE").arg(CARDS).arg(0).arg(WORKERS_MAX - 1).arg("WITHSCORES");
    pipeline.cmd("ZREVRANGE").arg(HEARTBEATS).arg(0).arg(WORKERS_MAX - 1).arg("WITHSCORES");
    let found = call.door.redis.run::<(Seen, Seen)>(&pipeline).await;
    let Ok((cards, beats)) = found else { return Vec::new() };
    let mut shown = Vec::new();
    for (id, seen) in cards {
        let Ok(worker) = id.parse() else { continue };
        let mut pipeline = redis::pipe();
        pipeline.cmd("GET").arg(card(&worker));
        pipeline.cmd("SCARD").arg(sessions(&worker));
        let Ok((text, owned)) = call.door.redis.run::<(Option<String>, u64)>(&pipeline).await else { continue };
        let Some(text) = text else { continue };
        let Ok(Card { version, roles, turns, started_at }) = serde_json::from_str(&text) else { continue };
        let beat = beats.iter().find(|(beating, _)| *beating == id).map_or(seen, |(_, at)| *at);
        shown.push(json!({ "id": id, "version": version, "roles": roles, "turns": turns, "sessions": owned, "startedAt": started_at, "heartbeatAt": beat }));
    }
    shown
}
