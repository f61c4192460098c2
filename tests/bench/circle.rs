//! Sessions in a closed loop: each sends its next event once the turn of its last one has ended.

use std::collections::HashMap;
use std::time::Duration;

use proto::session;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::{Connection, Target};
use crate::log::Watch;

/// How many sessions there are.
pub(crate) const SESSIONS: u64 = 200;
const WARM: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(5);

/// Turns a second, and what each took in ms; `records` is how many a turn has in the log.
pub(crate) async fn turns(target: &Target, watch: &mut Watch, records: u64) -> anyhow::Result<(f64, Vec<f64>)> {
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
    Ok((rate, latencies_ms))
}
