//! How soon another worker goes on after one is killed, and whether anything is lost or out of order.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use proto::record::Record;
use tokio::time::Instant;

use crate::http;
use crate::log::Watch;
use crate::report::{Bar, Report, median};
use crate::stage::{Stage, System};

const RATE: f64 = 300.0;
const SESSIONS: u64 = 100;
const WORK_MS: u64 = 50;
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(4);

#[derive(Debug, Default)]
struct Seen {
    slowest_s: f64,
    lost: usize,
    twice: usize,
    disordered: usize,
}

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut slowest = Vec::new();
    let mut sum = Seen::default();
    for _ in 0..rounds {
        let seen = once().await?;
        slowest.push(seen.slowest_s);
        sum.lost += seen.lost;
        sum.twice += seen.twice;
        sum.disordered += seen.disordered;
    }
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    for (name, count) in [("lost", sum.lost), ("terminal twice", sum.twice), ("out of order", sum.disordered)] {
        report.count(&format!("kill -9 at 300/s, {rounds} kills: events {name}"), count as f64, Bar::AtMost(0.0));
    }
    report.goal("kill -9: to the next record of the slowest session", "s", median(&slowest), Bar::AtMost(1.5));
    Ok(())
}

async fn once() -> anyhow::Result<Seen> {
    let stage = Stage::open(WORK_MS).await?;
    let (gateway, target) = stage.gateway(System::Ours).await?;
    let (victim, heir) = (stage.worker(System::Ours, 0)?, stage.worker(System::Ours, 0)?);
    let mut watch = Watch::open(&stage.client).await?;
    let target = http::Target { sessions: SESSIONS, ..target };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let load = tokio::spawn(async move { http::open(&target, RATE, BEFORE + AFTER).await });
    let mut records: Vec<(String, Instant, Bytes)> = Vec::new();
    let began = Instant::now();
    while began.elapsed() < BEFORE {
        records.extend(watch.next(Duration::from_millis(100)).await);
    }
    victim.kill().await?;
    let killed_at = Instant::now();
    while let Some(record) = watch.next(Duration::from_secs(3)).await {
        records.push(record);
    }
    let accepted = load.await??.latencies_ms.len() + 1; // and the probe of the gateway
    let seen = judge(&records, killed_at, accepted)?;
    gateway.kill().await?;
    heir.kill().await?;
    stage.close().await?;
    Ok(seen)
}

/// Reads what came: the sessions of the killed worker are those whose last record before the kill was its.
fn judge(records: &[(String, Instant, Bytes)], killed_at: Instant, accepted: usize) -> anyhow::Result<Seen> {
    let mut ends: BTreeMap<u64, usize> = BTreeMap::new();
    let mut newest: HashMap<&str, u64> = HashMap::new();
    let mut owners: HashMap<&str, (String, Instant)> = HashMap::new();
    let mut seen = Seen::default();
    for (token, at, bytes) in records {
        let record = Record::decode(bytes.clone())?;
        if record.is_terminal() {
            *ends.entry(record.event.seq).or_default() += 1;
            let before = newest.insert(token, record.event.seq);
            seen.disordered += usize::from(before.is_some_and(|before| before >= record.event.seq));
        }
        if let Some((owner, _)) = owners.get(token.as_str())
            && *at > killed_at
            && *owner != record.worker
        {
            seen.slowest_s = seen.slowest_s.max((*at - killed_at).as_secs_f64());
        }
        owners.insert(token, (record.worker, *at));
    }
    seen.lost = accepted.saturating_sub(ends.len());
    seen.twice = ends.values().filter(|count| **count > 1).count();
    Ok(seen)
}
