//! The end of a system: what holds for every test.

use std::time::Duration;

use proto::limit::LEASE_TTL;
use tokio::time::Instant;

use super::System;
use crate::eventually::eventually;

/// How long what is on its way may take.
const SETTLE_WITHIN: Duration = Duration::from_mins(1);

impl System {
    /// Asserts that nothing is lost, doubled, disordered, pending, dead or leased, and stops everything.
    pub async fn finish(mut self) {
        self.is_finished = true;
        if self.workers.iter().any(super::Node::is_running) {
            self.emptied().await;
        }
        let log = self.settled(SETTLE_WITHIN).await;
        let letters = self.view.letters().await;
        let dead: Vec<_> = letters.iter().map(|(_, letter)| letter.clone()).collect();
        self.ledger.check(&log, &dead);
        let left = self.take_dead().await;
        assert!(left.is_empty(), "dead letters that the test did not take: {left:?}");
        for node in self.gateways.iter_mut().chain(&mut self.workers) {
            node.stop().await;
        }
        self.released().await;
        for server in self.nats.iter().chain([&self.redis]) {
            server.stop().await;
        }
    }

    /// Waits until EVENTS is empty and nothing is in delivery.
    async fn emptied(&self) {
        let mut seen = String::new();
        let began = Instant::now();
        let is_empty = async || {
            let (waiting, consumer) = (self.view.try_waiting().await?, self.view.try_consumer().await?);
            tracing::debug!("{seen}");
            seen = format!("{waiting} waiting, {} in delivery, {} to deliver", consumer.num_ack_pending, consumer.num_pending);
            (waiting == 0 && consumer.num_ack_pending == 0).then_some(())
        };
        let emptied = tokio::time::timeout(SETTLE_WITHIN, eventually("EVENTS is empty", SETTLE_WITHIN * 2, is_empty)).await;
        tracing::info!(took_ms = began.elapsed().as_millis(), "EVENTS is empty");
        assert!(emptied.is_ok(), "EVENTS is not empty within {SETTLE_WITHIN:?}: {seen}");
    }

    /// A clean stop gives every lease back; what a killed worker had, a thawed one renewed
    /// before it found itself overtaken, or a broken Redis was asked, runs out.
    async fn released(&self) {
        let runs_out = self.redis.was_broken() || self.workers.iter().any(|node| node.was_killed || node.was_frozen);
        let within = if runs_out { LEASE_TTL + Duration::from_secs(1) } else { Duration::from_millis(500) };
        let names: Vec<String> = self.workers.iter().filter(|node| !node.was_killed).map(|node| node.name.clone()).collect();
        let mut left = Vec::new();
        let is_clean = async || {
            left = self.view.try_leases().await?;
            for name in &names {
                left.extend(self.view.redis::<Vec<String>>(&["KEYS", &format!("cue:sessions:{{{name}}}")]).await.ok()?);
                left.extend(self.view.redis::<Option<String>>(&["ZSCORE", "cue:workers", name]).await.ok()?.map(|_| name.clone()));
            }
            left.is_empty().then_some(())
        };
        let released = tokio::time::timeout(within, eventually("no lease is left", within * 2, is_clean)).await;
        assert!(released.is_ok(), "left in Redis: {left:?}");
    }
}

impl Drop for System {
    fn drop(&mut self) {
        assert!(self.is_finished || std::thread::panicking(), "a system was dropped without finish(): nothing was checked");
    }
}
