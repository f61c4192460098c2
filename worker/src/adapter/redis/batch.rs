//! Claims and releases of many sessions in one round trip.
//!
//! A burst of new sessions asks for thousands of leases a second, each alone worth a few bytes.
//! Whatever asks while a round trip is under way goes with the next one. The set of this worker's
//! sessions is only a hint for adopters, so it follows behind: what came and went within
//! [`FOLLOW_EVERY`] never reaches it, and a kill within that time costs one ack wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::id::SessionKey;
use redis::Pipeline;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::Scripted;
use crate::port::{Claim, Silent, Tasks};

/// How many requests wait for the next round trip; past that the askers wait in line.
const WAITING_MAX: usize = 4_096;
/// How many requests one round trip carries.
const BATCH_MAX: usize = 256;
/// How often the set of this worker's sessions follows.
const FOLLOW_EVERY: Duration = Duration::from_millis(20);

/// What is asked for one session.
#[derive(Debug)]
enum Ask {
    Claim(oneshot::Sender<Result<Claim, Silent>>),
    Release(oneshot::Sender<Result<(), Silent>>),
}

impl Ask {
    fn silent(self) {
        match self {
            Self::Claim(asker) => drop(asker.send(Err(Silent))),
            Self::Release(asker) => asker.send(Err(Silent)).unwrap_or_default(),
        }
    }
}

/// Where requests are handed in.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    asks: mpsc::Sender<(SessionKey, Ask)>,
}

impl Batch {
    /// Starts the task that makes the round trips.
    pub(super) fn start(scripted: Arc<Scripted>, tasks: &Tasks) -> Self {
        let (asks, asked) = mpsc::channel(WAITING_MAX);
        tasks.spawn(serve(scripted, asked));
        Self { asks }
    }

    /// Claims a session unless another worker has it.
    pub(super) async fn claim(&self, session: &SessionKey) -> Result<Claim, Silent> {
        let (answer, answered) = oneshot::channel();
        self.asks.send((session.clone(), Ask::Claim(answer))).await.map_err(|_| Silent)?;
        answered.await.map_err(|_| Silent)?
    }

    /// Gives a lease back if it is this worker's.
    pub(super) async fn release(&self, session: &SessionKey) -> Result<(), Silent> {
        let (answer, answered) = oneshot::channel();
        self.asks.send((session.clone(), Ask::Release(answer))).await.map_err(|_| Silent)?;
        answered.await.map_err(|_| Silent)?
    }
}

/// What the set of sessions has yet to learn: whether a session is this worker's.
type Pending = BTreeMap<SessionKey, bool>;

async fn serve(scripted: Arc<Scripted>, mut asked: mpsc::Receiver<(SessionKey, Ask)>) {
    let mut pending = Pending::new();
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut follow = tokio::time::interval(FOLLOW_EVERY);
    follow.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = follow.tick(), if !pending.is_empty() => {
                let known = std::mem::take(&mut pending);
                if scripted.run::<()>(&membership(&scripted, &known)).await.is_err() {
                    for (session, is_mine) in known {
                        pending.entry(session).or_insert(is_mine);
                    }
                }
            }
            count = asked.recv_many(&mut batch, BATCH_MAX) => {
                if count == 0 {
                    return;
                }
                round_trip(&scripted, &mut batch, &mut pending).await;
                if !batch.is_empty() {
                    // Redis is silent: whoever stands in line hears so now, not one time-out after another.
                    while let Ok((_, ask)) = asked.try_recv() {
                        ask.silent();
                    }
                    batch.drain(..).for_each(|(_, ask)| ask.silent());
                }
            }
        }
    }
}

fn membership(scripted: &Scripted, known: &Pending) -> Pipeline {
    let mut pipeline = redis::pipe();
    for (command, is_mine) in [("SADD", true), ("SREM", false)] {
        let sessions: Vec<String> = known.iter().filter(|(_, mine)| **mine == is_mine).map(|(session, _)| session.to_string()).collect();
        if !sessions.is_empty() {
            pipeline.cmd(command).arg(super::sessions(&scripted.me)).arg(sessions).ignore();
        }
    }
    pipeline
}

/// Notes that a session is this worker's, or no longer: one that came and went leaves no trace.
fn note(pending: &mut Pending, session: &SessionKey, is_mine: bool) {
    if pending.get(session).is_some_and(|known| *known != is_mine) {
        pending.remove(session);
    } else {
        pending.insert(session.clone(), is_mine);
    }
}

/// Asks for all of `batch` at once; it is left full where Redis is silent.
async fn round_trip(scripted: &Scripted, batch: &mut Vec<(SessionKey, Ask)>, pending: &mut Pending) {
    let mut pipeline = redis::pipe();
    for (session, ask) in batch.iter() {
        match ask {
            Ask::Claim(_) => scripted.claim(&mut pipeline, session, None),
            Ask::Release(_) => scripted.release(&mut pipeline, session),
        }
    }
    let Ok(answers) = scripted.run::<Vec<(String, i64)>>(&pipeline).await else { return };
    for ((session, ask), (owner, left_ms)) in batch.drain(..).zip(answers) {
        match ask {
            Ask::Claim(asker) => {
                let claim = scripted.judge(&owner, left_ms);
                if claim == Ok(Claim::Mine) {
                    note(pending, &session, true);
                }
                // An asker that is gone has been ended from outside; its lease runs out by itself.
                drop(asker.send(claim));
            }
            Ask::Release(asker) => {
                note(pending, &session, false);
                asker.send(Ok(())).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pending, note};

    #[test]
    fn a_session_that_came_and_went_leaves_no_trace() {
        let (mut pending, session) = (Pending::new(), "t.s".parse().unwrap());
        note(&mut pending, &session, true);
        note(&mut pending, &session, false);
        assert!(pending.is_empty());
        note(&mut pending, &session, false);
        note(&mut pending, &session, false);
        assert_eq!(pending.get(&session), Some(&false));
    }
}
