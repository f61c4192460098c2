//! Three nats-servers: who leads, and whether all have everything.

use std::time::Duration;

use ::tests::view::View;
use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::time::Instant;

/// How long the servers may take until all have everything again.
const IN_SYNC_WITHIN: Duration = Duration::from_mins(2);
/// How long a leader may take to step down: an election that has just been makes the broker refuse.
const STEP_DOWN_WITHIN: Duration = Duration::from_secs(30);
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many entries a replica that is current may be behind, under load.
const LAG_MAX: u64 = 100;
/// How many replicas there are beside the leader.
const FOLLOWERS: usize = 2;

/// Whether a group has a leader, and every replica is there and current.
fn is_whole(of: &Value) -> bool {
    let is_well = |replica: &Value| {
        let is = |what: &str| replica.get(what).and_then(Value::as_bool).unwrap_or_default();
        let lag = replica.get("lag").and_then(Value::as_u64).unwrap_or_default();
        is("current") && !is("offline") && lag <= LAG_MAX
    };
    let has_leader = of.pointer("/cluster/leader").and_then(Value::as_str).is_some_and(|leader| !leader.is_empty());
    let replicas = list(of, "/cluster/replicas");
    has_leader && replicas.len() == FOLLOWERS && replicas.iter().all(is_well)
}

fn list<'a>(of: &'a Value, pointer: &str) -> &'a [Value] {
    of.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A consumer of one replica is nobody's but its reader's.
fn is_shared(consumer: &Value) -> bool {
    let replicas = consumer.pointer("/config/num_replicas").and_then(Value::as_u64);
    replicas != Some(1) && consumer.pointer("/config/durable_name").is_some()
}

/// Whether a listing tells of groups that have no leader to tell of them.
fn is_short(listed: &Value) -> bool {
    listed.get("missing").is_some_and(|missing| !missing.is_null())
}

/// What is not whole yet; none where everything is.
async fn amiss(view: &View) -> Option<String> {
    let Some(listed) = view.ask("STREAM.LIST", "").await else { return Some("the broker does not answer".into()) };
    let streams = list(&listed, "/streams");
    if streams.is_empty() || is_short(&listed) {
        return Some("not every stream has a leader".into());
    }
    for stream in streams {
        let name = stream.pointer("/config/name").and_then(Value::as_str).unwrap_or_default();
        if !is_whole(stream) {
            return Some(format!("{name}: {:?}", stream.get("cluster")));
        }
        let listed = view.ask(&format!("CONSUMER.LIST.{name}"), "").await;
        let Some(listed) = listed.filter(|listed| !is_short(listed)) else {
            return Some(format!("not every consumer of {name} has a leader"));
        };
        if let Some(consumer) =
            list(&listed, "/consumers").iter().filter(|consumer| is_shared(consumer)).find(|consumer| !is_whole(consumer))
        {
            return Some(format!("{name}, a consumer: {:?}", consumer.get("cluster")));
        }
    }
    None
}

/// Waits until all servers have everything.
pub(crate) async fn in_sync(view: &View) -> anyhow::Result<()> {
    let deadline = Instant::now() + IN_SYNC_WITHIN;
    loop {
        let Some(what) = amiss(view).await else { return Ok(()) };
        if Instant::now() > deadline {
            bail!("the nats-servers are not in sync within {IN_SYNC_WITHIN:?}: {what}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether all servers have everything before a time is over.
pub(crate) async fn is_in_sync_within(view: &View, within: Duration) -> bool {
    tokio::time::timeout(within, in_sync(view)).await.is_ok_and(|synced| synced.is_ok())
}

/// The index of the server that leads a stream.
pub(crate) async fn leader(view: &View, stream: &str) -> Option<usize> {
    let answer = view.ask(&format!("STREAM.INFO.{stream}"), "").await?;
    answer.pointer("/cluster/leader")?.as_str()?.strip_prefix('n')?.parse().ok()
}

/// Makes the leader of a stream step down.
pub(crate) async fn step_down(view: &View, stream: &str) -> anyhow::Result<()> {
    let stepped = async {
        loop {
            let answer = view.ask(&format!("STREAM.LEADER.STEPDOWN.{stream}"), "").await;
            if answer.and_then(|answer| answer.get("success")?.as_bool()) == Some(true) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(STEP_DOWN_WITHIN, stepped).await.with_context(|| format!("the leader of {stream} does not step down"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::is_whole;

    #[test]
    fn a_group_is_whole_with_a_leader_and_two_current_replicas() {
        let well = json!({ "name": "n1", "current": true });
        let group = |leader: &str, replicas: Value| json!({ "cluster": { "leader": leader, "replicas": replicas } });
        assert!(is_whole(&group("n0", json!([well, well]))));
        for bad in [
            group("", json!([well, well])),
            group("n0", json!([well])),
            group("n0", json!([well, { "current": false }])),
            group("n0", json!([well, { "current": true, "offline": true }])),
            group("n0", json!([well, { "current": true, "lag": 5_000 }])),
            json!({}),
        ] {
            assert!(!is_whole(&bad), "{bad}");
        }
    }
}
