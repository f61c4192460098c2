//! Three nats-servers: who leads, and whether all have everything.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tests::view::View;
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
    let Some(cluster) = of.get("cluster") else { return false };
    let is_well = |replica: &Value| {
        let lag = replica.get("lag").and_then(Value::as_u64).unwrap_or_default();
        replica["current"] == json!(true) && replica["offline"] != json!(true) && lag <= LAG_MAX
    };
    let replicas = cluster["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
    cluster["leader"].as_str().is_some_and(|leader| !leader.is_empty()) && replicas.len() == FOLLOWERS && replicas.iter().all(is_well)
}

/// What is not whole yet; none where everything is.
async fn amiss(view: &View) -> Option<String> {
    let Some(listed) = view.ask("STREAM.LIST", "").await else { return Some("the broker does not answer".into()) };
    let streams = listed["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    if streams.is_empty() || listed.get("missing").is_some_and(|missing| !missing.is_null()) {
        return Some(format!("streams without a leader: {}", listed["missing"]));
    }
    for stream in streams {
        let name = stream["config"]["name"].as_str().unwrap_or_default();
        if !is_whole(stream) {
            return Some(format!("{name}: {}", stream["cluster"]));
        }
        let Some(consumers) = view.ask(&format!("CONSUMER.LIST.{name}"), "").await else {
            return Some(format!("{name} tells no consumers"));
        };
        let is_missing = consumers.get("missing").is_some_and(|missing| !missing.is_null());
        // A consumer of one replica is nobody's but its reader's.
        let shared =
            |consumer: &&Value| consumer["config"]["num_replicas"].as_u64() != Some(1) && consumer["config"]["durable_name"].is_string();
        let of_three = consumers["consumers"].as_array().into_iter().flatten().filter(shared).find(|consumer| !is_whole(consumer));
        if let Some(consumer) = of_three.filter(|_| !is_missing) {
            return Some(format!("{name}, consumer {}: {}", consumer["name"], consumer["cluster"]));
        }
        if is_missing {
            return Some(format!("{name}: consumers without a leader"));
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
            if answer.is_some_and(|answer| answer["success"] == json!(true)) {
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
