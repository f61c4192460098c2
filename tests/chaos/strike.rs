//! What each fault does, to whom, and how it is taken back.

use std::time::Duration;

use anyhow::Context as _;
use proto::subject::{LOG_STREAM, events_stream};
use rustix::process::Signal;
use tests::system::System;

use crate::broker::{in_sync, is_in_sync_within, leader, step_down};
use crate::clock::now_ms;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::fleet::{Fleet, GATEWAYS, WORKERS};
use crate::net::{Net, Weather};

/// How long a process or a nats-server is stopped in its tracks.
const FROZEN: Duration = Duration::from_secs(15);
/// How long a disk is full.
const FULL: Duration = Duration::from_secs(10);
/// How long a nats-server may take to find that its disk has room again, before it is started again.
const ROOM_WITHIN: Duration = Duration::from_secs(10);
/// How long a way is slow.
const SLOW: Duration = Duration::from_secs(10);
/// Which process the publishers are, as far as ways go.
pub(crate) const PUBLISHERS: usize = WORKERS + GATEWAYS;
/// The nats-server that has the small disk.
pub(crate) const SMALL: usize = 2;

/// Everything that can be hurt.
pub(crate) struct World {
    /// Workers and gateways. The first field, so that they end before their servers.
    pub(crate) fleet: Fleet,
    /// The ways to servers.
    pub(crate) net: Net,
    /// The small disk of a nats-server, where it could be mounted: taken away before the directory that it lies in.
    pub(crate) disk: Option<Disk>,
    /// The servers.
    pub(crate) system: System,
}

/// A fault that was.
#[derive(Debug, Clone)]
pub(crate) struct Struck {
    /// What happened.
    pub(crate) fault: Fault,
    /// To whom.
    pub(crate) target: String,
    /// When it struck, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// When it was taken back, and whoever was hurt was well again.
    pub(crate) well_ms: i64,
}

fn seconds(dice: &mut Dice, least: u64, most: u64) -> Duration {
    Duration::from_millis(dice.between(least * 1_000, most * 1_000))
}

impl World {
    /// Has a fault strike, takes it back, and waits until whoever was hurt is well again.
    pub(crate) async fn strike(&self, fault: Fault, mut dice: Dice) -> anyhow::Result<Struck> {
        let dice = &mut dice;
        let (target, at_ms) = match fault {
            Fault::WorkerKill | Fault::WorkerFreeze | Fault::WorkerStop => self.process(fault, dice.index(WORKERS), dice).await?,
            Fault::GatewayKill | Fault::GatewayFreeze | Fault::GatewayStop => {
                let process = WORKERS + dice.index(GATEWAYS);
                let struck = self.process(fault, process, dice).await?;
                self.fleet.ready(process).await?;
                struck
            }
            Fault::RedisFlush | Fault::RedisFreeze | Fault::RedisKill => ("redis".into(), self.redis(fault, dice).await?),
            Fault::NatsKill | Fault::NatsFreeze | Fault::NatsFull | Fault::EventsStepDown | Fault::LogStepDown => {
                // One server at a time, and only while the others have everything.
                in_sync(self.system.view()).await?;
                let struck = self.nats(fault, dice).await?;
                in_sync(self.system.view()).await?;
                struck
            }
            Fault::CutNats | Fault::DelayNats => self.way_to_nats(fault, dice).await?,
            Fault::CutRedis | Fault::DelayRedis => self.way_to_redis(fault, dice).await?,
        };
        Ok(Struck { fault, target, at_ms, well_ms: now_ms() })
    }

    async fn process(&self, fault: Fault, process: usize, dice: &mut Dice) -> anyhow::Result<(String, i64)> {
        let at_ms = now_ms();
        match fault {
            Fault::WorkerKill | Fault::GatewayKill => {
                self.fleet.kill(process).await?;
                tokio::time::sleep(seconds(dice, 1, 4)).await;
                self.fleet.revive(process).await?;
            }
            Fault::WorkerFreeze | Fault::GatewayFreeze => {
                self.fleet.signal(process, Signal::STOP).await?;
                tokio::time::sleep(FROZEN).await;
                self.fleet.signal(process, Signal::CONT).await?;
            }
            _ => self.fleet.roll(process).await?,
        }
        Ok((self.fleet.name(process).await?, at_ms))
    }

    async fn redis(&self, fault: Fault, dice: &mut Dice) -> anyhow::Result<i64> {
        let at_ms = now_ms();
        match fault {
            Fault::RedisFreeze => {
                self.system.redis.freeze().await;
                tokio::time::sleep(seconds(dice, 5, 10)).await;
                self.system.redis.thaw().await;
            }
            Fault::RedisKill => {
                self.system.redis.kill().await;
                tokio::time::sleep(seconds(dice, 2, 6)).await;
                self.system.redis.restart().await;
            }
            _ => self.system.view().redis::<()>(&["FLUSHALL"]).await.context("Redis cannot be flushed")?,
        }
        Ok(at_ms)
    }

    async fn nats(&self, fault: Fault, dice: &mut Dice) -> anyhow::Result<(String, i64)> {
        let view = self.system.view();
        let events = events_stream(view.epoch().await);
        // Whoever leads a stream is missed most; the others must be hurt too.
        let number = match dice.below(4) {
            0 => leader(view, LOG_STREAM).await,
            1 => leader(view, &events).await,
            _ => None,
        };
        let number = number.unwrap_or_else(|| dice.index(self.system.nats.len()));
        let server = self.system.nats.get(number).context("such a nats-server")?;
        let at_ms = now_ms();
        match fault {
            Fault::NatsKill => {
                server.kill().await;
                tokio::time::sleep(seconds(dice, 2, 8)).await;
                server.restart().await;
            }
            Fault::NatsFreeze => {
                server.freeze().await;
                tokio::time::sleep(FROZEN).await;
                server.thaw().await;
            }
            Fault::NatsFull => return Ok((self.fill().await?, at_ms)),
            Fault::EventsStepDown => {
                step_down(view, &events).await?;
                return Ok((events, at_ms));
            }
            _ => {
                step_down(view, LOG_STREAM).await?;
                return Ok((LOG_STREAM.into(), at_ms));
            }
        }
        Ok((format!("n{number}"), at_ms))
    }

    /// Fills the small disk, and gives its room back; a server that does not go on by itself is started again.
    async fn fill(&self) -> anyhow::Result<String> {
        let (disk, server) = self.disk.as_ref().zip(self.system.nats.get(SMALL)).context("a small disk")?;
        disk.fill()?;
        tokio::time::sleep(FULL).await;
        disk.free()?;
        if is_in_sync_within(self.system.view(), ROOM_WITHIN).await {
            return Ok(format!("n{SMALL}"));
        }
        server.restart().await;
        Ok(format!("n{SMALL}, started again"))
    }

    async fn way_to_nats(&self, fault: Fault, dice: &mut Dice) -> anyhow::Result<(String, i64)> {
        let (weather, time) = match fault {
            Fault::CutNats => (Weather::Cut, seconds(dice, 5, 12)),
            _ => (Weather::Slow(Duration::from_millis(dice.between(50, 200))), SLOW),
        };
        let at_ms = now_ms();
        let target = if dice.percent(70) {
            let process = dice.index(PUBLISHERS + 1);
            self.net.nats_of(process, weather);
            tokio::time::sleep(time).await;
            self.net.nats_of(process, Weather::Fair);
            self.name(process).await?
        } else {
            let server = dice.index(self.system.nats.len());
            self.net.nats_to(server, weather);
            tokio::time::sleep(time).await;
            self.net.nats_to(server, Weather::Fair);
            format!("all to n{server}")
        };
        Ok((target, at_ms))
    }

    async fn way_to_redis(&self, fault: Fault, dice: &mut Dice) -> anyhow::Result<(String, i64)> {
        let (weather, time) = match fault {
            Fault::CutRedis => (Weather::Cut, seconds(dice, 5, 12)),
            _ => (Weather::Slow(Duration::from_millis(dice.between(50, 400))), SLOW),
        };
        let process = dice.percent(60).then(|| dice.index(PUBLISHERS));
        let at_ms = now_ms();
        self.net.redis_of(process, weather);
        tokio::time::sleep(time).await;
        self.net.redis_of(process, Weather::Fair);
        let target = match process {
            Some(process) => self.name(process).await?,
            None => "all".into(),
        };
        Ok((target, at_ms))
    }

    async fn name(&self, process: usize) -> anyhow::Result<String> {
        if process == PUBLISHERS { Ok("publishers".into()) } else { self.fleet.name(process).await }
    }
}
