//! How many turns run of which each asks its model twice, for 50 ms, around one call of `echo`.
//!
//! 200 sessions in a closed loop: 2,000 turns a second is what waiting alone allows. A turn has
//! three appends, each behind the fence. The bare loop works 100 ms on each event between its two.

use std::collections::HashMap;
use std::time::Duration;

use proto::session;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::Connection;
use crate::log::Watch;
use crate::report::{Bar, Report, median, percentile};
use crate::stage::{Stage, System};

const SESSIONS: u64 = 200;
/// How long a turn waits for its model.
const WORK_MS: u64 = 100;
const WARM: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(5);
const SCRIPT: &str = r#"{"latency":50,"calls":[{"ability":"echo","with":{"order":42}}],"reply":"done"}"#;

/// One round: turns a second, and the p99 of a turn in ms.
async fn round(system: System) -> anyhow::Result<(f64, f64)> {
    let stage = Stage::open(WORK_MS).await?;
    stage.script(SCRIPT).await?;
    let (gateway, target) = stage.gateway(System::Ours).await?;
    let worker = stage.worker(system, WORK_MS)?;
    let mut watch = Watch::open(&stage.client).await?;
    // The records of one turn: its last one is what the caller waits for.
    let records = if system == System::Ours { 3 } else { 2 };
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    let mut wakes: HashMap<String, (u64, mpsc::Sender<Instant>)> = HashMap::new();
    for number in 0..SESSIONS {
        let (wake, mut woken) = mpsc::channel(4);
        wakes.insert(session::token(&format!("s{number}")).to_string(), (0, wake));
        let target = target.clone();
        tasks.spawn(async move {
            let mut connection = Connection::open(&target).await?;
            let mut latencies_ms = Vec::new();
            while began.elapsed() < WARM + TIME {
                let sent_at = Instant::now();
                connection.post(number).await?;
                let Some(at) = woken.recv().await else { break };
                if began.elapsed() > WARM {
                    latencies_ms.push((at - sent_at).as_secs_f64() * 1_000.0);
                }
            }
            anyhow::Ok(latencies_ms)
        });
    }
    let relay = async {
        while let Some((token, at, _)) = watch.next(Duration::from_secs(10)).await {
            if let Some((seen, wake)) = wakes.get_mut(&token) {
                *seen += 1;
                if seen.is_multiple_of(records) {
                    // A session that has ended its loop hears no more.
                    wake.try_send(at).unwrap_or_default();
                }
            }
        }
    };
    let ended = async {
        let mut latencies_ms = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            latencies_ms.extend(ended??);
        }
        anyhow::Ok(latencies_ms)
    };
    let latencies_ms = tokio::select! {
        ended = ended => ended?,
        () = relay => anyhow::bail!("records ceased to come"),
    };
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let rate = latencies_ms.len() as f64 / TIME.as_secs_f64();
    gateway.kill().await?;
    worker.kill().await?;
    stage.close().await?;
    Ok((rate, percentile(&latencies_ms, 0.99)))
}

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let (mut ours, mut bare) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for _ in 0..rounds {
        for (system, (rates, tails)) in [(System::Bare, &mut bare), (System::Ours, &mut ours)] {
            let (rate, tail) = round(system).await?;
            rates.push(rate);
            tails.push(tail);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let waited = WORK_MS as f64;
    let over = |tails: &[f64]| median(tails) - waited;
    report.goal("turns of two 50 ms thoughts and a call, 200 sessions", "turns/s", median(&ours.0), Bar::AtLeast(1_700.0));
    report.show("the same, bare loop of 100 ms", "turns/s", median(&bare.0));
    report.goal("over the 100 ms of a turn, p99", "ms", over(&ours.1), Bar::AtMost(30.0));
    report.show("the same, bare loop", "ms", over(&bare.1));
    Ok(())
}
