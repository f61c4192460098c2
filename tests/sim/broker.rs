//! The broker in memory: fence per subject, consistent but lagging reads, answers that get lost.

use std::time::Duration;

use async_trait::async_trait;
use backbone::journal::Entry;
use bytes::Bytes;
use proto::id::{EventSeq, SessionKey, TriggerId, WorkerId};
use proto::limit;
use tokio::time::Instant;
use worker::port::{Broker, Delivery, HandOver, Inbox, NotAppended, Reply, Settle, Timer, Unavailable, Waiting};

use crate::world::{Logged, Stored, World};

/// One worker's connection.
pub(crate) struct SimBroker {
    world: World,
    me: WorkerId,
}

impl SimBroker {
    pub(crate) fn new(world: World, me: WorkerId) -> Self {
        Self { world, me }
    }

    async fn pass(&self) -> Result<(), Unavailable> {
        self.world.pass(&self.me).await;
        if self.world.state().unlucky(300) {
            return Err(Unavailable("a read timed out".into()));
        }
        Ok(())
    }
}

fn entry(logged: &Logged) -> Entry {
    Entry { seq: logged.seq, at_ms: 0, record: logged.record.clone() }
}

fn seq_of(reply: &Reply) -> u64 {
    reply.0.split('/').next().and_then(|text| text.parse().ok()).expect("a reply of this world")
}

#[async_trait]
impl Broker for SimBroker {
    async fn last(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable> {
        self.pass().await?;
        let mut state = self.world.state();
        let is_stale = state.unlucky(40);
        let back = if is_stale { 1 + usize::try_from(state.next() % 2).unwrap_or(0) } else { 0 };
        state.summary.stale_reads += u64::from(is_stale);
        let log = state.log.get(session).map(Vec::as_slice).unwrap_or_default();
        let seen = log.len().saturating_sub(back);
        Ok(log.get(..seen).and_then(<[Logged]>::last).map(entry))
    }

    async fn last_from_leader(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable> {
        self.pass().await?;
        let state = self.world.state();
        Ok(state.log.get(session).and_then(|log| log.last()).map(entry))
    }

    async fn records_after(&self, session: &SessionKey, seq: u64, batch: usize) -> Result<Vec<Entry>, Unavailable> {
        self.pass().await?;
        let state = self.world.state();
        let log = state.log.get(session).map(Vec::as_slice).unwrap_or_default();
        Ok(log.iter().filter(|logged| logged.seq > seq).take(batch).map(entry).collect())
    }

    async fn next(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        if self.world.state().unlucky(60) {
            self.pass().await?;
            return Ok(None); // a replica that has not seen the event yet
        }
        self.next_from_leader(session, after).await
    }

    async fn next_from_leader(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        self.pass().await?;
        let state = self.world.state();
        Ok(state.first(Inbox::Event, session, after))
    }

    async fn first_of(&self, trigger: &TriggerId, after: EventSeq) -> Result<Option<(SessionKey, u64)>, Unavailable> {
        self.pass().await?;
        let state = self.world.state();
        let is_it = |stored: &Stored| stored.inbox == Inbox::Event && !stored.is_acked && stored.session.trigger == *trigger;
        let found = state.events.range(after.seq + 1..).find(|(_, stored)| is_it(stored));
        Ok(found.map(|(seq, stored)| (stored.session.clone(), *seq)))
    }

    async fn next_answer(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        self.pass().await?;
        Ok(self.world.state().first(Inbox::Answer, session, after))
    }

    async fn schedule(&self, session: &SessionKey, timer: Timer) -> Result<(), Unavailable> {
        self.pass().await?;
        let mut state = self.world.state();
        state.timers.insert((session.clone(), timer.id), (timer.at_ms, timer.answer));
        if state.unlucky(60) { Err(Unavailable("an answer was lost".into())) } else { Ok(()) }
    }

    async fn append(&self, session: &SessionKey, fence: u64, record: Bytes) -> Result<u64, NotAppended> {
        self.world.pass(&self.me).await;
        let (is_late, is_lost) = {
            let mut state = self.world.state();
            (state.unlucky(80), state.unlucky(60))
        };
        if is_late {
            // It stays in flight and lands, or is refused, after its sender has looked.
            let (world, session, record) = (self.world.clone(), session.clone(), record.clone());
            let wait = Duration::from_millis(world.state().next() % 5_000);
            #[expect(clippy::disallowed_methods, reason = "what is in flight outlives its sender")]
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                world.state().append(&session, fence, record);
            });
            self.world.state().summary.lost_answers += 1;
            return Err(NotAppended::Unconfirmed);
        }
        let landed = self.world.state().append(session, fence, record);
        if is_lost {
            self.world.state().summary.lost_answers += 1;
            return Err(NotAppended::Unconfirmed);
        }
        self.world.pass(&self.me).await;
        landed.ok_or(NotAppended::Fenced)
    }

    async fn bury(&self, _subject: String, id: String, _letter: Bytes) -> Result<(), Unavailable> {
        self.pass().await?;
        self.world.state().dead.insert(id);
        Ok(())
    }

    async fn has_room(&self) -> Result<bool, Unavailable> {
        self.pass().await?;
        Ok(true)
    }

    async fn delete(&self, seqs: &[u64]) -> Result<(), Unavailable> {
        for seq in seqs {
            self.world.pass(&self.me).await;
            let mut state = self.world.state();
            if state.unlucky(60) {
                return Err(Unavailable("a deletion timed out".into()));
            }
            state.delete(*seq);
            if state.unlucky(60) {
                return Err(Unavailable("the answer of a deletion was lost".into()));
            }
        }
        Ok(())
    }

    async fn unbury(&self, _session: &SessionKey, events: &[EventSeq]) -> Result<(), Unavailable> {
        self.pass().await?;
        for event in events {
            self.world.state().dead.remove(&format!("{}:{}", event.epoch, event.seq));
        }
        Ok(())
    }

    async fn settle(&self, reply: &Reply, settle: Settle) {
        self.world.pass(&self.me).await;
        let mut state = self.world.state();
        if state.unlucky(30) {
            return;
        }
        let seq = seq_of(reply);
        match settle {
            Settle::Ack => state.ack(seq),
            Settle::Nak(delay) => {
                if let Some(stored) = state.events.get_mut(&seq) {
                    stored.again_at = Some(Instant::now() + delay);
                }
            }
            Settle::Progress => {
                if let Some(stored) = state.events.get_mut(&seq) {
                    stored.again_at = Some(Instant::now() + limit::ACK_WAIT);
                }
            }
        }
    }

    async fn hand_over(&self, to: &WorkerId, delivery: &Delivery) -> HandOver {
        self.world.pass(&self.me).await;
        let desk = {
            let mut state = self.world.state();
            if state.unlucky(40) {
                return HandOver::Late;
            }
            let now = Instant::now();
            match state.seat(to).filter(|seat| seat.is_alive) {
                None => return HandOver::NoResponders,
                Some(seat) if seat.frozen_until.is_some_and(|until| until > now) => return HandOver::Late,
                Some(seat) => std::sync::Arc::clone(&seat.desk),
            }
        };
        let is_taken = desk.offered(delivery.clone());
        self.world.pass(&self.me).await;
        if self.world.state().unlucky(40) {
            return HandOver::Late;
        }
        if is_taken { HandOver::Taken } else { HandOver::Refused }
    }

    async fn is_alive(&self, worker: &WorkerId) -> Option<bool> {
        self.world.pass(&self.me).await;
        let state = self.world.state();
        match state.seat(worker) {
            Some(seat) if seat.is_alive => Some(true).filter(|_| seat.frozen_until.is_none_or(|until| until <= Instant::now())),
            _ => Some(false),
        }
    }
}
