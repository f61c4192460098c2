//! How many turns run when each takes 50 ms and 200 sessions wait for theirs.

use std::collections::HashMap;
use std::time::Duration;

use proto::session;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::Connection;
use crate::log::Watch;
use crate::report::{Bar, Report, percentile};
use crate::stage::{Stage, System};

const SESSIONS: u64 = 200;
const WORK_MS: u64 = 50;
const WARM: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(5);

pub(crate) async fn run(report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::open(WORK_MS).await?;
    let (gateway, target) = stage.gateway(System::Ours).await?;
    let worker = stage.worker(System::Ours, 0)?;
    let mut watch = Watch::open(&stage.client).await?;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    let mut wakes: HashMap<String, mpsc::Sender<Instant>> = HashMap::new();
    for number in 0..SESSIONS {
        let (wake, mut woken) = mpsc::channel(4);
        wakes.insert(session::token(&format!("s{number}")).to_string(), wake);
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
            if let Some(wake) = wakes.get(&token) {
                // A session that has ended its loop hears no more.
                wake.try_send(at).unwrap_or_default();
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
    report.goal("turns of 50 ms, 200 sessions in a closed loop", "turns/s", rate, Bar::AtLeast(3_000.0));
    report.goal("turns of 50 ms, 200 sessions, p99", "ms", percentile(&latencies_ms, 0.99), Bar::AtMost(100.0));
    gateway.kill().await?;
    worker.kill().await?;
    stage.close().await
}
