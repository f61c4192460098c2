//! The broker in memory: fence per subject, consistent but lagging reads, answers that get lost.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backbone::bug::{self, Bug};
use backbone::journal::Entry;
use bytes::Bytes;
use proto::id::{EventSeq, SessionKey, TriggerId, WorkerId};
use proto::limit;
use tokio::time::Instant;
use worker::port::{Broker, Delivery, HandOver, Inbox, NotAppended, Reply, Settle, Timer, Unavailable, Waiting};

use crate::state::{Logged, Stored};
use crate::tally::Fault;
use crate::world::{self, World};

/// One worker's connection.
pub(crate) struct SimBroker {
    world: World,
    name: String,
}

impl SimBroker {
    pub(crate) fn new(world: World, me: &WorkerId) -> Self {
        Self { world, name: me.to_string() }
    }

    async fn pass(&self, point: &'static str) -> Result<(), Unavailable> {
        self.world.pass(&self.name, point).await;
        if self.world.state().is_broker_silent() {
            tokio::time::sleep(limit::READ_DEADLINE).await;
            return Err(Unavailable("the broker is silent".into()));
        }
        if self.world.state().unlucky(300, Fault::ReadLost) {
            tokio::time::sleep(limit::READ_DEADLINE).await;
            return Err(Unavailable("a read timed out".into()));
        }
        Ok(())
    }
}

fn entry(logged: &Logged) -> Entry {
    Entry { seq: logged.seq, at_ms: logged.at_ms, record: logged.record.clone() }
}

/// The event that a reply is about.
fn event_of(reply: &Reply) -> Option<EventSeq> {
    let mut parts = reply.0.split('/');
    Some(EventSeq { epoch: parts.next()?.parse().ok()?, seq: parts.next()?.parse().ok()? })
}

#[async_trait]
impl Broker for SimBroker {
    async fn last(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable> {
        self.pass("last record").await?;
        let mut state = self.world.state();
        let lag = state.lag(40);
        let log = state.log.get(session).map(Vec::as_slice).unwrap_or_default();
        let seen = log.len().saturating_sub(lag);
        Ok(log.get(..seen).and_then(<[Logged]>::last).map(entry))
    }

    async fn last_from_leader(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable> {
        self.pass("last record, leader").await?;
        let state = self.world.state();
        Ok(state.log.get(session).and_then(|log| log.last()).map(entry))
    }

    async fn records_after(&self, session: &SessionKey, seq: u64, batch: usize) -> Result<Vec<Entry>, Unavailable> {
        self.pass("records").await?;
        let state = self.world.state();
        let log = state.log.get(session).map(Vec::as_slice).unwrap_or_default();
        Ok(log.iter().filter(|logged| logged.seq > seq).take(batch).map(entry).collect())
    }

    async fn next(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        let is_stale = self.world.state().lag(60) > 0;
        if is_stale {
            self.pass("next event").await?;
            return Ok(None); // a replica that has not seen the event yet
        }
        self.next_from_leader(session, after).await
    }

    async fn next_from_leader(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        self.pass("next event").await?;
        let state = self.world.state();
        Ok(state.first(Inbox::Event, session, after))
    }

    async fn first_of(&self, trigger: &TriggerId, after: EventSeq) -> Result<Option<(SessionKey, u64)>, Unavailable> {
        self.pass("first of a trigger").await?;
        let state = self.world.state();
        let is_it = |stored: &Stored| stored.inbox == Inbox::Event && !stored.is_acked && stored.session.trigger == *trigger;
        let found = state.events.range(EventSeq { seq: after.seq + 1, ..after }..).find(|(_, stored)| is_it(stored));
        Ok(found.map(|(event, stored)| (stored.session.clone(), event.seq)))
    }

    async fn next_answer(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        self.pass("next answer").await?;
        Ok(self.world.state().first(Inbox::Answer, session, after))
    }

    async fn schedule(&self, session: &SessionKey, timer: Timer) -> Result<(), Unavailable> {
        self.pass("schedule").await?;
        let mut state = self.world.state();
        state.timers.insert((session.clone(), timer.id), (timer.at_ms, timer.answer));
        if state.unlucky(60, Fault::TimerAnswerLost) { Err(Unavailable("an answer was lost".into())) } else { Ok(()) }
    }

    async fn append(&self, session: &SessionKey, fence: u64, record: Bytes) -> Result<u64, NotAppended> {
        let fence = Some(fence).filter(|_| !bug::is(Bug::FenceDropped));
        self.world.pass(&self.name, "append").await;
        let is_silent = self.world.state().is_broker_silent();
        if is_silent {
            tokio::time::sleep(limit::PUBLISH_DEADLINE).await;
            return Err(NotAppended::Unconfirmed);
        }
        let (is_late, is_lost) = {
            let mut state = self.world.state();
            (state.unlucky(80, Fault::AppendLate), state.unlucky(60, Fault::AppendAnswerLost))
        };
        if is_late {
            // It stays in flight and lands, or is refused, after its sender has looked.
            let (world, session) = (self.world.clone(), session.clone());
            let wait = Duration::from_millis(world.state().random.below(5_000));
            world::outside(async move {
                tokio::time::sleep(wait).await;
                world.state().append(&session, fence, record);
            });
            tokio::time::sleep(limit::PUBLISH_DEADLINE).await;
            return Err(NotAppended::Unconfirmed);
        }
        let landed = self.world.state().append(session, fence, record);
        if is_lost {
            tokio::time::sleep(limit::PUBLISH_DEADLINE).await;
            return Err(NotAppended::Unconfirmed);
        }
        self.world.pass(&self.name, "append, answered").await;
        landed.ok_or(NotAppended::Fenced)
    }

    async fn bury(&self, subject: String, id: String, letter: Bytes) -> Result<(), Unavailable> {
        self.pass("bury").await?;
        self.world.state().bury(id, subject, letter);
        self.pass("bury, answered").await
    }

    async fn has_room(&self) -> Result<bool, Unavailable> {
        self.pass("has room").await?;
        Ok(true)
    }

    async fn delete(&self, seqs: &[u64]) -> Result<(), Unavailable> {
        for seq in seqs {
            self.pass("delete").await?;
            let mut state = self.world.state();
            if state.unlucky(60, Fault::DeleteLost) {
                return Err(Unavailable("a deletion timed out".into()));
            }
            state.delete(*seq);
            if state.unlucky(60, Fault::DeleteLost) {
                return Err(Unavailable("the answer of a deletion was lost".into()));
            }
        }
        Ok(())
    }

    async fn unbury(&self, _session: &SessionKey, events: &[EventSeq]) -> Result<(), Unavailable> {
        self.pass("unbury").await?;
        for event in events {
            self.world.state().dead.remove(&format!("{}:{}", event.epoch, event.seq));
        }
        Ok(())
    }

    async fn settle(&self, reply: &Reply, settle: Settle) {
        self.world.pass(&self.name, "settle").await;
        let mut state = self.world.state();
        let Some(seq) = event_of(reply) else { return };
        if state.is_broker_silent() || state.unlucky(30, Fault::AckLost) {
            return;
        }
        state.note(|| format!("{} settles {} by {settle:?}", self.name, seq.seq));
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
        self.world.pass(&self.name, "hand over").await;
        let desk = {
            let mut state = self.world.state();
            if state.is_broker_silent() || state.unlucky(40, Fault::HandOverLost) {
                return HandOver::Late;
            }
            match state.seat(&to.to_string()).filter(|seat| seat.is_alive) {
                None => return HandOver::NoResponders,
                Some(seat) if seat.is_frozen() => return HandOver::Late,
                Some(seat) => seat.desk().map(Arc::clone),
            }
        };
        let Some(desk) = desk else { return HandOver::NoResponders };
        let is_taken = desk.offered(delivery.clone());
        self.world.state().note(|| format!("{} offers {} to {to}, taken: {is_taken}", self.name, delivery.event.seq));
        self.world.pass(&self.name, "hand over, answered").await;
        if self.world.state().unlucky(40, Fault::HandOverLost) {
            return HandOver::Late;
        }
        if is_taken { HandOver::Taken } else { HandOver::Refused }
    }

    async fn is_alive(&self, worker: &WorkerId) -> Option<bool> {
        self.world.pass(&self.name, "is alive").await;
        let state = self.world.state();
        match state.seat(&worker.to_string()) {
            Some(seat) if seat.is_alive => Some(true).filter(|_| !seat.is_frozen()),
            _ => Some(false),
        }
    }
}
